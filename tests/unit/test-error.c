/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "test.h"

TEST(set_gives_the_codes_errno) {
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(error_set(&error, ERROR_NOT_FOUND, "image \"%s\": not found", "a:1"), -ENOENT);
        ASSERT_EQ(error.code, ERROR_NOT_FOUND);
        ASSERT_STREQ(error_message(&error), "image \"a:1\": not found");
        ASSERT_EQ(error_set(&error, ERROR_BUSY, "again"), -EBUSY);
        ASSERT_STREQ(error_message(&error), "again");
        ASSERT_EQ(error_set(NULL, ERROR_BUSY, "nobody cares"), -EBUSY);
}

TEST(errno_becomes_words) {
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(error_set_errno(&error, -ENOENT, "open %s", "/srv/nope.tar"), -ENOENT);
        ASSERT_STREQ(error_message(&error), "open /srv/nope.tar: no such file or directory");
        ASSERT_EQ(error.code, ERROR_NOT_FOUND);
        ASSERT_EQ(error_set_errno(&error, ENOSPC, "write"), -ENOSPC);
        ASSERT_EQ(error.code, ERROR_INTERNAL);
        ASSERT_CONTAINS(errno_words(99999), "99999");
}

TEST(prefix_wraps) {
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(error_prefix(&error, -EIO, "unset"), -EIO);
        ASSERT_FALSE(error_is_set(&error));
        int r = error_set(&error, ERROR_COMMAND_FAILED, "exit code %i", 7);
        ASSERT_EQ(error_prefix(&error, r, "step %i", 2), r);
        ASSERT_STREQ(error_message(&error), "step 2: exit code 7");
        ASSERT_EQ(error_recode(&error, ERROR_BUILD_FAILED), -EBADE);
        ASSERT_STREQ(error_message(&error), "step 2: exit code 7");
}

TEST(codes_have_distinct_words_and_errnos) {
        for (ErrorCode a = ERROR_INVALID_ARGUMENT; a < _ERROR_CODE_MAX; a++) {
                ASSERT_EQ(error_code_from_string(error_code_to_string(a)), a);
                ASSERT_EQ(error_code_from_errno(error_code_to_errno(a)), a);
        }
        ASSERT_EQ(error_code_from_string("nonsense"), ERROR_NONE);
}

TEST(oom_needs_no_memory) {
        Error error = {};

        ASSERT_EQ(error_oom(&error), -ENOMEM);
        ASSERT_NULL(error.message);
        ASSERT_STREQ(error_message(&error), "out of memory");
}

TEST(move_leaves_a_clear_source) {
        _cleanup_(error_clear) Error a = {}, b = {};

        error_set(&a, ERROR_BUSY, "x");
        error_move(&b, &a);
        ASSERT_FALSE(error_is_set(&a));
        ASSERT_EQ(b.code, ERROR_BUSY);
        ASSERT_STREQ(error_message(&b), "x");
}
