/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A recipe carried out: for each platform its stages in their order, and of each platform's one non-transient
 * stage an image archive in the client's output directory. */

#include "build/observer.h"
#include "recipe/recipe.h"
#include "runtime/identity.h"
#include "runtime/runtime.h"

/* The archive's name in the output directory. */
#define BUILD_ARCHIVE "image.tar"

typedef struct BuildInputs {
        const Recipe *recipe;
        const char *resource;    /* what the image is called: "acme/hello" */
        const char *root;        /* directory on the client's side that sources are relative to; absolute */
        const char *output;      /* the same, of the output */
        int root_fd, output_fd;  /* the directories themselves, borrowed, where these are NULL */
        char *const *entrypoint; /* NULL: the base image's */
        char *const *platforms;  /* NULL: this machine's */
        const Identity *client;  /* whose files are read and written, with whose rights */
        const BuildObserver *observer;
} BuildInputs;

/* All archives appear when everything has succeeded, or none. Whatever happens, nothing else is left.
 * Messages name platform, stage and step. */
int build(Runtime *runtime, const BuildInputs *inputs, Error *error);
