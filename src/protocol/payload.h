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
        bool bytes; /* output is wanted as it is, and not as text */
} Payload;

/* Reads and checks the payload of a command; `payload` may be NULL (absent). Members that the command does
 * not have are ignored, and so are those that are `given` otherwise: as fds. ERROR_INVALID_ARGUMENT names the
 * member. On failure *ret is clear. */
int payload_decode(Command command, json_object *payload, Member given, Payload *ret, Error *error);

/* A surface that can pass fds may let one stand for a member. The fds have names of their own among those
 * that go with a request: "archive" for `path`, "context" for `root`, "output", "stdin", "stdout", "stderr".
 * 0 for a name that stands for none. */
Member member_from_fd_name(const char *name) _pure_;

/* Frees and resets. */
void payload_clear(Payload *payload);
