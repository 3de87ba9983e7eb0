/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A container with a busybox in it, and processes beside it. */

#include "containerd/containers.h"
#include "containerd/tasks.h"
#include "tests/containerd/fixture.h"

/* The lines of a process spec. */
#define PROCESS(args) \
        "{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":[\"PATH=/bin\"]," \
        "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"permitted\":[\"CAP_" \
        "KILL\"]}," \
        "\"args\":" args "}"

/* Makes container, snapshot and a task of these arguments (JSON), which is created and not started. */
void container_make(CtrClient *client, const char *id, const char *args, const CtrRuncOptions *options);

/* Ends and removes all of it. */
void container_remove(CtrClient *client, const char *id);

/* An exec whose output comes back; gives its exit status. `input` may be NULL. */
uint32_t container_exec(CtrClient *client, const char *id, const char *exec_id, const char *process,
                        const char *input, char *output, size_t output_size);
