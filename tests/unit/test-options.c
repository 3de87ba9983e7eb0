/* SPDX-License-Identifier: Apache-2.0 */
#include <syslog.h>

#include "base/version.h"
#include "broker/options.h"
#include "test.h"

#define WORDS_MAX 16

static int parse(Options *options, Error *error, const char *const *words) {
        static char *argv[WORDS_MAX];
        int argc = 0;

        argv[argc++] = (char *) "cruxd";
        for (; *words; words++)
                argv[argc++] = (char *) *words;
        argv[argc] = NULL;
        return options_parse(argc, argv, options, error);
}
#define PARSE(...) parse(&options, &error, (const char *const[]) { __VA_ARGS__ __VA_OPT__(, ) NULL })

TEST(nothing_starts) {
        Error error = {};
        Options options;

        ASSERT_OK(PARSE());
        ASSERT_EQ(options.verb, VERB_START);
        ASSERT_EQ(options.log_level, -1);
        ASSERT_STREQ(options.instance, "default");
        ASSERT_LT(options.ready_fd, 0);
        ASSERT_NULL(options.socket);
}

TEST(options_stand_before_and_behind_the_command) {
        Error error = {};
        Options options;

        ASSERT_OK(PARSE("-q", "--socket", "/s", "start", "--pid-file=/p", "--ready-fd=1", "--instance=ci-2",
                        "--namespace=n", "--containerd-address=/c", "--config=/f", "--worker=/w"));
        ASSERT_EQ(options.verb, VERB_START);
        ASSERT_EQ(options.log_level, LOG_WARNING);
        ASSERT_STREQ(options.socket, "/s");
        ASSERT_STREQ(options.pid_file, "/p");
        ASSERT_EQ(options.ready_fd, 1);
        ASSERT_STREQ(options.instance, "ci-2");
        ASSERT_STREQ(options.namespace, "n");
        ASSERT_STREQ(options.containerd_address, "/c");
        ASSERT_STREQ(options.config, "/f");
        ASSERT_STREQ(options.worker, "/w");

        ASSERT_OK(PARSE("start", "-d", "-s/s"));
        ASSERT_EQ(options.log_level, LOG_DEBUG);
        ASSERT_STREQ(options.socket, "/s");
}

TEST(commands) {
        Error error = {};
        Options options;

        ASSERT_OK(PARSE("version"));
        ASSERT_EQ(options.verb, VERB_VERSION);
        ASSERT_OK(PARSE("--version"));
        ASSERT_EQ(options.verb, VERB_VERSION);
        ASSERT_OK(PARSE("start", "--help"));
        ASSERT_EQ(options.verb, VERB_HELP);
        ASSERT_OK(PARSE("--help", "start"));
        ASSERT_EQ(options.verb, VERB_HELP);
        ASSERT_OK(PARSE("-v", "worker", "--its-own", "start"));
        ASSERT_EQ(options.verb, VERB_WORKER);
        ASSERT_STREQ(options.verb_options[0], "--its-own");
        ASSERT_STREQ(options.verb_options[1], "start");
        ASSERT_NULL(options.verb_options[2]);
}

TEST(what_is_wrong_is_named) {
        static const struct {
                const char *words[4];
                const char *message;
        } table[] = {
                { { "stop" }, "unknown command \"stop\"" },
                { { "start", "start" }, "unexpected argument \"start\"" },
                { { "start", "--", "x" }, "\"x\"" },
                { { "--wrong" }, "unknown option \"--wrong\"" },
                { { "-x" }, "unknown option \"-x\"" },
                { { "-qx" }, "unknown option \"-x\"" },
                { { "--socket" }, "option \"--socket\" needs a value" },
                { { "-s" }, "option \"-s\" needs a value" },
                { { "--ready-fd=x" }, "--ready-fd" },
                { { "--ready-fd=987" }, "is no open fd" },
                { { "--instance=../x" }, "--instance" },
                { { "--namespace=" }, "--namespace" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Error error = {};
                Options options;

                ASSERT_EQ(parse(&options, &error, table[i].words), -EINVAL);
                ASSERT_CONTAINS(error_message(&error), table[i].message);
                error_clear(&error);
        }
}

TEST(version) {
        ASSERT_NE(version_string()[0], '\0');
}
