/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The image that a stage begins with. */

#include "build/stage.h"

/* How long the image of a `file` base stays in containerd after its last use, for the next build to find, in
 * microseconds. containerd 2.0 and later removes it by itself; sweeping does for older ones. */
#define BASE_IMAGE_KEEP_USEC (UINT64_C(7) * 24 * 3600 * 1000000)

/* How such images are called, with the digest behind it. */
#define BASE_IMAGE_PREFIX "cruxd.local/base@"

/* Imports or pulls it, and unpacks it. A lease must be held. */
int base_image_get(Runtime *runtime, const StageInputs *inputs, const Stage *stage, Import *ret,
                   Error *error);
