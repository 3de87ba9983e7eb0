/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Service containers: made from an image, kept until they are destroyed, running or not. */

#include "containerd/containers.h"
#include "runtime/process.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

/* What protocol replies call the states. */
typedef enum ContainerState {
        CONTAINER_NOT_CREATED,
        CONTAINER_STOPPED,
        CONTAINER_RUNNING,
} ContainerState;

const char *container_state_to_string(ContainerState state) _const_;

int container_get_state(Runtime *runtime, const char *id, ContainerState *ret, Error *error);

/* Makes the container run: nothing to do when it does; a new task on its snapshot when it is stopped;
 * container and task when it is absent, of the image of that name for this machine. When it fails, what it
 * made is gone. */
int container_start(Runtime *runtime, const char *image_name, const char *id, Error *error);

/* Ends the task, keeps the container. Absent is no error. */
int container_stop(Runtime *runtime, const char *id, Error *error);

/* Removes task, container and snapshot. Absent is no error; a failure leaves what it could not remove. */
int container_destroy(Runtime *runtime, const char *id, Error *error);

/* Runs a command with the container's own process settings. ERROR_NOT_FOUND for an absent container,
 * ERROR_NOT_RUNNING for a stopped one; otherwise as process_run(). */
int container_exec(Runtime *runtime, const char *id, char *const *command, const ProcessStdio *stdio,
                   int *ret_exit_code, Error *error);

/* Makes an existing container run another image: a new snapshot, the same id. When the new task does not
 * start, container and task are as they were before. ERROR_NOT_FOUND where there is no such container. */
int container_update(Runtime *runtime, const char *image_name, const char *id, Error *error);

/* Removes all containers made from the image, then its name. One that another command has meanwhile updated
 * to another image stays. Absent is no error. */
int image_destroy(Runtime *runtime, const char *image_name, Error *error);

/* Starts the task of a container that exists and has none, its output going to the journal. */
int container_start_task(Runtime *runtime, const CtrContainer *container, Error *error);
