/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "ctl/build-request.h"
#include "ctl/exit-status.h"
#include "ctl/log-command.h"
#include "protocol/limits.h"
#include "protocol/payload.h"
#include "test.h"

TEST(paths) {
        static const char *const table[][3] = {
                { "/srv", "x", "/srv/x" },
                { "/srv", "/x", "/x" },
                { "/", "x", "/x" },
                { "/srv", ".", "/srv" },
                { "/srv", "", "/srv" },
                { "/srv", "./", "/srv" },
                { "/srv", "./x/./y", "/srv/x/./y" },
                { "/srv", ".//x", "/srv/x" },
                { "/srv", "../x", "/srv/../x" },
                { "/srv", ".x", "/srv/.x" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *path = path_make_absolute(table[i][0], table[i][1]);
                ASSERT_STREQ(path, table[i][2]);
        }
}

static int read_text(const char *text, size_t n, json_object **ret, Error *error) {
        _cleanup_close_ int fd = memfd_new_sealed("recipe", text, n);

        ASSERT_OK(fd);
        return recipe_read(fd, "r.json", ret, error);
}

TEST(recipes_are_read) {
        static const char good[] = "{\n  \"stages\": []\n}\n";
        _cleanup_json_ json_object *recipe = NULL;

        ASSERT_OK(read_text(good, strlen(good), &recipe, NULL));
        ASSERT_TRUE(json_object_is_type(json_member(recipe, "stages"), json_type_array));
}

TEST(what_is_no_recipe) {
        static const char *const table[][2] = {
                { "", "r.json: " },
                { "{\"stages\":", "r.json: " },
                { "[]", "r.json: a recipe must be a JSON object" },
                { "null", "r.json: a recipe must be a JSON object" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(error_clear) Error error = {};
                _cleanup_json_ json_object *recipe = NULL;

                ASSERT_EQ(read_text(table[i][0], strlen(table[i][0]), &recipe, &error), -EINVAL);
                ASSERT_CONTAINS(error_message(&error), table[i][1]);
                ASSERT_NULL(recipe);
        }

        _cleanup_free_ char *large = calloc(1, PROTOCOL_LINE_MAX + 1);
        _cleanup_(error_clear) Error error = {};
        json_object *recipe = NULL;
        ASSERT_EQ(read_text(large, PROTOCOL_LINE_MAX + 1, &recipe, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "larger than 16777216 bytes");
}

/* What is asked for must be what the daemon reads. */
TEST(a_build_is_what_the_protocol_takes) {
        const char *platforms[] = { "linux/amd64", NULL }, *entrypoint[] = { "/a", "-b", NULL };
        const Options options = {
                .resource = "acme/hello",
                .output = "out",
                .platforms = platforms,
                .n_platforms = 1,
                .entrypoint = entrypoint,
                .n_entrypoint = 2,
        };
        _cleanup_json_ json_object *recipe = json_object_new_object(), *payload = NULL;
        _cleanup_(payload_clear) Payload read = {};

        ASSERT_OK(build_request_new(&options, recipe, "/home/me", /* progress= */ true, &payload, NULL));
        ASSERT_OK(payload_decode(COMMAND_BUILD, payload, 0, &read, NULL));
        ASSERT_STREQ(read.resource, "acme/hello");
        ASSERT_STREQ(read.root, "/home/me");
        ASSERT_STREQ(read.output, "/home/me/out");
        ASSERT_STREQ(read.platforms[0], "linux/amd64");
        ASSERT_STREQ(read.entrypoint[1], "-b");
        ASSERT_TRUE(read.progress);
}

TEST(what_is_not_given_is_not_sent) {
        const Options options = { .resource = "a" };
        _cleanup_json_ json_object *recipe = json_object_new_object(), *payload = NULL;

        ASSERT_OK(build_request_new(&options, recipe, "/", /* progress= */ false, &payload, NULL));
        ASSERT_NULL(json_member(payload, "platforms"));
        ASSERT_NULL(json_member(payload, "entrypoint"));
        ASSERT_NULL(json_member(payload, "progress"));
}

static void check_log(const Options *options, const char *expected) {
        _cleanup_strv_ char **command = NULL;
        char line[256] = "";
        Error error = {};

        if (log_command_new(options, &command, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        for (char **word = command; *word; word++)
                snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", line[0] ? " " : "", *word);
        ASSERT_STREQ(line, expected);
}

TEST(logs) {
        char *arguments[] = { (char *) "acme/hello", (char *) "-f", (char *) "-n5", NULL };

        check_log(&(Options) { .arguments = arguments, .n_arguments = 3 },
                  "journalctl --unit=cruxd-acme-hello.scope -f -n5");
        check_log(
                &(Options) { .arguments = arguments, .n_arguments = 1, .instance = "default", .json = true },
                "journalctl --unit=cruxd-acme-hello.scope --output=json");
        check_log(&(Options) { .arguments = arguments, .n_arguments = 1, .instance = "ci", .quiet = true },
                  "journalctl --unit=cruxd-ci--acme-hello.scope --quiet");
}

TEST(a_log_of_no_container) {
        char *arguments[] = { (char *) "../x", NULL };
        _cleanup_(error_clear) Error error = {};
        char **command = NULL;

        ASSERT_EQ(log_command_new(&(Options) { .arguments = arguments, .n_arguments = 1 }, &command, &error),
                  -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "../x");
}

TEST(exit_statuses) {
        ASSERT_EQ(exit_status_of_state("running"), 0);
        ASSERT_EQ(exit_status_of_state("stopped"), 3);
        ASSERT_EQ(exit_status_of_state("not created"), 4);
        ASSERT_EQ(exit_status_of_error(ERROR_BUILD_FAILED), 1);
        ASSERT_EQ(exit_status_of_error(ERROR_UNAVAILABLE), 69);
        ASSERT_EQ(exit_status_of_error(ERROR_BUSY), 75);
        ASSERT_EQ(exit_status_of_error(ERROR_PERMISSION_DENIED), 77);
}
