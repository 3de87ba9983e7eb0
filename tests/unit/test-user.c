/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/user.h"
#include "test.h"

static const char passwd[] = "# comment\n"
                             "root:x:0:0:root:/root:/bin/sh\n"
                             "\n"
                             "broken\n"
                             "nan:x:abc:0::/:\n"
                             "+nis:x::\n"
                             "  bin:x:1:1:bin:/bin:/sbin/nologin\r\n"
                             "app:x:1000:1001::/home/app:/bin/sh\n"
                             "app:x:4000:4001::/elsewhere:/bin/sh\n"
                             "12x:x:12:12:::\n"
                             "big:x:4294967296:0:::\n"
                             "bigger:x:5:99999999999999999999999:::\n"
                             "last:x:7:8";
static const char group[] = "root:x:0:root\n"
                            "wheel:x:10:root,app\n"
                            "app:x:1001:app\n"
                            "audio:x:29: app ,other\n"
                            "double:x:10:app\n"
                            "broken:x\n"
                            "nan:x:abc:app\n"
                            "empty:x:50:\n"
                            "application:x:51:application,appp\n"
                            "big:x:2147483648:bigmember\n"
                            "staff:x:2000";

static ImageUser user;
static Error error;

static int resolve(const char *text) {
        image_user_clear(&user);
        error_clear(&error);
        return image_user_resolve(text, passwd, strlen(passwd), group, strlen(group), &user, &error);
}

static void expect(const char *text, uint32_t uid, const char *gids) {
        char got[256] = "";

        if (resolve(text) < 0)
                test_fail(__FILE__, __LINE__, "\"%s\": %s", text, error_message(&error));
        for (size_t i = 0; i < user.n_groups; i++)
                snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%u", i ? "," : "", user.groups[i]);
        ASSERT_EQ(user.uid, uid);
        ASSERT_EQ(user.gid, user.groups[0]);
        ASSERT_STREQ(got, gids);
}

static void refuse(const char *text, ErrorCode code, const char *words) {
        ASSERT_LT(resolve(text), 0);
        ASSERT_EQ(error.code, code);
        ASSERT_CONTAINS(error_message(&error), words);
}

TEST(found) {
        expect("", 0, "0,10");
        ASSERT_STREQ(user.home, "/root");
        expect("root", 0, "0,10");
        expect("0", 0, "0,10");
        expect("bin", 1, "1");
        ASSERT_STREQ(user.home, "/bin");
        expect("app", 1000, "1001,10,29");
        ASSERT_STREQ(user.home, "/home/app");
        expect("1000", 1000, "1001,10,29");
        expect("4000", 4000, "4001,10,29");
        expect("12x", 12, "12");
        expect("last", 7, "8");
        ASSERT_NULL(user.home);
}

TEST(numbers_need_no_entry) {
        expect("4242", 4242, "0");
        expect("4242:4343", 4242, "4343");
        expect("2147483647:2147483647", 2147483647, "2147483647");
}

TEST(named_groups) {
        expect("app:audio", 1000, "29");
        expect("app:2000", 1000, "2000");
        expect("4242:staff", 4242, "2000");
        expect("app:empty", 1000, "50");
        expect(":wheel", 0, "10");
}

TEST(refused) {
        refuse("nobody", ERROR_NOT_FOUND, "no user \"nobody\"");
        refuse("nan", ERROR_NOT_FOUND, "no user");
        refuse("app:nogroup", ERROR_NOT_FOUND, "no group \"nogroup\"");
        refuse("app:broken", ERROR_NOT_FOUND, "no group");
        refuse("a:b:c", ERROR_INVALID_ARGUMENT, "USER[:GROUP]");
        refuse("app:", ERROR_INVALID_ARGUMENT, "USER[:GROUP]");
        refuse("4294967296", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("4294967295", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("2147483648", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("18446744073709551616", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("0:4294967296", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("big", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("bigger", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("0:big", ERROR_INVALID_ARGUMENT, "larger than");
        refuse("-1", ERROR_NOT_FOUND, "no user");
}

TEST(without_files) {
        image_user_clear(&user);
        ASSERT_OK(image_user_resolve(NULL, NULL, 0, NULL, 0, &user, NULL));
        ASSERT_EQ(user.uid, 0);
        ASSERT_EQ(user.n_groups, 1);
        image_user_clear(&user);
        ASSERT_OK(image_user_resolve("5", NULL, 0, NULL, 0, &user, NULL));
        ASSERT_EQ(user.uid, 5);
        ASSERT_EQ(user.gid, 0);
        image_user_clear(&user);
        ASSERT_EQ(image_user_resolve("app", NULL, 0, NULL, 0, &user, NULL), -ENOENT);
}

TEST(bounds) {
        ASSERT_LT(image_user_resolve("", passwd, USER_FILE_MAX + 1, NULL, 0, &user, NULL), 0);
        ASSERT_LT(image_user_resolve("", NULL, 0, group, USER_FILE_MAX + 1, &user, NULL), 0);

        /* More groups than a process may have. */
        static char many[64 * (USER_GROUPS_MAX + 2)];
        size_t n = 0;
        for (unsigned i = 0; i <= USER_GROUPS_MAX; i++)
                n += (size_t) sprintf(many + n, "g%u:x:%u:root\n", i, i + 1);
        image_user_clear(&user);
        error_clear(&error);
        ASSERT_LT(image_user_resolve("", NULL, 0, many, n, &user, &error), 0);
        ASSERT_CONTAINS(error_message(&error), "more than");
        error_clear(&error);
}
