/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec-reply.h"

#include "base/fd-util.h"
#include "base/json.h"
#include "base/string-util.h"
#include "protocol/envelope.h"

/* So much output becomes JSON at a time. */
#define PIECE_MAX ((size_t) KIB(256))

int exec_reply_take(void *userdata, Stream stream, const char *data, size_t n, Error *error) {
        ExecReply *reply = userdata;

        if (reply->streams[STREAM_STDOUT].length + reply->streams[STREAM_STDERR].length + n > EXEC_OUTPUT_MAX)
                return error_set(error, ERROR_COMMAND_FAILED,
                                 "the command wrote more than the %zu MiB that a reply may hold",
                                 EXEC_OUTPUT_MAX >> 20);
        return buffer_append(&reply->streams[stream], data, n) < 0 ? error_oom(error) : 0;
}

static int flush(Buffer *line, int fd) {
        int r = write_all(fd, line->data, line->length);

        line->length = 0;
        return r;
}

/* How much of it can be cut off without cutting a UTF-8 sequence in two. */
static size_t piece_length(const char *data, size_t n) {
        if (n <= PIECE_MAX)
                return n;
        for (size_t back = 0; back < 4; back++)
                if (((unsigned char) data[PIECE_MAX - back] & 0xc0) != 0x80)
                        return PIECE_MAX - back;
        return PIECE_MAX; /* no UTF-8 anyway */
}

/* A character for each byte. */
static int write_bytes(const char *data, size_t n, Buffer *line) {
        _cleanup_free_ char *text = malloc(2 * n + 1);
        size_t length = 0;

        if (!text)
                return -ENOMEM;
        for (const char *p = data; p < data + n; p++) {
                const unsigned char byte = (unsigned char) *p;

                if (byte < 0x80)
                        text[length++] = *p;
                else {
                        text[length++] = (char) (0xc0 | byte >> 6);
                        text[length++] = (char) (0x80 | (byte & 0x3f));
                }
        }
        return json_write_string(text, length, line);
}

static int send_stream(const Buffer *stream, bool bytes, Buffer *line, int fd) {
        int (*const write)(const char *data, size_t n, Buffer *line) =
                bytes ? write_bytes : json_write_string;
        int r = 0;

        for (size_t at = 0, n; at < stream->length && r >= 0; at += n) {
                n = piece_length(stream->data + at, stream->length - at);
                size_t before = line->length;
                r = write(stream->data + at, n, line);
                if (r < 0)
                        return r;
                /* One string out of all pieces: only the first keeps its opening quote, and the last gets the
                 * closing one. */
                line->length--;
                if (at > 0) {
                        memmove(line->data + before, line->data + before + 1, line->length - before - 1);
                        line->length--;
                }
                r = flush(line, fd);
        }
        return r < 0 ? r : buffer_append_string(line, "\"");
}

static int send_line(const ExecReply *reply, int exit_code, bool bytes, Buffer *line, int fd) {
        int r;

        r = reply_begin(REPLY_OK, line);
        if (r >= 0)
                r = buffer_printf(line, "{\"exitCode\":%i", exit_code);
        for (Stream s = 0; s < _STREAM_MAX && r >= 0; s++) {
                if (reply->streams[s].length == 0)
                        continue;
                r = buffer_printf(line, ",\"%s\":", stream_to_string(s));
                if (r >= 0)
                        r = send_stream(&reply->streams[s], bytes, line, fd);
        }
        if (r >= 0)
                r = buffer_append_string(line, "}");
        if (r >= 0)
                r = reply_end(line);
        return r < 0 ? r : flush(line, fd);
}

int exec_reply_send(const ExecReply *reply, int exit_code, bool bytes, int fd, Error *error) {
        _cleanup_(buffer_clear) Buffer line = {};

        int r = send_line(reply, exit_code, bytes, &line, fd);
        return r < 0 ? error_set_errno(error, r, "send the reply") : 0;
}

void exec_reply_clear(ExecReply *reply) {
        for (Stream s = 0; s < _STREAM_MAX; s++)
                buffer_clear(&reply->streams[s]);
}
