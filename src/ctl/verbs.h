/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The verbs: one table that the command line, the help and the completion go by. A verb's function gives the
 * program's exit status, or a negative errno with an Error, which main() prints. */

#include "base/error.h"
#include "base/macro.h"

typedef struct Options Options;

typedef enum VerbFlags {
        VERB_BUILDS = 1 << 0, /* takes the options of a build */
        VERB_REST = 1 << 1,   /* what follows the first argument is not ours: it is taken as it stands */
        VERB_EXEC = 1 << 2,   /* its exit status is another program's */
} VerbFlags;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the help */
        const char *words;     /* for the help */
        unsigned least, most;  /* how many arguments it takes */
        VerbFlags flags;
        int (*run)(const Options *options, Error *error);
} Verb;

#define ARGUMENTS_ANY UINT_MAX

extern const Verb verbs[];
extern const size_t n_verbs;

/* NULL for a word that is no verb. */
const Verb *verb_find(const char *name) _pure_;

int verb_status(const Options *options, Error *error);
int verb_list(const Options *options, Error *error);
int verb_images(const Options *options, Error *error);
int verb_jobs(const Options *options, Error *error);
int verb_build(const Options *options, Error *error);
int verb_import(const Options *options, Error *error);
int verb_start(const Options *options, Error *error);
int verb_destroy_image(const Options *options, Error *error);
int verb_stop(const Options *options, Error *error);
int verb_destroy(const Options *options, Error *error);
int verb_state(const Options *options, Error *error);
int verb_exec(const Options *options, Error *error);
int verb_update(const Options *options, Error *error);
int verb_log(const Options *options, Error *error);
