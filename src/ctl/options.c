/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/options.h"

#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "base/string-util.h"
#include "protocol/identifier.h"

/* Where the default instance is found, whatever its unit is called. */
#define DEFAULT_SOCKET "/run/cruxd/cruxd.sock"

/* Where what is said of a command begins. */
#define HELP_COLUMN 34

enum {
        OPTION_VERSION = 256,
        OPTION_INSTANCE,
        OPTION_JSON,
        /* Those from here on are of a build. */
        OPTION_RESOURCE,
        OPTION_ROOT,
        OPTION_OUTPUT,
        OPTION_PLATFORM,
        OPTION_ENTRYPOINT,
};

static const struct option long_options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "quiet", no_argument, NULL, 'q' },
        { "socket", required_argument, NULL, 's' },
        { "instance", required_argument, NULL, OPTION_INSTANCE },
        { "json", no_argument, NULL, OPTION_JSON },
        { "resource", required_argument, NULL, OPTION_RESOURCE },
        { "root", required_argument, NULL, OPTION_ROOT },
        { "output", required_argument, NULL, OPTION_OUTPUT },
        { "platform", required_argument, NULL, OPTION_PLATFORM },
        { "entrypoint", required_argument, NULL, OPTION_ENTRYPOINT },
        {},
};

/* Columns that a text takes: its bytes but for those that continue a character. */
static int columns(const char *text) {
        int n = 0;

        for (; *text; text++)
                n += (*text & 0xc0) != 0x80;
        return n;
}

static const char help_head[] = "usage: cruxctl [OPTION…] COMMAND …\n"
                                "\n"
                                "Has cruxd build container images, and look after their containers.\n"
                                "\n"
                                "commands:\n";

static const char help_tail[] =
        "\n"
        "options:\n"
        "  -h, --help                      this text\n"
        "      --version                   show cruxctl's version\n"
        "  -s, --socket=PATH               where the daemon listens\n"
        "      --instance=NAME             the instance to talk to (default: default)\n"
        "  -q, --quiet                     say less: of a build, where the image is, and no steps\n"
        "      --json                      print what the daemon says as it is, in JSON\n"
        "\n"
        "options of \"build\":\n"
        "      --resource=NAME             what is built, for the logs; required\n"
        "      --root=DIR                  what the recipe's paths are relative to (default: here)\n"
        "      --output=DIR                where the image is to be put (default: here)\n"
        "      --platform=OS/ARCH          build for it; may be given several times\n"
        "      --entrypoint=WORD           the image's entrypoint; a further word each time\n";

int options_append_help(Buffer *buffer) {
        int r;

        r = buffer_append_string(buffer, help_head);
        for (size_t i = 0; i < n_verbs && r >= 0; i++) {
                int width = columns(verbs[i].name) + 1 + columns(verbs[i].arguments);
                r = buffer_printf(buffer, "  %s %s%*s%s\n", verbs[i].name, verbs[i].arguments,
                                  MAX(HELP_COLUMN - 2 - width, 1), "", verbs[i].words);
        }
        return r < 0 ? r : buffer_append_string(buffer, help_tail);
}

/* There is room for all words of the command line in each list. */
static int make_lists(int argc, Options *options, Error *error) {
        size_t n = (size_t) argc + 1;

        options->arguments = new0(char *, n);
        options->platforms = new0(const char *, n);
        options->entrypoint = new0(const char *, n);
        return options->arguments && options->platforms && options->entrypoint ? 0 : error_oom(error);
}

static int parse_option(int option, const char *value, Options *options, Error *error) {
        switch (option) {
        case 'h':
                options->help = true;
                return 0;
        case OPTION_VERSION:
                options->version = true;
                return 0;
        case 'q':
                options->quiet = true;
                return 0;
        case 's':
                options->socket = value;
                return 0;
        case OPTION_INSTANCE:
                if (!identifier_is_valid(value))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "--instance: \"%s\" is no instance's name", value);
                options->instance = value;
                return 0;
        case OPTION_JSON:
                options->json = true;
                return 0;
        case OPTION_RESOURCE:
                options->resource = value;
                return 0;
        case OPTION_ROOT:
                options->root = value;
                return 0;
        case OPTION_OUTPUT:
                options->output = value;
                return 0;
        case OPTION_PLATFORM:
                options->platforms[options->n_platforms++] = value;
                return 0;
        default:
                options->entrypoint[options->n_entrypoint++] = value;
                return 0;
        }
}

