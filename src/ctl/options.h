/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The command line of cruxctl, and where the daemon is found. */

#include "base/buffer.h"
#include "ctl/verbs.h"

typedef struct Options {
        const Verb *verb; /* NULL with help or version alone */
        char **arguments; /* owned, the strings in it are argv's */
        size_t n_arguments;

        bool help;
        bool version;
        bool quiet;
        bool json;
        const char *socket;   /* NULL: the instance's */
        const char *instance; /* NULL: the default one */

        /* Of a build; the strings in them are argv's, too. */
        const char *resource;
        const char *root;
        const char *output;
        const char **platforms; /* owned; NULL: none */
        size_t n_platforms;
        const char **entrypoint; /* owned; NULL: none */
        size_t n_entrypoint;
} Options;

/* Reads a command line. argv must outlive *ret. ERROR_INVALID_ARGUMENT for what is wrong in it; ret->verb is
 * set on failure as well when it was found, so that the caller knows what was meant, and nothing else is. */
int options_parse(int argc, char *argv[], Options *ret, Error *error);

void options_clear(Options *options);

/* Appends the help: 0 or -ENOMEM. */
int options_append_help(Buffer *buffer);

/* The socket that the options mean: NULL without memory. */
char *options_socket(const Options *options);
