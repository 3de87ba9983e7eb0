/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A build as people see it go on, made of the payloads of its progress lines:
 *
 *     stage compile (linux/amd64): gcc.tar
 *     [1/2] workdir /src
 *     [2/2] run make
 *       | cc -o hello hello.c
 *     stage compile (linux/amd64): export
 *       12.3 MiB                                 (on a terminal, until the next line)
 */

#include "base/json.h"
#include "ctl/terminal.h"

typedef struct BuildView {
        Style style;
        bool in_line;    /* a line of output was written that goes on in the next */
        bool in_transit; /* the terminal's last line is to be overwritten */
} BuildView;

/* Appends what a payload shows. Members that are absent or of an unknown kind show nothing: a newer daemon
 * may tell more. 0 or -ENOMEM. */
int build_view_add(BuildView *view, json_object *payload, Buffer *buffer);

/* Appends what it takes to begin a new line. 0 or -ENOMEM. */
int build_view_end(BuildView *view, Buffer *buffer);

#define SIZE_TEXT_MAX 32

/* A number of bytes for people: "512 B", "12.3 MiB". Gives `buffer`. */
const char *format_size(char buffer[static SIZE_TEXT_MAX], uint64_t bytes);
