/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "recipe/step-state.h"
#include "test.h"

static int parse(const char *text, Recipe **ret, Error *error) {
        _cleanup_json_ json_object *json = NULL;

        ASSERT_OK(json_parse(text, strlen(text), 64, &json, NULL));
        return recipe_new(json, ret, error);
}

static Recipe *accept(const char *text) {
        Recipe *recipe = NULL;
        Error error = {};

        if (parse(text, &recipe, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s: %s", text, error_message(&error));
        return recipe;
}

static void refuse(const char *text, const char *words) {
        _cleanup_(recipe_freep) Recipe *recipe = NULL;
        _cleanup_(error_clear) Error error = {};

        if (parse(text, &recipe, &error) >= 0)
                test_fail(__FILE__, __LINE__, "accepted: %s", text);
        ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
        ASSERT_CONTAINS(error_message(&error), words);
        ASSERT_NULL(recipe);
}

/* One stage with these steps. */
static void refuse_steps(const char *steps, const char *words) {
        _cleanup_free_ char *text = format_string("{\"stages\":[{\"from\":\"file a\",\"steps\":%s}]}", steps);
        refuse(text, words);
}

static void accept_steps(const char *steps) {
        _cleanup_free_ char *text = format_string("{\"stages\":[{\"from\":\"file a\",\"steps\":%s}]}", steps);
        recipe_free(accept(text));
}

TEST(as_the_cli_sends_it) {
        _cleanup_(recipe_freep) Recipe *r =
                accept("{\"Stages\":[{\"Name\":\"builder\",\"Transient\":true,\"Platform\":\"\",\"From\":"
                       "\"file base.tar\",\"Steps\":["
                       "{\"Run\":\"make\",\"Shell\":\"\",\"Copy\":\"\",\"Env\":null,\"Workdir\":\"/"
                       "w\",\"Platform\":\"\",\"Steps\":null}]},"
                       "{\"Name\":\"\",\"Transient\":false,\"From\":\"oci "
                       "alpine\",\"Steps\":[{\"Copy\":\"builder:/w/x /x\"},"
                       "{\"Platform\":\"linux/amd64\",\"Steps\":[{\"Run\":\"echo\"}]}]}]}");
        char title[STAGE_TITLE_MAX];

        ASSERT_EQ(r->n_stages, 2);
        ASSERT_STREQ(stage_title(r, r->stages, title), "stage \"builder\"");
        ASSERT_STREQ(stage_title(r, r->stages + 1, title), "stage 2");
        ASSERT_EQ(r->stages[0].from_kind, FROM_FILE);
        ASSERT_STREQ(r->stages[0].from, "base.tar");
        ASSERT_STREQ(r->stages[0].steps[0].workdir, "/w");
        ASSERT_EQ(r->stages[1].from_kind, FROM_OCI);
        ASSERT_STREQ(r->stages[1].steps[0].copy_stage, "builder");
        ASSERT_STREQ(r->stages[1].steps[0].copy_source, "/w/x");
        ASSERT_STREQ(r->stages[1].steps[0].copy_destination, "/x");
        ASSERT_TRUE(r->stages[1].steps[1].is_group);
        ASSERT_STREQ(r->stages[1].steps[1].steps[0].run, "echo");
}

TEST(stages) {
        refuse("{}", "at least one stage");
        refuse("{\"stages\":[]}", "at least one stage");
        refuse("{\"stages\":{}}", "must be an array");
        refuse("{\"stages\":[7]}", "stage 1: a stage must be an object");
        refuse("{\"stages\":[{}]}", "stage 1: member \"from\" is missing");
        refuse("{\"stages\":[{\"from\":\"file a\",\"name\":\"7\"}]}", "must not be a number");
        refuse("{\"stages\":[{\"from\":\"file a\",\"name\":\"a:b\"}]}", "must not contain");
        refuse("{\"stages\":[{\"from\":\"file a\",\"transient\":true}]}", "every stage is transient");
        refuse("{\"stages\":[{\"from\":\"file a\"},{\"from\":\"file a\"}]}",
               "stage 2: stage 1 is not transient either");
        refuse("{\"stages\":[{\"from\":\"file a\",\"name\":\"x\",\"transient\":true},{\"from\":\"file "
               "a\",\"name\":\"x\"}]}",
               "stage \"x\": the name is taken");
        refuse("{\"stages\":[{\"from\":\"file a\",\"platform\":\"linux\"}]}", "is no platform");
        refuse("{\"stages\":[{\"from\":\"file a\",\"platform\":\"linux/amd64\"},{\"from\":\"file "
               "a\",\"platform\":\"linux/amd64\"}]}",
               "the image for platform linux/amd64 already");
        refuse("{\"stages\":[{\"from\":\"file a\",\"platform\":\"linux/amd64\"},{\"from\":\"file a\"}]}",
               "image for every platform");
        recipe_free(accept("{\"stages\":[{\"from\":\"file a\",\"platform\":\"linux/amd64\"},{\"from\":\"file "
                           "b\",\"platform\":\"linux/arm64\"}]}"));
}

TEST(sources) {
        refuse("{\"stages\":[{\"from\":\"crucible/runtime 1.0\"}]}", "unsupported source type \"ref\"");
        refuse("{\"stages\":[{\"from\":\"ref crucible/runtime\"}]}", "Crucible reference");
        refuse("{\"stages\":[{\"from\":\"file\"}]}", "names nothing");
        refuse("{\"stages\":[{\"from\":\"file  \"}]}", "names nothing");
        refuse("{\"stages\":[{\"from\":\"oci a b\"}]}", "must be one reference");
        _cleanup_(recipe_freep) Recipe *r = accept("{\"stages\":[{\"from\":\"file my base.tar \"}]}");
        ASSERT_STREQ(r->stages[0].from, "my base.tar");
}

TEST(steps) {
        refuse_steps("[{}]", "stage 1: step 1: the step is empty");
        refuse_steps("[{\"run\":\"a\"},{\"run\":\"\",\"env\":null}]", "stage 1: step 2: the step is empty");
        refuse_steps("[{\"run\":\"a\",\"copy\":\"a b\"}]", "exclude each other");
        refuse_steps("[{\"steps\":[]}]", "needs \"platform\"");
        refuse_steps("[{\"platform\":\"linux/amd64\",\"run\":\"x\",\"steps\":[]}]", "exclude each other");
        refuse_steps(
                "[{\"platform\":\"linux/amd64\",\"steps\":[{\"platform\":\"linux/amd64\",\"run\":\"a\"}]}]",
                "step 1: step 1: \"platform\" is not allowed in a platform group");
        refuse_steps("[{\"copy\":\"a b\",\"shell\":\"/bin/bash\"}]", "takes no \"shell\"");
        refuse_steps("[{\"copy\":\"a b\",\"env\":{\"A\":\"b\"}}]", "takes no \"env\"");
        refuse_steps("[{\"copy\":\"a\"}]", "exactly two words");
        refuse_steps("[{\"copy\":\"a b c\"}]", "exactly two words");
        refuse_steps("[{\"copy\":\"ghost:/a /b\"}]", "copy failed: unknown stage \"ghost\"");
        refuse_steps("[{\"env\":{\"A=B\":\"c\"}}]", "no name of a variable");
        refuse_steps("[{\"env\":{\"A\":1}}]", "must be a string");
        refuse_steps("[{\"platform\":\"Linux/AMD64\",\"run\":\"x\"}]", "is no platform");
        refuse_steps("[7]", "a step must be an object");
        refuse_steps("[{\"run\":7}]", "\"run\" must be a string");
        accept_steps("[{\"copy\":\" dir/x:y  /z \",\"workdir\":\"/w\"},{\"env\":{}  ,\"run\":\"x\"}]");
        refuse("{\"stages\":[{\"from\":\"file "
               "a\",\"platform\":\"linux/amd64\",\"steps\":[{\"platform\":\"linux/arm64\",\"run\":\"x\"}]}]}",
               "not allowed in a platform stage");
}

TEST(too_many_steps) {
        _cleanup_(buffer_clear) Buffer b = {};

        ASSERT_OK(buffer_append_string(&b, "[{\"run\":\"x\"}"));
        for (unsigned i = 0; i < RECIPE_STEPS_MAX; i++)
                ASSERT_OK(buffer_append_string(&b, ",{\"run\":\"x\"}"));
        ASSERT_OK(buffer_append(&b, "]", 2));
        refuse_steps(b.data, "more than 16384 steps");
}

TEST(state_builds_up) {
        char *image_env[] = { (char *) "PATH=/bin", (char *) "X=1", (char *) "broken", NULL };
        char *step_env[] = { (char *) "X=2", (char *) "Y=3", NULL };
        Step step = { .workdir = (char *) "sub/../b", .env = step_env, .shell = (char *) "/bin/bash" };
        _cleanup_(step_state_clear) StepState state = {}, copy = {};

        ASSERT_OK(step_state_init(&state, "/a/", image_env));
        ASSERT_STREQ(state.shell, "/bin/sh");
        ASSERT_STREQ(state.workdir, "/a");
        ASSERT_OK(step_state_copy(&state, &copy));
        ASSERT_OK(step_state_apply(&copy, &step));
        ASSERT_STREQ(copy.workdir, "/a/b");
        ASSERT_STREQ(copy.shell, "/bin/bash");
        ASSERT_EQ(strv_length(copy.env), 3);
        ASSERT_STREQ(copy.env[1], "X=2");
        ASSERT_STREQ(state.env[1], "X=1");
        ASSERT_EQ(strv_length(state.env), 2);
}

TEST(paths) {
        static const struct {
                const char *base, *path, *want;
        } table[] = {
                { NULL, "a", "/a" },           { "/w", "a/b", "/w/a/b" },  { "/w", "/a//b/", "/a/b" },
                { "/w", "..", "/" },           { "/w", "../../x", "/x" },  { NULL, ".", "/" },
                { "/w", "./a/./b", "/w/a/b" }, { "/w/x", "../y", "/w/y" }, { NULL, "", "/" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *got = path_resolve(table[i].base, table[i].path);
                ASSERT_STREQ(got, table[i].want);
        }
}
