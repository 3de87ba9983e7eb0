/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Paths inside a root that is not ours: an image's root filesystem, or a client's.
 *
 * A root is a directory fd. "/" and absolute symlinks mean that directory, ".." at the top stays there, and
 * magic links (/proc/self/fd/N, /proc/PID/root) are not followed, so that no path leads out, whoever changes
 * it meanwhile. See openat2(2). */

#include <linux/openat2.h>
#include <stdint.h>

#include "base/fd-util.h"

/* What every path in a foreign root is resolved with. In an image no mount is crossed either. */
#define RESOLVE_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define RESOLVE_IMAGE (RESOLVE_ROOT | RESOLVE_NO_XDEV)

/* Symlinks that one path may lead through, as in the kernel. */
#define RESOLVE_SYMLINKS_MAX 40

/* Opens the directory `path` (O_RDONLY), making it and its parents where they are missing. Symlinks are
 * followed inside the root, dangling ones as well: what they point to is made. New directories have exactly
 * this mode, whatever the umask, and belong to who asks (fsuid and fsgid). *ret_created says whether the last
 * component is new. fd, or a negative errno: -ENOTDIR for a path through something else, -ELOOP,
 * -ENAMETOOLONG. What was made before a failure stays. */
int resolve_mkdir_p(int root_fd, const char *path, mode_t mode, uint64_t resolve, bool *ret_created);
