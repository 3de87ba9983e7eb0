/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Writable snapshots, and their root filesystems as directory fds. */

#include "containerd/snapshots.h"
#include "oci/digest.h"
#include "runtime/runtime.h"

/* A writable snapshot on a committed one (none: on nothing), ours by its labels. -EEXIST where the key is
 * taken. */
int snapshot_prepare(Runtime *runtime, const char *key, const Digest *parent, bool temporary, CtrMounts *ret,
                     Error *error);

/* Its mounts, once it is there. */
int snapshot_mounts(Runtime *runtime, const char *key, CtrMounts *ret, Error *error);

/* Absent is no error. */
int snapshot_remove(Runtime *runtime, const char *key, Error *error);

/* The root filesystem, mounted detached: see runtime/rootfs.h. *ret_fd is the caller's. */
int snapshot_open(const CtrMounts *mounts, bool read_only, int *ret_fd, Error *error);

/* The directory that holds what changed; NULL where there is none. free(). */
int snapshot_upper(const CtrMounts *mounts, char **ret, Error *error);