/* The verb first, then its arguments. */
static int take_word(char *word, Options *options, Error *error) {
        if (options->verb) {
                options->arguments[options->n_arguments++] = word;
                return 0;
        }
        options->verb = verb_find(word);
        if (!options->verb)
                return error_set(error, ERROR_INVALID_ARGUMENT, "unknown command \"%s\"", word);
        return 0;
}

/* A long option stands whole in argv, a letter perhaps among others. */
static int bad_option(bool lacks_value, const char *word, Error *error) {
        char letter[] = { '-', (char) optopt, '\0' };
        const char *name = optopt > 0 && optopt < OPTION_VERSION && !startswith(word, "--") ? letter : word;

        if (lacks_value)
                return error_set(error, ERROR_INVALID_ARGUMENT, "option \"%s\" needs a value", name);
        return error_set(error, ERROR_INVALID_ARGUMENT, "unknown option \"%s\"", name);
}

static int parse_words(int argc, char *argv[], Options *options, const char **ret_build_option,
                       Error *error) {
        int option, r;

        optind = 0; /* glibc: begin anew */
        opterr = 0;
        /* "-": words that are no options are given as option 1, so that we can stop behind one. ":": the
         * messages are ours. */
        while ((option = getopt_long(argc, argv, "-:hqs:", long_options, NULL)) >= 0) {
                if (option == ':' || option == '?')
                        return bad_option(option == ':', argv[optind - 1], error);
                if (option >= OPTION_RESOURCE)
                        for (size_t i = 0; long_options[i].name; i++)
                                if (long_options[i].val == option)
                                        *ret_build_option = long_options[i].name;
                r = option == 1 ? take_word(optarg, options, error)
                                : parse_option(option, optarg, options, error);
                if (r < 0)
                        return r;
                if (option == 1 && options->n_arguments == 1 && options->verb->flags & VERB_REST) {
                        if (optind < argc && streq(argv[optind], "--"))
                                optind++;
                        break;
                }
        }
        /* What stands behind "--", or is another program's. */
        while (optind < argc) {
                r = take_word(argv[optind++], options, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check(const Options *options, const char *build_option, Error *error) {
        const Verb *verb = options->verb;

        if (options->help || options->version)
                return 0;
        if (!verb)
                return error_set(error, ERROR_INVALID_ARGUMENT, "no command is given");
        if (options->n_arguments < verb->least || options->n_arguments > verb->most)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s arguments: cruxctl %s %s",
                                 options->n_arguments < verb->least ? "missing" : "too many", verb->name,
                                 verb->arguments);
        if (build_option && !(verb->flags & VERB_BUILDS))
                return error_set(error, ERROR_INVALID_ARGUMENT, "option \"--%s\" is not for \"%s\"",
                                 build_option, verb->name);
        if (verb->flags & VERB_BUILDS && isempty(options->resource))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" needs --resource=NAME", verb->name);
        if (options->socket && options->instance)
                return error_set(error, ERROR_INVALID_ARGUMENT, "--socket and --instance exclude each other");
        return 0;
}

int options_parse(int argc, char *argv[], Options *ret, Error *error) {
        _cleanup_(options_clear) Options options = {};
        const char *build_option = NULL;
        int r;

        *ret = (Options) {};
        r = make_lists(argc, &options, error);
        if (r >= 0)
                r = parse_words(argc, argv, &options, &build_option, error);
        if (r >= 0)
                r = check(&options, build_option, error);
        if (r < 0) {
                ret->verb = options.verb;
                return r;
        }
        *ret = options;
        options = (Options) {};
        return 0;
}

void options_clear(Options *options) {
        free(options->arguments);
        free(options->platforms);
        free(options->entrypoint);
        *options = (Options) {};
}

char *options_socket(const Options *options) {
        if (options->socket)
                return strdup(options->socket);
        if (options->instance)
                return format_string("/run/cruxd/instances/%s/cruxd.sock", options->instance);
        return strdup(DEFAULT_SOCKET);
}
