/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/options.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <syslog.h>

#include "base/string-util.h"
#include "protocol/identifier.h"

enum {
        OPTION_PID_FILE = 256,
        OPTION_READY_FD,
        OPTION_CONTAINERD_ADDRESS,
        OPTION_NAMESPACE,
        OPTION_INSTANCE,
        OPTION_CONFIG,
        OPTION_WORKER,
        OPTION_VERSION,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "quiet", no_argument, NULL, 'q' },
        { "verbose", no_argument, NULL, 'v' },
        { "debug", no_argument, NULL, 'd' },
        { "socket", required_argument, NULL, 's' },
        { "pid-file", required_argument, NULL, OPTION_PID_FILE },
        { "ready-fd", required_argument, NULL, OPTION_READY_FD },
        { "containerd-address", required_argument, NULL, OPTION_CONTAINERD_ADDRESS },
        { "namespace", required_argument, NULL, OPTION_NAMESPACE },
        { "instance", required_argument, NULL, OPTION_INSTANCE },
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "worker", required_argument, NULL, OPTION_WORKER },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

void options_print_help(const char *program) {
        printf("usage: %s [OPTION…] [COMMAND]\n"
               "\n"
               "Builds container images from recipes and looks after their containers.\n"
               "\n"
               "commands:\n"
               "  start                       serve clients (the default)\n"
               "  version                     show the version\n"
               "  worker [OPTION…]            carry one request from standard input out, without a daemon\n"
               "\n"
               "options:\n"
               "  -h, --help                  this text\n"
               "      --version               the same as the command\n"
               "  -q, --quiet                 log warnings and errors alone\n"
               "  -v, --verbose               log what is done\n"
               "  -d, --debug                 log everything\n"
               "  -s, --socket=PATH           listen there, unless systemd passes sockets\n"
               "      --pid-file=PATH         write the process's id there\n"
               "      --ready-fd=FD           write a line there when clients can come, and close it\n"
               "      --instance=NAME         the instance to be (default: " DEFAULT_INSTANCE ")\n"
               "      --containerd-address=PATH\n"
               "                              containerd's socket\n"
               "      --namespace=NAME        containerd's namespace to work in\n"
               "      --config=FILE           read this configuration file alone\n"
               "      --worker=PATH           the program that carries commands out\n",
               program);
}

static int parse_verb(const char *word, Verb *ret, Error *error) {
        static const char *const words[] = {
                [VERB_START] = "start",
                [VERB_VERSION] = "version",
                [VERB_WORKER] = "worker",
                [VERB_HELP] = "help",
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i], word)) {
                        *ret = (Verb) i;
                        return 0;
                }
        return error_set(error, ERROR_INVALID_ARGUMENT, "unknown command \"%s\"", word);
}

static int parse_ready_fd(const char *s, int *ret, Error *error) {
        uint64_t fd;

        if (parse_uint64(s, &fd) < 0 || fd > INT32_MAX || fcntl((int) fd, F_GETFD) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "--ready-fd: \"%s\" is no open fd", s);
        *ret = (int) fd;
        return 0;
}

/* Names of instances stand in paths, unit names and names of namespaces. */
static int check_name(const char *option, const char *name, Error *error) {
        if (!identifier_is_valid(name))
                return error_set(
                        error, ERROR_INVALID_ARGUMENT,
                        "%s: \"%s\" is no name: letters and digits, with single \".\", \"_\" or \"-\" "
                        "in between",
                        option, name);
        return 0;
}

static int parse_option(int option, char *argument, Options *options, Error *error) {
        switch (option) {
        case 'h':
                options->verb = VERB_HELP;
                return 0;
        case OPTION_VERSION:
                options->verb = VERB_VERSION;
                return 0;
        case 'q':
                options->log_level = LOG_WARNING;
                return 0;
        case 'v':
                options->log_level = LOG_INFO;
                return 0;
        case 'd':
                options->log_level = LOG_DEBUG;
                return 0;
        case 's':
                options->socket = argument;
                return 0;
        case OPTION_PID_FILE:
                options->pid_file = argument;
                return 0;
        case OPTION_READY_FD:
                return parse_ready_fd(argument, &options->ready_fd, error);
        case OPTION_CONTAINERD_ADDRESS:
                options->containerd_address = argument;
                return 0;
        case OPTION_NAMESPACE:
                options->namespace = argument;
                return check_name("--namespace", argument, error);
        case OPTION_INSTANCE:
                options->instance = argument;
                return check_name("--instance", argument, error);
        case OPTION_CONFIG:
                options->config = argument;
                return 0;
        default:
                options->worker = argument;
                return 0;
        }
}

/* A long option stands whole in argv, a letter perhaps among others. */
static int bad_option(bool lacks_value, const char *word, Error *error) {
        char letter[] = { '-', (char) optopt, '\0' };
        const char *name = optopt > 0 && optopt < OPTION_PID_FILE && !startswith(word, "--") ? letter : word;

        if (lacks_value)
                return error_set(error, ERROR_INVALID_ARGUMENT, "option \"%s\" needs a value", name);
        return error_set(error, ERROR_INVALID_ARGUMENT, "unknown option \"%s\"", name);
}

int options_parse(int argc, char *argv[], Options *ret, Error *error) {
        Options options = { .log_level = -1, .ready_fd = -EBADF, .instance = DEFAULT_INSTANCE };
        bool have_verb = false;
        int option, r;

        optind = 0; /* glibc: begin anew */
        /* "-": words that are no options are given as option 1, so that what follows "worker" stays the
         * worker's. ":": the messages are ours. */
        while ((option = getopt_long(argc, argv, "-:hqvds:", long_options, NULL)) >= 0) {
                if (option == ':' || option == '?')
                        return bad_option(option == ':', argv[optind - 1], error);
                if (option != 1) {
                        r = parse_option(option, optarg, &options, error);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (have_verb)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "unexpected argument \"%s\"", optarg);
                have_verb = true;
                Verb verb = VERB_START;
                r = parse_verb(optarg, &verb, error);
                if (r < 0)
                        return r;
                if (options.verb == VERB_START) /* --help and --version go before */
                        options.verb = verb;
                if (verb == VERB_WORKER)
                        break;
        }
        if (options.verb == VERB_WORKER)
                options.verb_options = argv + optind;
        else if (optind < argc) /* behind "--" */
                return error_set(error, ERROR_INVALID_ARGUMENT, "unexpected argument \"%s\"", argv[optind]);

        *ret = options;
        return 0;
}
