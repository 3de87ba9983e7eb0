/* SPDX-License-Identifier: Apache-2.0 */
#include "base/macro.h"
#include "build/lines.h"
#include "test.h"

/* Lines as "[text]", partial ones as "[text…". */
static void note(void *userdata, const char *line, size_t n, bool partial) {
        Buffer *b = userdata;

        if (n > 100)
                ASSERT_OK(buffer_printf(b, "[%zu bytes%s", n, partial ? "…" : "]"));
        else
                ASSERT_OK(buffer_printf(b, "[%.*s%s", (int) n, line, partial ? "…" : "]"));
}

static const char *text(Buffer *b) {
        ASSERT_OK(buffer_append(b, "", 1));
        return b->data;
}

TEST(lines_however_they_come) {
        _cleanup_(buffer_clear) Buffer b = {};
        _cleanup_(lines_clear) Lines lines = { .line = note, .userdata = &b };

        ASSERT_OK(lines_add(&lines, "one\ntw", 6));
        ASSERT_OK(lines_add(&lines, "o", 1));
        ASSERT_OK(lines_add(&lines, "\n\nthree", 7));
        lines_finish(&lines);
        lines_finish(&lines);
        ASSERT_STREQ(text(&b), "[one][two][][three]");
}

TEST(a_line_without_end_comes_in_parts) {
        static char data[2 * LINE_MAX_BYTES + 10];
        _cleanup_(buffer_clear) Buffer b = {};
        _cleanup_(lines_clear) Lines lines = { .line = note, .userdata = &b };

        memset(data, 'x', sizeof(data));
        data[sizeof(data) - 1] = '\n';
        for (size_t i = 0; i < sizeof(data); i += 1000)
                ASSERT_OK(lines_add(&lines, data + i, MIN(sizeof(data) - i, (size_t) 1000)));
        lines_finish(&lines);
        ASSERT_LE(lines.rest.allocated, 2 * LINE_MAX_BYTES);
        ASSERT_STREQ(text(&b), "[49152 bytes…[49152 bytes…[xxxxxxxxx]");
}

TEST(the_tail_is_whole_when_it_is_short) {
        _cleanup_(tail_clear) Tail tail = {};

        ASSERT_OK(tail_add(&tail, "oops\0!\n", 7));
        _cleanup_free_ char *s = tail_to_string(&tail);
        ASSERT_STREQ(s, "oops?!\n");
}

TEST(the_tail_keeps_the_end_and_says_what_is_missing) {
        static char data[1000];
        _cleanup_(tail_clear) Tail tail = {};

        memset(data, 'a', sizeof(data));
        for (size_t i = 0; i < 3 * TAIL_MAX; i += sizeof(data))
                ASSERT_OK(tail_add(&tail, data, sizeof(data)));
        ASSERT_OK(tail_add(&tail, "end", 3));
        ASSERT_LE(tail.kept.length, 2 * TAIL_MAX);
        _cleanup_free_ char *s = tail_to_string(&tail);
        ASSERT_CONTAINS(s, "[131467 bytes left out] aaa");
        ASSERT_STREQ(s + strlen(s) - 4, "aend");
}

TEST(nothing_is_an_empty_tail) {
        _cleanup_(tail_clear) Tail tail = {};
        _cleanup_free_ char *s = tail_to_string(&tail);

        ASSERT_STREQ(s, "");
}
