/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Output cut into lines, and the end of it kept for the error message. */

#include <stdint.h>

#include "base/buffer.h"

/* A longer line is passed on in parts. */
#define LINE_MAX_BYTES ((size_t) KIB(48))

typedef struct Lines {
        void (*line)(void *userdata, const char *line, size_t n, bool partial);
        void *userdata;
        Buffer rest; /* of a line whose end has not come */
} Lines;

/* Takes the next bytes; calls back for each line. 0 or -ENOMEM. */
int lines_add(Lines *lines, const char *data, size_t n);

/* The end: what is left is a line too. */
void lines_finish(Lines *lines);
void lines_clear(Lines *lines);

/* What is quoted of a command's stderr, in bytes. */
#define TAIL_MAX ((size_t) KIB(64))

typedef struct Tail {
        Buffer kept; /* up to twice TAIL_MAX */
        uint64_t dropped;
} Tail;

/* 0 or -ENOMEM. */
int tail_add(Tail *tail, const char *data, size_t n);

/* All of it, or its end with a mark before it that says how much is missing. NULL without memory. */
char *tail_to_string(Tail *tail);
void tail_clear(Tail *tail);
