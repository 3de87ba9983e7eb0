/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a service container is made of, from its image. */

#include "containerd/containers.h"
#include "runtime/runtime.h"

/* What its scope says it is. NULL without memory. */
char *container_description(const char *id, const char *image_name);

/* A container from the image of that name for this machine, on a fresh snapshot of this key: both filled into
 * *ret, nothing of it in containerd yet but the snapshot, which may be there after a failure too. */
int container_prepare(Runtime *runtime, const char *image_name, const char *id, const char *snapshot_key,
                      CtrContainer *ret, Error *error);
