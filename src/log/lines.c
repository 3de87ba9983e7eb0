/* SPDX-License-Identifier: Apache-2.0 */
#include "log/lines.h"

#include <string.h>

char *line_buffer_space(LineBuffer *buffer, size_t *ret_size) {
        *ret_size = sizeof(buffer->data) - buffer->length;
        return buffer->data + buffer->length;
}

static void give_out(LineBuffer *buffer, const char *line, size_t length, bool ends, LineHandler handler,
                     void *userdata) {
        bool begins = !buffer->in_line;

        buffer->in_line = !ends;
        handler(userdata, line, length, begins, ends);
}

/* The length, at most n, that does not cut a UTF-8 sequence in two. What is no UTF-8 may be cut anywhere. */
static size_t whole_characters(const char *data, size_t n) {
        for (size_t back = 1; back <= 3 && back < n; back++) {
                unsigned char byte = (unsigned char) data[n - back];

                if ((byte & 0xc0) == 0x80) /* inside a sequence */
                        continue;
                size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
                return length > back ? n - back : n;
        }
        return n;
}

void line_buffer_added(LineBuffer *buffer, size_t n, LineHandler handler, void *userdata) {
        char *line = buffer->data, *newline;

        buffer->length += n;
        char *end = buffer->data + buffer->length;

        for (char *search = line + buffer->searched;
             (newline = memchr(search, '\n', (size_t) (end - search))); search = line = newline + 1)
                give_out(buffer, line, (size_t) (newline - line), /* ends= */ true, handler, userdata);

        if ((size_t) (end - line) > LINE_BYTES_MAX) {
                size_t length = whole_characters(line, LINE_BYTES_MAX);
                give_out(buffer, line, length, /* ends= */ false, handler, userdata);
                line += length;
        }

        buffer->length = (size_t) (end - line);
        buffer->searched = buffer->length;
        if (line != buffer->data)
                memmove(buffer->data, line, buffer->length);
}

void line_buffer_end(LineBuffer *buffer, LineHandler handler, void *userdata) {
        if (buffer->length > 0 || buffer->in_line)
                give_out(buffer, buffer->data, buffer->length, /* ends= */ true, handler, userdata);
        buffer->length = buffer->searched = 0;
}
