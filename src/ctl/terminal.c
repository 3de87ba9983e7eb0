/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/terminal.h"

#include <string.h>
#include <unistd.h>

#include "base/fd-util.h"

Style style_of(int fd) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        bool terminal = isatty(fd) > 0;

        return (Style) {
                .terminal = terminal,
                .colours = terminal && isempty(no_color) && term && !streq(term, "dumb"),
        };
}

const char *style_colour(const Style *style, Colour colour) {
        static const char *const sequences[_COLOUR_MAX] = {
                [COLOUR_PLAIN] = "\033[0m",  [COLOUR_BOLD] = "\033[1m",    [COLOUR_RED] = "\033[31m",
                [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m", [COLOUR_CYAN] = "\033[36m",
        };

        return style->colours ? sequences[colour] : "";
}

/* Bytes of the control character at p, 0 when there is none: C0, DEL, and C1 in UTF-8, which terminals obey
 * as well. */
static size_t control_length(const char *p, size_t n) {
        unsigned char c = (unsigned char) p[0];

        if (c < 0x20 || c == 0x7f)
                return 1;
        return c == 0xc2 && n > 1 && (unsigned char) p[1] >= 0x80 && (unsigned char) p[1] < 0xa0 ? 2 : 0;
}

/* What a terminal would still show of a line that has been overwritten, without trailing returns. */
static void skip_overwritten(const char **line, size_t *n) {
        while (*n > 0 && (*line)[*n - 1] == '\r')
                --*n;
        const char *last = memrchr(*line, '\r', *n);
        if (last) {
                *n -= (size_t) (last + 1 - *line);
                *line = last + 1;
        }
}

static int append_line(Buffer *buffer, const char *line, size_t n) {
        int r = 0;

        skip_overwritten(&line, &n);
        while (n > 0 && r >= 0) {
                size_t plain = 0, control = 0;

                while (plain < n && (line[plain] == '\t' || !control_length(line + plain, n - plain)))
                        plain++;
                r = buffer_append(buffer, line, plain);
                line += plain;
                n -= plain;
                if (n > 0)
                        control = control_length(line, n);
                for (size_t i = 0; i < control && r >= 0; i++)
                        r = buffer_printf(buffer, "\\x%02x", (unsigned char) line[i]);
                line += control;
                n -= control;
        }
        return r;
}

int append_text(Buffer *buffer, const Style *style, const char *text, size_t n, bool lines) {
        const char *end;
        int r = 0;

        if (!style->terminal)
                return buffer_append(buffer, text, n);
        while (lines && (end = memchr(text, '\n', n)) && r >= 0) {
                r = append_line(buffer, text, (size_t) (end - text));
                if (r >= 0)
                        r = buffer_append_string(buffer, "\n");
                n -= (size_t) (end + 1 - text);
                text = end + 1;
        }
        return r < 0 ? r : append_line(buffer, text, n);
}

int print_buffer(const Buffer *buffer, Error *error) {
        int r = write_all(STDOUT_FILENO, buffer->data, buffer->length);

        return r < 0 ? error_set_errno(error, r, "write to standard output") : EXIT_SUCCESS;
}

int print_json(json_object *payload, Error *error) {
        _cleanup_(buffer_clear) Buffer line = {};
        int r;

        r = payload ? json_write(payload, &line) : buffer_append_string(&line, "{}");
        if (r < 0 || buffer_append_string(&line, "\n") < 0)
                return error_oom(error);
        return print_buffer(&line, error);
}
