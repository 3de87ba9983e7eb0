/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/answer.h"
#include "test.h"

#define OK_LINE "{\"version\":0,\"command\":\"ok\",\"payload\":{\"a\":1}}\n"
#define ERROR_LINE "{\"version\":0,\"command\":\"error\",\"payload\":{\"message\":\"m\"}}\n"
#define PROGRESS_LINE "{\"version\":0,\"command\":\"progress\",\"payload\":{}}\n"

/* Feeds the input in chunks of a size; writes a letter for each part's kind, '<' before a line's first and
 * '>' behind its last, and collects the bytes. The status is that of the last call. */
static int feed(const char *input, size_t length, size_t chunk, char *shape, Buffer *bytes) {
        Answer answer = {};
        AnswerPart part;
        int r = 0;

        while (length > 0 && r >= 0) {
                const char *data = input;
                size_t n = MIN(chunk, length);

                input += n;
                length -= n;
                while ((r = answer_next(&answer, &data, &n, &part)) > 0 || n > 0) {
                        if (r < 0)
                                break;
                        if (r == 0)
                                continue;
                        if (part.first)
                                *shape++ = '<';
                        *shape++ = "oep"[part.kind];
                        if (part.last)
                                *shape++ = '>';
                        buffer_append(bytes, part.data, part.length);
                }
        }
        *shape = '\0';
        answer_clear(&answer);
        return r;
}

TEST(lines_come_out_whole_however_they_are_cut) {
        static const char input[] = PROGRESS_LINE PROGRESS_LINE ERROR_LINE OK_LINE;

        for (size_t chunk = 1; chunk <= sizeof(input); chunk++) {
                Buffer bytes = {};
                char shape[64];

                ASSERT_EQ(feed(input, sizeof(input) - 1, chunk, shape, &bytes), 0);
                ASSERT_STREQ(shape, "<p><p><e><o>");
                ASSERT_EQ(bytes.length, sizeof(input) - 1);
                ASSERT_EQ(memcmp(bytes.data, input, bytes.length), 0);
                buffer_clear(&bytes);
        }
}

TEST(long_lines_come_in_parts) {
        Buffer input = {}, bytes = {};
        char shape[4096];

        buffer_append_string(&input, PROGRESS_LINE "{\"version\":0,\"command\":\"ok\",\"payload\":\"");
        while (input.length < 5 * ANSWER_HOLD_MAX)
                buffer_append_string(&input, "0123456789abcdef");
        buffer_append_string(&input, "\"}\n");

        for (size_t chunk = 1000; chunk < 3 * ANSWER_HOLD_MAX; chunk = chunk * 2 + 1) {
                bytes.length = 0;
                ASSERT_EQ(feed(input.data, input.length, chunk, shape, &bytes), 0);
                ASSERT_EQ(strncmp(shape, "<p><o", 5), 0);
                ASSERT_EQ(shape[strlen(shape) - 1], '>');
                ASSERT_EQ(strchr(shape + 5, '<'), NULL);
                ASSERT_EQ(bytes.length, input.length);
                ASSERT_EQ(memcmp(bytes.data, input.data, bytes.length), 0);
        }
        buffer_clear(&input);
        buffer_clear(&bytes);
}

TEST(a_line_of_just_the_bound_is_whole) {
        for (size_t length = ANSWER_HOLD_MAX - 1; length <= ANSWER_HOLD_MAX + 1; length++) {
                Buffer input = {}, bytes = {};
                char shape[64];

                buffer_append_string(&input, "{\"version\":0,\"command\":\"ok\",\"payload\":\"");
                while (input.length < length - 3)
                        buffer_append(&input, "x", 1);
                buffer_append_string(&input, "\"}\n");
                ASSERT_EQ(feed(input.data, input.length, 4096, shape, &bytes), 0);
                ASSERT_STREQ(shape, length <= ANSWER_HOLD_MAX ? "<o>" : "<oo>");
                buffer_clear(&input);
                buffer_clear(&bytes);
        }
}

TEST(what_is_no_answer_is_seen_at_once) {
        static const char *const table[] = {
                "garbage\n",
                "garbage without an end",
                "\n",
                "{}\n",
                OK_LINE "x",
                "{\"version\":0,\"command\":\"okay",
                "{\"version\":1,\"command\":\"ok\"}\n",
                (" " OK_LINE),
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                for (size_t chunk = 1; chunk < 64; chunk += 7) {
                        Buffer bytes = {};
                        char shape[64];

                        ASSERT_EQ(feed(table[i], strlen(table[i]), chunk, shape, &bytes), -EBADMSG);
                        buffer_clear(&bytes);
                }
}

TEST(a_partial_line_is_known) {
        static const char input[] = OK_LINE "{\"version\"";
        Answer answer = {};
        AnswerPart part;
        const char *data = input;
        size_t n = sizeof(input) - 1;

        ASSERT_FALSE(answer_is_partial(&answer));
        ASSERT_EQ(answer_next(&answer, &data, &n, &part), 1);
        ASSERT_FALSE(answer_is_partial(&answer));
        ASSERT_EQ(answer_next(&answer, &data, &n, &part), 0);
        ASSERT_TRUE(answer_is_partial(&answer));
        answer_clear(&answer);
}
