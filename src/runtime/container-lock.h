/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One at a time for what changes a container: workers are processes, and two that start the same container at
 * once would get into each other's way inside of containerd. The locks are byte ranges of one file
 * (F_OFD_SETLK of fcntl(2)), so that they go with their holder however it ends. */

#include "runtime/runtime.h"

/* Waits for the container's lock. fd that holds it until it is closed, or negative errno: ERROR_CANCELLED. */
int container_lock(Runtime *runtime, const char *id, Error *error);

/* The same without waiting: -EAGAIN, without words, when somebody else has it. */
int container_try_lock(Runtime *runtime, const char *id, Error *error);
