/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether a root filesystem is one that an OCI runtime may be let loose on. crun 1.21 makes the devices of a
 * container wherever the image's /dev is a symlink to, outside of the root as well, and waits for ever for
 * the other end of a FIFO in the place of a directory that it mounts in; others have had the like
 * (CVE-2019-16884, CVE-2021-30465, CVE-2023-27561). */

#include "base/error.h"

/* To be asked before each task, as what ran in the container may have changed it. ERROR_INVALID_ARGUMENT
 * names the path. `root_fd` may be O_PATH. */
int root_check(int root_fd, Error *error);
