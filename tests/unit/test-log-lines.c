/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"
#include "log/lines.h"
#include "test.h"

/* What was given out, as "[begins]LINE[ends]" one after another: "|" and "+" for a begin or not, "|" and "-"
 * for an end. */
static void note(void *userdata, const char *line, size_t length, bool begins, bool ends) {
        Buffer *seen = userdata;

        buffer_append_string(seen, begins ? "|" : "+");
        buffer_append(seen, line, length);
        buffer_append_string(seen, ends ? "|" : "-");
}

static void feed(LineBuffer *lines, const char *data, size_t n, size_t at_a_time, Buffer *seen) {
        while (n > 0) {
                size_t size;
                char *space = line_buffer_space(lines, &size);
                size_t k = MIN(MIN(n, size), at_a_time);

                ASSERT_LT(0, size);
                memcpy(space, data, k);
                line_buffer_added(lines, k, note, seen);
                data += k;
                n -= k;
        }
}

static LineBuffer lines;

static const char *split(const char *data, size_t n, size_t at_a_time, Buffer *seen) {
        lines = (LineBuffer) {};
        buffer_clear(seen);
        feed(&lines, data, n, at_a_time, seen);
        line_buffer_end(&lines, note, seen);
        buffer_append(seen, "", 1);
        return seen->data;
}

TEST(lines_come_out_however_they_come_in) {
        static const char data[] = "one\n\ntwo\r\n\xff\xfe\nlast";
        _cleanup_(buffer_clear) Buffer seen = {};

        for (size_t n = 1; n <= strlen(data); n++)
                ASSERT_STREQ(split(data, strlen(data), n, &seen), "|one||||two\r||\xff\xfe||last|");
        ASSERT_STREQ(split("", 0, 1, &seen), "");
        ASSERT_STREQ(split("\n", 1, 1, &seen), "||");
        ASSERT_STREQ(split("a\n", 2, 2, &seen), "|a|");
}

TEST(nul_bytes_are_bytes) {
        _cleanup_(buffer_clear) Buffer seen = {};

        split("a\0b\n", 4, 4, &seen);
        ASSERT_EQ(seen.length, 6);
        ASSERT_EQ(memcmp(seen.data, "|a\0b|", 6), 0);
}

/* A line of n letters, followed by `end`. */
static size_t long_line(char *data, size_t n, const char *end) {
        memset(data, 'x', n);
        memcpy(data + n, end, strlen(end));
        return n + strlen(end);
}

TEST(long_lines_are_cut_into_parts) {
        static char data[4 * LINE_BYTES_MAX];
        static const size_t at_a_time[] = { 4 * LINE_BYTES_MAX, 8192, 1000, LINE_BYTES_MAX };
        _cleanup_(buffer_clear) Buffer seen = {};

        for (size_t i = 0; i < ELEMENTSOF(at_a_time); i++) {
                /* The longest that is whole. */
                split(data, long_line(data, LINE_BYTES_MAX, "\nnext"), at_a_time[i], &seen);
                ASSERT_EQ(seen.length, LINE_BYTES_MAX + 2 + 6 + 1);
                ASSERT_STREQ(seen.data + LINE_BYTES_MAX, "x||next|");

                split(data, long_line(data, LINE_BYTES_MAX + 1, "\nnext"), at_a_time[i], &seen);
                ASSERT_STREQ(seen.data + LINE_BYTES_MAX, "x-+x||next|");

                split(data, long_line(data, 3 * LINE_BYTES_MAX, ""), at_a_time[i], &seen);
                ASSERT_EQ(seen.length, 3 * LINE_BYTES_MAX + 6 + 1);
                ASSERT_STREQ(seen.data + seen.length - 4, "xx|");
        }
}

TEST(parts_are_not_cut_inside_characters) {
        static const char *const characters[] = { "ä", "€", "😀" };
        static char data[2 * LINE_BYTES_MAX];
        _cleanup_(buffer_clear) Buffer seen = {};

        for (size_t i = 0; i < ELEMENTSOF(characters); i++)
                for (size_t shift = 1; shift <= strlen(characters[i]); shift++) {
                        size_t before = LINE_BYTES_MAX - shift;
                        size_t n = long_line(data, before, characters[i]);
                        n += long_line(data + n, 10, "");
                        split(data, n, 8192, &seen);

                        /* Whole before the cut where it fits, else whole behind it. */
                        bool fits = shift == strlen(characters[i]);
                        const char *cut = memchr(seen.data, '-', seen.length);
                        ASSERT_NOT_NULL(cut);
                        ASSERT_EQ(cut - seen.data - 1, fits ? LINE_BYTES_MAX : before);
                        ASSERT_EQ(seen.length, n + 4 + 1);
                }

        /* What is no UTF-8 is cut anywhere, and nothing of it is lost. */
        memset(data, 0x80, sizeof(data));
        split(data, sizeof(data), 8192, &seen);
        ASSERT_EQ(seen.length, sizeof(data) + 4 + 1);
}
