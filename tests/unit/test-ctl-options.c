/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl/options.h"
#include "test.h"

#define WORDS_MAX 16

/* The options point into what is parsed, so it is kept until the next call. */
static char *argv[WORDS_MAX + 1];
static char words[1024];

static int parse(const char *line, Options *ret, Error *error) {
        int argc = 0;

        snprintf(words, sizeof(words), "cruxctl %s", line);
        for (char *w = strtok(words, " "); w && argc < WORDS_MAX; w = strtok(NULL, " "))
                argv[argc++] = w;
        argv[argc] = NULL;
        return options_parse(argc, argv, ret, error);
}

static void parse_well(const char *line, Options *ret) {
        Error error = {};

        if (parse(line, ret, &error) < 0)
                test_fail(__FILE__, __LINE__, "\"%s\": %s", line, error_message(&error));
}

TEST(verbs_and_arguments) {
        _cleanup_(options_clear) Options o = {};

        parse_well("start acme/hello 1.0 -q other", &o);
        ASSERT_STREQ(o.verb->name, "start");
        ASSERT_EQ(o.n_arguments, 3);
        ASSERT_STREQ(o.arguments[2], "other");
        ASSERT_NULL(o.arguments[3]);
        ASSERT_TRUE(o.quiet);
        ASSERT_FALSE(o.json);
}

TEST(options_of_a_build) {
        _cleanup_(options_clear) Options o = {};

        parse_well("--resource a --platform=linux/amd64 build r.json --platform linux/arm64 --entrypoint /a "
                   "--entrypoint -x --root=/r --output o",
                   &o);
        ASSERT_EQ(o.n_arguments, 1);
        ASSERT_EQ(o.n_platforms, 2);
        ASSERT_STREQ(o.platforms[1], "linux/arm64");
        ASSERT_NULL(o.platforms[2]);
        ASSERT_EQ(o.n_entrypoint, 2);
        ASSERT_STREQ(o.entrypoint[1], "-x");
        ASSERT_STREQ(o.root, "/r");
        ASSERT_STREQ(o.output, "o");
}

TEST(another_programs_options_are_left_alone) {
        static const char *const lines[] = {
                "exec box ls -q --json",    "exec box -- ls -q --json",           "exec -- box ls -q --json",
                "-- exec box ls -q --json", "--instance=a exec box ls -q --json",
        };

        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_(options_clear) Options o = {};

                parse_well(lines[i], &o);
                ASSERT_STREQ(o.verb->name, "exec");
                ASSERT_FALSE(o.quiet || o.json);
                ASSERT_EQ(o.n_arguments, 4);
                ASSERT_STREQ(o.arguments[0], "box");
                ASSERT_STREQ(o.arguments[1], "ls");
                ASSERT_STREQ(o.arguments[3], "--json");
        }

        /* A second "--" is the command's own. */
        _cleanup_(options_clear) Options o = {};
        parse_well("exec --json box -- -- x", &o);
        ASSERT_TRUE(o.json);
        ASSERT_STREQ(o.arguments[1], "--");
}

TEST(help_and_version_ask_for_nothing_else) {
        _cleanup_(options_clear) Options help = {}, version = {};

        parse_well("-h", &help);
        ASSERT_TRUE(help.help);
        parse_well("build --version", &version);
        ASSERT_TRUE(version.version);
}

TEST(what_is_wrong_is_named) {
        static const struct {
                const char *line, *message, *verb;
        } table[] = {
                { "", "no command", NULL },
                { "fly", "unknown command \"fly\"", NULL },
                { "status now", "too many arguments: cruxctl status", "status" },
                { "import a 1", "missing arguments: cruxctl import REF VERSION PATH", "import" },
                { "exec box", "missing arguments", "exec" },
                { "stop --wings box", "unknown option \"--wings\"", "stop" },
                { "stop -qz box", "unknown option \"-z\"", "stop" },
                { "status --socket", "option \"--socket\" needs a value", "status" },
                { "status -s", "option \"-s\" needs a value", "status" },
                { "status --output=x", "option \"--output\" is not for \"status\"", "status" },
                { "build r.json", "\"build\" needs --resource", "build" },
                { "status --instance=../x", "\"../x\" is no instance's name", "status" },
                { "status --instance=a --socket=b", "exclude each other", "status" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(options_clear) Options o = {};
                _cleanup_(error_clear) Error error = {};

                ASSERT_EQ(parse(table[i].line, &o, &error), -EINVAL);
                ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
                ASSERT_CONTAINS(error_message(&error), table[i].message);
                ASSERT_NULL(o.arguments);
                /* The exit status depends on what was meant. */
                if (table[i].verb && !strstr(table[i].line, "--instance=.."))
                        ASSERT_STREQ(o.verb->name, table[i].verb);
        }
}

TEST(where_the_daemon_is) {
        static const char *const table[][2] = {
                { "status", "/run/cruxd/cruxd.sock" },
                { "status --instance=default", "/run/cruxd/instances/default/cruxd.sock" },
                { "status --instance=ci.2", "/run/cruxd/instances/ci.2/cruxd.sock" },
                { "-s x.sock status", "x.sock" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(options_clear) Options o = {};

                parse_well(table[i][0], &o);
                _cleanup_free_ char *socket = options_socket(&o);
                ASSERT_STREQ(socket, table[i][1]);
        }
}

TEST(help_tells_every_verb) {
        _cleanup_(buffer_clear) Buffer text = {};

        ASSERT_OK(options_append_help(&text));
        ASSERT_OK(buffer_append(&text, "", 1));
        for (size_t i = 0; i < n_verbs; i++) {
                ASSERT_CONTAINS(text.data, verbs[i].name);
                ASSERT_CONTAINS(text.data, verbs[i].words);
        }
}
