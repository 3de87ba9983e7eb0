/* SPDX-License-Identifier: Apache-2.0 */
#include "build/lines.h"

#include <inttypes.h>
#include <string.h>

#include "base/string-util.h"

static void emit(Lines *lines, const char *line, size_t n, bool partial) {
        lines->line(lines->userdata, line, n, partial);
}

/* Passes on one line's bytes in parts that are short enough; gives how many are left for the last one. */
static size_t emit_parts(Lines *lines, const char *line, size_t n) {
        while (n > LINE_MAX_BYTES) {
                emit(lines, line, LINE_MAX_BYTES, /* partial= */ true);
                line += LINE_MAX_BYTES;
                n -= LINE_MAX_BYTES;
        }
        return n;
}

int lines_add(Lines *lines, const char *data, size_t n) {
        const char *end;

        while ((end = memchr(data, '\n', n))) {
                const char *line = data;
                size_t length = (size_t) (end - data);

                if (lines->rest.length > 0) {
                        if (buffer_append(&lines->rest, data, length) < 0)
                                return -ENOMEM;
                        line = lines->rest.data;
                        length = lines->rest.length;
                }
                size_t last = emit_parts(lines, line, length);
                emit(lines, line + length - last, last, /* partial= */ false);
                lines->rest.length = 0;
                n -= (size_t) (end + 1 - data);
                data = end + 1;
        }
        if (buffer_append(&lines->rest, data, n) < 0)
                return -ENOMEM;
        size_t last = emit_parts(lines, lines->rest.data, lines->rest.length);
        buffer_consume(&lines->rest, lines->rest.length - last);
        return 0;
}

void lines_finish(Lines *lines) {
        if (lines->rest.length > 0)
                emit(lines, lines->rest.data, lines->rest.length, /* partial= */ false);
        lines->rest.length = 0;
}

void lines_clear(Lines *lines) {
        buffer_clear(&lines->rest);
}

int tail_add(Tail *tail, const char *data, size_t n) {
        if (buffer_append(&tail->kept, data, n) < 0)
                return -ENOMEM;
        if (tail->kept.length > 2 * TAIL_MAX) {
                size_t drop = tail->kept.length - TAIL_MAX;

                buffer_consume(&tail->kept, drop);
                tail->dropped += drop;
        }
        return 0;
}

char *tail_to_string(Tail *tail) {
        size_t over = tail->kept.length > TAIL_MAX ? tail->kept.length - TAIL_MAX : 0;
        uint64_t dropped = tail->dropped + over;

        buffer_consume(&tail->kept, over);
        tail->dropped = dropped;

        /* A NUL would end the message for everybody who reads it as a string. */
        for (size_t i = 0; i < tail->kept.length; i++)
                if (tail->kept.data[i] == '\0')
                        tail->kept.data[i] = '?';
        if (dropped > 0)
                return format_string("[%" PRIu64 " bytes left out] %.*s", dropped, (int) tail->kept.length,
                                     tail->kept.data);
        return strndup(strempty(tail->kept.data), tail->kept.length);
}

void tail_clear(Tail *tail) {
        buffer_clear(&tail->kept);
        tail->dropped = 0;
}
