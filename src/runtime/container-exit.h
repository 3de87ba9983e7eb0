/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How the last run of a service container ended, kept as labels on the container, so that it is known after
 * the task has been deleted and whoever saw it end has gone. Whoever writes them holds the container's lock.
 */

#include "containerd/containers.h"
#include "containerd/tasks.h"
#include "runtime/runtime.h"

#define LABEL_EXIT_CODE "xyz.cruciblehq.cruxd.exit-code"
#define LABEL_EXIT_TIME "xyz.cruciblehq.cruxd.exit-time" /* microseconds since 1970 */

/* Whether it is a container that this instance keeps until it is destroyed: not a build's, another
 * instance's, or one that was made by other means. */
bool container_is_service(const Runtime *runtime, const CtrLabels *labels);

/* What the labels say. False where they say nothing. */
bool container_read_exit(const CtrLabels *labels, CtrExit *ret);

/* Writes the labels. */
int container_note_exit(Runtime *runtime, const CtrContainer *container, const CtrExit *end, Error *error);

/* The same, the current labels of the container being asked for, after its task has been deleted: it has
 * ended whether this succeeds or not, so that what fails is only logged. Nothing for what is no service
 * container. */
void container_note_end(Runtime *runtime, const char *id, const CtrExit *end);

/* Takes them off a container that runs again, where there are any. What fails is only logged: they count for
 * nothing while it runs, and are overwritten when it ends. */
void container_forget_exit(Runtime *runtime, const CtrContainer *container);
