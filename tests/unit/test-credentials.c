/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "runtime/credentials.h"
#include "test.h"

static const char text[] = "{\"auths\":{"
                           "\"registry.example:5000\":{\"auth\":\"YWxpY2U6cGE6c3M=\"},"
                           "\"https://index.docker.io/v1/\":{\"username\":\"bob\",\"password\":\"x\"},"
                           "\"token.example\":{\"identitytoken\":\"t0k\"},"
                           "\"empty.example\":{},"
                           "\"bad.example\":{\"auth\":\"!!\"},"
                           "\"worse.example\":{\"auth\":\"YWxpY2U=\"}}}";

static int find(const char *host, CtrCredentials *ret, Error *error) {
        return credentials_find_in(text, strlen(text), host, ret, error);
}

TEST(by_host) {
        _cleanup_(ctr_credentials_clear) CtrCredentials a = {}, b = {}, c = {};

        ASSERT_EQ(find("registry.example:5000", &a, NULL), 1);
        ASSERT_STREQ(a.username, "alice");
        ASSERT_STREQ(a.secret, "pa:ss");
        ASSERT_EQ(find("registry-1.docker.io", &b, NULL), 1);
        ASSERT_STREQ(b.username, "bob");
        ASSERT_EQ(find("token.example", &c, NULL), 1);
        ASSERT_NULL(c.username);
        ASSERT_STREQ(c.secret, "t0k");
}

TEST(none_for_others) {
        CtrCredentials none = {};

        ASSERT_EQ(find("registry.example", &none, NULL), 0);
        ASSERT_EQ(find("empty.example", &none, NULL), 0);
        ASSERT_EQ(find("xdocker.io", &none, NULL), 0);
        ASSERT_EQ(credentials_find_in("{}", 2, "a", &none, NULL), 0);
}

TEST(errors_quote_nothing) {
        _cleanup_(error_clear) Error error = {};
        CtrCredentials none = {};

        ASSERT_EQ(find("bad.example", &none, &error), -EINVAL);
        ASSERT_STREQ(error_message(&error), "member \"auth\" is not base64");
        ASSERT_EQ(find("worse.example", &none, &error), -EINVAL);
        ASSERT_STREQ(error_message(&error), "member \"auth\" is not USER:PASSWORD");
        ASSERT_EQ(credentials_find_in("secret", 6, "a", &none, &error), -EINVAL);
        ASSERT_STREQ(error_message(&error), "it is not JSON");
        ASSERT_NULL(none.secret);
}

TEST(the_credential_of_the_service) {
        _cleanup_(ctr_credentials_clear) CtrCredentials c = {};
        char directory[] = "/tmp/test-credentials-XXXXXX", path[64];

        ASSERT_NOT_NULL(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/%s", directory, CREDENTIALS_CREDENTIAL);
        FILE *f = fopen(path, "we");
        ASSERT_NOT_NULL(f);
        ASSERT_OK(fputs(text, f));
        ASSERT_OK(fclose(f));
        ASSERT_OK(setenv("CREDENTIALS_DIRECTORY", directory, 1));
        int r = credentials_find("token.example", &c, NULL);
        ASSERT_OK(remove(path));
        ASSERT_OK(remove(directory));
        ASSERT_EQ(r, 1);
        ASSERT_STREQ(c.secret, "t0k");
}
