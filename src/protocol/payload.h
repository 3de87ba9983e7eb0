/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A request's payload, with its members typed and checked against the command's row in the table. */

#include "base/json.h"
#include "protocol/command.h"

typedef struct Payload {
        char *ref;
        char *version;
        char *id;    /* a container's id, already in containerd's form; where `id` was left out and has a
                        default, that */
        char *image; /* `ref:version`, where the command has both */
        char *path;
        char **command;
        json_object *recipe; /* a reference of its own */
        char *resource;
        char *output;
        char *root;
        char **entrypoint; /* NULL: not given */
        char **platforms;  /* NULL: not given */
        bool progress;
} Payload;

/* Reads and checks the payload of a command; `payload` may be NULL (absent). Members that the command does
 * not have are ignored. ERROR_INVALID_ARGUMENT names the member. On failure *ret is clear. */
int payload_decode(Command command, json_object *payload, Payload *ret, Error *error);

/* Frees and resets. */
void payload_clear(Payload *payload);
