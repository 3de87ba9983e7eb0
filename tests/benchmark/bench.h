/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the rows work with: the daemons that are measured, and the files that they are given. */

#include "exchange.h"

#define TARGETS_MAX 2U

/* One daemon. */
typedef struct Target {
        const char *socket;
        char name[32]; /* of the image and the container that are its own: two daemons may share a containerd
                        */
        char *output;  /* directory */
        bool imported, started, wrote_text;
} Target;

typedef enum Tree {
        TREE_SMALL, /* small/0 … small/9, of a line each */
        TREE_LARGE, /* large/0 … large/3, 512 MiB of random bytes */
        TREE_MANY,  /* many/00/000 …, 20 000 files of 2 KB */
        _TREE_MAX,
} Tree;

typedef struct Bench {
        const char *base; /* archive of a busybox whose own command goes on for ever; NULL: there is none */
        char *directory;  /* of our own; NULL until it is needed */
        bool made[_TREE_MAX];
        Target targets[TARGETS_MAX];
        unsigned n_targets;
} Bench;

/* The directory in which everything lies, with the base image's archive as base.tar. */
int bench_directory(Bench *bench, Error *error);

/* Makes a tree in it, once. */
int bench_tree(Bench *bench, Tree tree, Error *error);

/* The target's image, imported once, and its container, running. ERROR_UNSUPPORTED without a base image. */
int bench_image(Bench *bench, Target *target, Error *error);
int bench_container(Bench *bench, Target *target, Error *error);

/* An exchange of which only the time, or only that it succeeds, is of interest. `ret_msec` may be NULL. The
 * command's payload is printed, and holds nothing that JSON would have to escape. */
int bench_ask(const Target *target, double *ret_msec, Error *error, const char *command, const char *payload,
              ...) _printf_(5, 6);

/* The request line of the same. -ENOMEM. */
int bench_request(Buffer *ret, const char *command, const char *payload, ...) _printf_(3, 4);

/* Removes images, containers and files. Failures are told on stderr. */
void bench_clear(Bench *bench);
