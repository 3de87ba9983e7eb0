/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "test.h"

static json_object *parse(const char *text) {
        json_object *value = NULL;
        Error error = {};

        ASSERT_OK(json_parse(text, strlen(text), 8, &value, &error));
        return value;
}

static void refuse(const char *text, const char *words) {
        json_object *value = NULL;
        _cleanup_(error_clear) Error error = {};

        ASSERT_LT(json_parse(text, strlen(text), 8, &value, &error), 0);
        ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
        ASSERT_CONTAINS(error_message(&error), words);
        ASSERT_NULL(value);
}

TEST(malformed) {
        refuse("garbage", "invalid character 'g'");
        refuse("", "unexpected end");
        refuse("{", "unexpected end");
        refuse("{\"a\":1", "unexpected end");
        refuse("{} x", "invalid character 'x' at byte 4");
        refuse("{}{}", "invalid character '{' at byte 3");
        refuse("{\"a\":1,}", "invalid");
        refuse("[[[[[[[[[[1]]]]]]]]]]", "nested deeper than 8");
        refuse("nul", "unexpected end");
        refuse("nulx", "invalid character 'x' at byte 4: value expected");
        refuse("[NaN]", "invalid character 'N' at byte 2");
        refuse("[-Infinity]", "invalid character 'I' at byte 3");
        refuse("[\"a\tb\"]", "at byte 4: control character");
        refuse("[\"\\q\"]", "unknown escape");
        refuse("[\"\\u12g4\"]", "hexadecimal");
        refuse("[01]", "invalid character '1'");
        refuse("[1.]", "digit expected");
        refuse("[1e]", "digit expected");
        refuse("[-]", "digit expected");
        refuse("[1,]", "value expected");
        refuse("[1}", "\",\" or \"]\"");
        refuse("{\"a\" 1}", "\":\" expected");
        refuse("{'a':1}", "name of a member");
        refuse("/**/1", "value expected");
        refuse("\xef\xbb\xbf[]", "invalid JSON at byte 1");
}

TEST(every_form_of_value) {
        _cleanup_json_ json_object *o =
                parse(" {\"\": [ ], \"a\\n\\u00e9\" : { } "
                      ",\"n\":[0,-0,1.5,-1e9,2E+1,3e-1,123456789012345678901234567890],"
                      "\"s\":\"h\xc3\xa9\xf0\x9f\x99\x82\\\\\\\"\\/\",\"l\":[true,false,null]}\r\n\t ");
        const char *s = NULL;

        ASSERT_EQ(json_object_object_length(o), 5);
        ASSERT_EQ(json_get_string(o, "s", &s, NULL), 1);
        ASSERT_STREQ(s, "h\xc3\xa9\xf0\x9f\x99\x82\\\"/");
        ASSERT_NOT_NULL(json_member(o, "a\n\xc3\xa9"));
}

/* Depth is that of objects and arrays, whatever is in the innermost. */
TEST(nesting) {
        json_object *value = NULL;

        ASSERT_OK(json_parse("[[[[]]]]", 8, 4, &value, NULL));
        json_object_put(value);
        ASSERT_OK(json_parse("[[[[0]]]]", 9, 4, &value, NULL));
        json_object_put(value);
        ASSERT_OK(json_parse("[{\"a\":[{\"b\":\"c\"}]}]", 19, 4, &value, NULL));
        json_object_put(value);
        value = NULL;
        ASSERT_LT(json_parse("[[[[[]]]]]", 10, 4, &value, NULL), 0);
        ASSERT_LT(json_parse("[[[[{}]]]]", 10, 4, &value, NULL), 0);
        ASSERT_NULL(value);
}

TEST(scalars) {
        _cleanup_json_ json_object *n = parse("12"), *s = parse(" \"x\" \n");

        ASSERT_EQ(json_object_get_int64(n), 12);
        ASSERT_STREQ(json_object_get_string(s), "x");
        ASSERT_NULL(parse("null"));
}

TEST(members_without_regard_to_case) {
        _cleanup_json_ json_object *o = parse("{\"Name\":\"a\",\"NAME\":\"b\",\"x\":1,\"X\":2,\"n\":null,"
                                              "\"y\":null,\"Y\":3,\"Z\":4,\"zZ\":5,\"ZZ\":null}");
        const char *s = "kept";
        int64_t i = 0;

        ASSERT_EQ(json_get_string(o, "name", &s, NULL), 1);
        ASSERT_STREQ(s, "b");
        ASSERT_EQ(json_get_int64(o, "x", &i, NULL), 1);
        ASSERT_EQ(i, 1);
        ASSERT_EQ(json_get_string(o, "n", &s, NULL), 0);
        ASSERT_EQ(json_get_string(o, "absent", &s, NULL), 0);
        ASSERT_STREQ(s, "b");
        /* What is null is absent, in whatever case. */
        ASSERT_EQ(json_get_int64(o, "y", &i, NULL), 1);
        ASSERT_EQ(i, 3);
        ASSERT_EQ(json_get_int64(o, "zz", &i, NULL), 1);
        ASSERT_EQ(i, 5);
}

TEST(repeated_member_last_counts) {
        _cleanup_json_ json_object *o = parse("{\"a\":1,\"a\":2}");
        int64_t i = 0;

        ASSERT_EQ(json_get_int64(o, "a", &i, NULL), 1);
        ASSERT_EQ(i, 2);
}

TEST(wrong_types_are_named) {
        _cleanup_json_ json_object *o = parse("{\"a\":[1],\"s\":\"a\\u0000b\",\"l\":[\"x\",\"y\"]}");
        _cleanup_(error_clear) Error error = {};
        const char *s = NULL;
        _cleanup_free_ char *unused = NULL;
        char **strv = NULL;

        ASSERT_EQ(json_get_string(o, "a", &s, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "\"a\" must be a string");
        ASSERT_EQ(json_get_strv(o, "a", &strv, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "array of strings");
        ASSERT_EQ(json_get_string(o, "s", &s, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "NUL");
        ASSERT_EQ(json_get_strv(o, "l", &strv, &error), 1);
        ASSERT_STREQ(strv[1], "y");
        free(strv[0]);
        free(strv[1]);
        free(strv);
}

TEST(bytes_that_are_not_utf8) {
        _cleanup_json_ json_object *o = parse("{\"a\":\"x\xff\"}");
        const char *s = NULL;

        ASSERT_EQ(json_get_string(o, "a", &s, NULL), 1);
        ASSERT_STREQ(s, "x\xef\xbf\xbd");
}

TEST(written_strings) {
        _cleanup_(buffer_clear) Buffer b = {};

        ASSERT_OK(json_write_string("h\xc3\xa9\t<&>\x01\xff\x7f\"\\/\n", 14, &b));
        ASSERT_OK(buffer_append(&b, "", 1));
        ASSERT_STREQ(b.data, "\"h\xc3\xa9\\t<&>\\u0001\xef\xbf\xbd\\u007f\\\"\\\\/\\n\"");
}
