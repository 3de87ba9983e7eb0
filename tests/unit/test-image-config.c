/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "oci/image-config.h"
#include "test.h"

#define A "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define B "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define NOW UINT64_C(1795488989000000) /* 2026-11-24T02:56:29Z */

static const char full[] =
        "{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\",\"os.features\":[\"x\"],\"future\":"
        "1.50,"
        "\"config\":{\"User\":\"app\",\"ExposedPorts\":{\"80/tcp\":{}},\"Env\":[\"PATH=/bin\",\"A=1\"],"
        "\"Entrypoint\":[\"/init\"],\"Cmd\":[\"serve\"],\"WorkingDir\":\"/srv\",\"Labels\":{\"k\":\"v\"},"
        "\"StopSignal\":\"SIGINT\",\"Volumes\":{\"/data\":{}}},"
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]},"
        "\"history\":[{\"created_by\":\"ADD\"},{\"created_by\":\"ENV\",\"empty_layer\":true}]}";

static ImageConfig parse(const char *text) {
        _cleanup_(error_clear) Error error = {};
        ImageConfig config = {};

        if (image_config_parse(text, strlen(text), &config, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        return config;
}

/* The text, for as long as the next call. */
static const char *text_of(const ImageConfig *config) {
        static Buffer buffer;

        buffer_clear(&buffer);
        ASSERT_OK(image_config_write(config, &buffer));
        ASSERT_OK(buffer_append(&buffer, "", 1));
        return buffer.data;
}

TEST(read) {
        _cleanup_(image_config_clear) ImageConfig config = parse(full);

        ASSERT_STREQ(config.platform.architecture, "arm64");
        ASSERT_STREQ(config.platform.variant, "");
        ASSERT_STREQ(config.env[1], "A=1");
        ASSERT_STREQ(config.entrypoint[0], "/init");
        ASSERT_STREQ(config.cmd[0], "serve");
        ASSERT_STREQ(config.workdir, "/srv");
        ASSERT_STREQ(config.user, "app");
        ASSERT_STREQ(config.stop_signal, "SIGINT");
        ASSERT_EQ(config.n_diff_ids, 1);
        ASSERT_STREQ(config.diff_ids[0].string, A);

        _cleanup_strv_ char **args = image_config_args(&config);
        ASSERT_EQ(strv_length(args), 2);
        ASSERT_STREQ(args[1], "serve");
}

TEST(sparse) {
        _cleanup_(image_config_clear) ImageConfig config = parse("{\"config\":null,\"rootfs\":{}}");

        ASSERT_FALSE(platform_is_set(&config.platform));
        ASSERT_NULL(config.env);
        ASSERT_NULL(config.workdir);
        _cleanup_strv_ char **args = image_config_args(&config);
        ASSERT_EQ(strv_length(args), 0);
}

TEST(unknown_members_survive) {
        _cleanup_(image_config_clear) ImageConfig config = parse(full);
        Digest b;

        ASSERT_OK(digest_parse(B, &b, NULL));
        ASSERT_OK(image_config_set_env(&config, (char *[]) { (char *) "X=y", NULL }));
        ASSERT_OK(image_config_set_workdir(&config, "/new"));
        ASSERT_OK(image_config_set_entrypoint(&config,
                                              (char *[]) { (char *) "/bin/app", (char *) "-v", NULL }));
        ASSERT_OK(image_config_append_layer(&config, &b, NOW, "cruxd build"));
        ASSERT_STREQ(
                text_of(&config),
                "{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\",\"os.features\":[\"x\"],"
                "\"future\":1.50,\"config\":{\"User\":\"app\",\"ExposedPorts\":{\"80/tcp\":{}},"
                "\"Env\":[\"X=y\"],\"Entrypoint\":[\"/bin/app\",\"-v\"],\"WorkingDir\":\"/new\","
                "\"Labels\":{\"k\":\"v\"},\"StopSignal\":\"SIGINT\",\"Volumes\":{\"/data\":{}}},"
                "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\",\"" B "\"]},"
                "\"history\":[{\"created_by\":\"ADD\"},{\"created_by\":\"ENV\",\"empty_layer\":true},"
                "{\"created\":\"2026-11-24T02:56:29Z\",\"created_by\":\"cruxd build\"}],"
                "\"created\":\"2026-11-24T02:56:29Z\"}");
        ASSERT_STREQ(config.env[0], "X=y");
        ASSERT_STREQ(config.workdir, "/new");
        ASSERT_STREQ(config.entrypoint[1], "-v");
        ASSERT_NULL(config.cmd);
        ASSERT_EQ(config.n_diff_ids, 2);

        /* What was written reads back the same. */
        _cleanup_(image_config_clear) ImageConfig again = parse(text_of(&config));
        ASSERT_STREQ(again.entrypoint[1], "-v");
        ASSERT_EQ(again.n_diff_ids, 2);
}

TEST(removal) {
        _cleanup_(image_config_clear) ImageConfig config = parse(full);

        ASSERT_OK(image_config_set_env(&config, NULL));
        ASSERT_OK(image_config_set_workdir(&config, ""));
        ASSERT_OK(image_config_set_entrypoint(&config, NULL));
        ASSERT_NULL(config.env);
        ASSERT_NULL(config.workdir);
        ASSERT_NULL(strstr(text_of(&config), "Env"));
        ASSERT_NULL(strstr(text_of(&config), "WorkingDir"));
        ASSERT_NULL(strstr(text_of(&config), "Cmd"));
}

/* Go reads a member without regard to case: an old spelling beside ours would undo the edit. */
TEST(other_spellings_are_replaced) {
        _cleanup_(image_config_clear) ImageConfig config =
                parse("{\"Config\":{\"env\":[\"A=1\"],\"ENV\":[\"A=2\"],\"cmd\":[\"x\"]}}");

        ASSERT_STREQ(config.env[0], "A=2");
        ASSERT_OK(image_config_set_env(&config, (char *[]) { (char *) "A=3", NULL }));
        ASSERT_OK(image_config_set_entrypoint(&config, (char *[]) { (char *) "e", NULL }));
        ASSERT_STREQ(text_of(&config), "{\"Config\":{\"Env\":[\"A=3\"],\"Entrypoint\":[\"e\"]}}");
}

TEST(history_that_does_not_fit) {
        _cleanup_(image_config_clear) ImageConfig config =
                parse("{\"rootfs\":{\"diff_ids\":[\"" A "\"]},\"history\":[{},{}]}");
        Digest b;

        ASSERT_OK(digest_parse(B, &b, NULL));
        ASSERT_OK(image_config_append_layer(&config, &b, NOW, NULL));
        ASSERT_NULL(strstr(text_of(&config), "history"));
        ASSERT_CONTAINS(text_of(&config), "\"created\"");
}

TEST(from_nothing) {
        _cleanup_(image_config_clear) ImageConfig config = parse("{}");
        Digest a;

        ASSERT_OK(digest_parse(A, &a, NULL));
        ASSERT_OK(image_config_append_empty(&config, NOW, "ENV"));
        ASSERT_OK(image_config_append_layer(&config, &a, NOW, "ADD"));
        ASSERT_STREQ(
                text_of(&config),
                "{\"created\":\"2026-11-24T02:56:29Z\",\"history\":[{\"created\":\"2026-11-24T02:56:29Z\","
                "\"created_by\":\"ENV\",\"empty_layer\":true},{\"created\":\"2026-11-24T02:56:29Z\","
                "\"created_by\":\"ADD\"}],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" A "\"]}}");
}

TEST(refused) {
        static const char *const bad[] = {
                "",
                "[]",
                "null",
                "{\"config\":[]}",
                "{\"config\":{\"Env\":\"A=1\"}}",
                "{\"config\":{\"Env\":[1]}}",
                "{\"config\":{\"Env\":[\"a\\u0000b\"]}}",
                "{\"config\":{\"User\":5}}",
                "{\"os\":\"li/nux\"}",
                "{\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}",
                "{\"rootfs\":{\"diff_ids\":{}}}",
        };
        ImageConfig config = {};

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (image_config_parse(bad[i], strlen(bad[i]), &config, NULL) >= 0)
                        test_fail(__FILE__, __LINE__, "%s was taken", bad[i]);
}

TEST(environment) {
        _cleanup_strv_ char **env = NULL;

        ASSERT_OK(env_put(&env, "A=1"));
        ASSERT_OK(env_put(&env, "AB=2"));
        ASSERT_OK(env_put(&env, "A=3=4"));
        ASSERT_OK(env_put(&env, "B="));
        ASSERT_EQ(strv_length(env), 3);
        ASSERT_STREQ(env[0], "A=3=4");
        ASSERT_STREQ(env[1], "AB=2");
        ASSERT_STREQ(env[2], "B=");
}
