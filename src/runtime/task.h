/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tasks: the running side of containers. */

#include "containerd/tasks.h"
#include "runtime/runtime.h"

/* How long a process may take to end after SIGKILL (the kernel may be busy with its memory, or its disk), in
 * microseconds. */
#define TASK_KILL_TIMEOUT_USEC UINT64_C(30000000)

/* How long one that handles the stop signal may take to end by itself before it is killed. */
#define TASK_STOP_TIMEOUT_USEC UINT64_C(10000000)

typedef enum TaskState {
        TASK_ABSENT,
        TASK_CREATED, /* not started: a torso that somebody left, or the moment between the two */
        TASK_RUNNING, /* or paused */
        TASK_STOPPED, /* ended, not yet deleted */
} TaskState;

/* *ret_pid (may be NULL) is the PID of the first process, in the host's namespace. */
int task_get_state(Runtime *runtime, const char *id, TaskState *ret, uint32_t *ret_pid, Error *error);

/* Creates and starts the task of a container. -EEXIST where it has one. When something else fails, no task is
 * left, and the error is ERROR_COMMAND_FAILED with the OCI runtime's words where those were the matter. */
int task_start(Runtime *runtime, const char *id, const CtrMounts *rootfs, const CtrStdio *stdio,
               Error *error);

typedef enum TaskEnd {
        TASK_KILL, /* SIGKILL */
        TASK_STOP, /* the stop signal where the first process handles it, and SIGKILL after a while */
} TaskEnd;

/* Ends the task and deletes it: 1 and how it ended (*ret_exit, which may be NULL), or 0 where there was none.
 */
int task_end(Runtime *runtime, const char *id, TaskEnd how, CtrExit *ret_exit, Error *error);
