/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The command line of cruxd(8). */

#include "base/error.h"

typedef enum Verb {
        VERB_START,
        VERB_VERSION,
        VERB_WORKER,
        VERB_HELP,
} Verb;

/* Strings are borrowed from argv. */
typedef struct Options {
        Verb verb;
        int log_level;      /* -1: as configured */
        const char *socket; /* NULL: the instance's place */
        const char *pid_file;
        int ready_fd; /* -EBADF: none */
        const char *containerd_address;
        const char *namespace;
        const char *instance; /* never NULL after parsing */
        const char *config;
        const char *worker;        /* program; NULL: the installed one */
        char *const *verb_options; /* what follows "worker" */
} Options;

#define DEFAULT_INSTANCE "default"

/* ERROR_INVALID_ARGUMENT for what is no option, command or value. */
int options_parse(int argc, char *argv[], Options *ret, Error *error);

void options_print_help(const char *program);
