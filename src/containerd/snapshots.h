/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.snapshots.v1. An active snapshot is a root filesystem that can be written to, a
 * committed one can be the parent of others, a view is one that is only read. Snapshotter is mostly
 * "overlayfs". */

#include "containerd/client.h"
#include "containerd/types.h"

typedef enum CtrSnapshotKind {
        CTR_SNAPSHOT_UNKNOWN,
        CTR_SNAPSHOT_VIEW,
        CTR_SNAPSHOT_ACTIVE,
        CTR_SNAPSHOT_COMMITTED,
} CtrSnapshotKind;

typedef struct CtrSnapshot {
        char *name;
        char *parent; /* NULL for none */
        CtrSnapshotKind kind;
        uint64_t created_usec, updated_usec;
        CtrLabels labels;
} CtrSnapshot;

void ctr_snapshot_clear(CtrSnapshot *snapshot);

/* Makes an active snapshot (or a view) on a committed parent, NULL for an empty one, and gives what to mount.
 * Labels may be NULL. -EEXIST for a key that is there, -ENOENT for a parent that is not. Without a lease and
 * without a container that names it, a snapshot is garbage. */
int ctr_snapshot_prepare(CtrClient *client, const char *snapshotter, const char *key, const char *parent,
                         const CtrLabels *labels, CtrMounts *ret, Error *error);
int ctr_snapshot_view(CtrClient *client, const char *snapshotter, const char *key, const char *parent,
                      const CtrLabels *labels, CtrMounts *ret, Error *error);

/* What to mount for an active snapshot or view. */
int ctr_snapshot_mounts(CtrClient *client, const char *snapshotter, const char *key, CtrMounts *ret,
                        Error *error);

int ctr_snapshot_stat(CtrClient *client, const char *snapshotter, const char *key, CtrSnapshot *ret,
                      Error *error);

/* Turns the active snapshot `key` into the committed one `name`. */
int ctr_snapshot_commit(CtrClient *client, const char *snapshotter, const char *name, const char *key,
                        const CtrLabels *labels, Error *error);

/* -ENOENT when there is none, ERROR_BUSY while it is another's parent. */
int ctr_snapshot_remove(CtrClient *client, const char *snapshotter, const char *key, Error *error);

/* Called for each snapshot; a negative value (with the error filled in) ends the walk and is its result, 1
 * ends it well. */
typedef int (*CtrSnapshotCallback)(const CtrSnapshot *snapshot, void *userdata, Error *error);
int ctr_snapshot_walk(CtrClient *client, const char *snapshotter, char *const *filters,
                      CtrSnapshotCallback callback, void *userdata, Error *error);

typedef struct CtrUsage {
        int64_t size; /* bytes */
        int64_t inodes;
} CtrUsage;

/* What a snapshot alone takes. For an active one its tree is walked, which may take long. */
int ctr_snapshot_usage(CtrClient *client, const char *snapshotter, const char *key, CtrUsage *ret,
                       Error *error);
