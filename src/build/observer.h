/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who watches a build. */

#include "runtime/process.h"

/* Where a build is. */
typedef struct BuildPlace {
        const char *platform; /* "linux/amd64" */
        const char *stage;    /* its name, or its number as text */
        unsigned step;        /* from 1, groups' steps counted; 0: the stage's base image, or its export */
        unsigned n_steps;     /* of the stage */
} BuildPlace;

typedef struct BuildObserver {
        /* A step, or what comes before and after all steps, begins; `words` say what it does. */
        void (*step)(void *userdata, const BuildPlace *place, const char *words);

        /* A line that a step wrote, without its newline; `partial` when it goes on in the next. Any bytes. */
        void (*line)(void *userdata, const BuildPlace *place, Stream stream, const char *line, size_t n,
                     bool partial);

        /* Bytes that were copied or exported so far by what the last step() told of. Not called for every
         * one. */
        void (*bytes)(void *userdata, const BuildPlace *place, uint64_t bytes);

        void *userdata;
} BuildObserver;
