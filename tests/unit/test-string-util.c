/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "base/time-util.h"
#include "test.h"

TEST(utf8) {
        static const struct {
                const char *text;
                bool valid;
        } table[] = {
                { "", true },
                { "plain", true },
                { "h\xc3\xa9", true },
                { "\xe2\x82\xac", true },
                { "\xf0\x9f\x98\x80", true },
                { "\xff", false },
                { "\xc0\x80", false },
                { "\xe0\x80\x80", false },
                { "\xed\xa0\x80", false },
                { "\xf4\x90\x80\x80", false },
                { "\xc3", false },
                { "a\xe2\x82", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                ASSERT_EQ(utf8_is_valid(table[i].text, strlen(table[i].text)), table[i].valid);
}

TEST(sanitize_replaces_each_bad_byte) {
        size_t n = 0;
        _cleanup_free_ char *s = utf8_sanitize("a\xff\xfe"
                                               "b\xc3",
                                               5, &n);

        ASSERT_STREQ(s, "a\xef\xbf\xbd\xef\xbf\xbd"
                        "b\xef\xbf\xbd");
        ASSERT_EQ(n, 11);
}

TEST(cut_between_characters) {
        static const struct {
                const char *text;
                size_t max;
                int expected;
        } table[] = {
                { "", 5, 0 },
                { "abc", 5, 3 },
                { "abc", 2, 2 },
                { "a\xc3\xa9", 3, 3 },
                { "a\xc3\xa9", 2, 1 },
                { "\xe2\x82\xac", 2, 0 },
                { "a\xf0\x9f\x98\x80z", 4, 1 },
                { "a\xf0\x9f\x98\x80z", 5, 5 },
                { "\x80\x80\x80\x80\x80\x80", 5, 5 }, /* which has no border */
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                ASSERT_EQ(utf8_cut(table[i].text, table[i].max), table[i].expected);
}

TEST(strv) {
        _cleanup_strv_ char **strv = NULL;

        ASSERT_EQ(strv_length(strv), 0);
        ASSERT_OK(strv_extend(&strv, "a"));
        ASSERT_OK(strv_consume(&strv, strdup("b")));
        ASSERT_EQ(strv_length(strv), 2);
        ASSERT_TRUE(strv_contains(strv, "b"));
        ASSERT_FALSE(strv_contains(strv, "c"));
        _cleanup_strv_ char **copy = strv_copy(strv);
        ASSERT_STREQ(copy[1], "b");
        ASSERT_NULL(copy[2]);
}

TEST(numbers) {
        uint64_t v = 5;

        ASSERT_OK(parse_uint64("18446744073709551615", &v));
        ASSERT_TRUE(v == UINT64_MAX);
        ASSERT_EQ(parse_uint64("18446744073709551616", &v), -ERANGE);
        ASSERT_EQ(parse_uint64("", &v), -EINVAL);
        ASSERT_EQ(parse_uint64("-1", &v), -EINVAL);
        ASSERT_EQ(parse_uint64("1 ", &v), -EINVAL);
}

TEST(spans_as_go_prints_them) {
        char b[SPAN_MAX];

        ASSERT_STREQ(format_span(b, 0), "0s");
        ASSERT_STREQ(format_span(b, 999999), "0s");
        ASSERT_STREQ(format_span(b, 59 * USEC_PER_SEC), "59s");
        ASSERT_STREQ(format_span(b, 453 * USEC_PER_SEC), "7m33s");
        ASSERT_STREQ(format_span(b, 3605 * USEC_PER_SEC), "1h0m5s");
        ASSERT_STREQ(format_span(b, 90000 * USEC_PER_SEC), "25h0m0s");
}
