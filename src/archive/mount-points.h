/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Mount points that a runtime makes for a container (/proc, /etc/resolv.conf …) land in the upper directory,
 * although no step made them. What is there before the container starts is noted, so that afterwards the
 * layer leaves out exactly what the runtime made: a mount point that was not there and is still an empty file
 * or directory, the parents that had to be made for it and hold nothing else, and parents that the overlay
 * copied up for no other reason. */

#include <sys/stat.h>

#include "base/error.h"
#include "base/macro.h"

#define MOUNT_POINTS_MAX 256

typedef struct MountPoint {
        char *path; /* without leading slash, symlinks resolved; owned */
        bool existed;
        mode_t mode; /* of what was there: type and permissions */
        uid_t uid;
        gid_t gid;
} MountPoint;

typedef struct MountPoints {
        MountPoint *entries; /* owned, sorted by path once noted */
        size_t n_entries;
} MountPoints;

/* Notes a mount point and its parents as they are now. `root_fd` is the root filesystem before the container
 * is made (a directory, O_PATH will do); `path` is absolute and resolved inside of it. Noting a path again
 * changes nothing. ERROR_INVALID_ARGUMENT for a path that a runtime would refuse (a loop of symlinks, a
 * parent that is no directory). */
int mount_points_note(MountPoints *points, int root_fd, const char *path, Error *error);

/* The entry of a path (without leading slash), or NULL. */
const MountPoint *mount_points_find(const MountPoints *points, const char *path);

void mount_points_clear(MountPoints *points);
