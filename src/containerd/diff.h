/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.diff.v1: layers into and out of mounted snapshots. No deadlines: large layers take
 * minutes. */

#include "containerd/client.h"
#include "containerd/types.h"

/* Unpacks a layer of the content store, compressed or not, onto mounts. `ret` (may be NULL) is the
 * uncompressed layer's descriptor, whose digest is the diff id. `sync_fs` syncs the filesystem afterwards
 * (2.1 and later). */
int ctr_diff_apply(CtrClient *client, const CtrDescriptor *layer, const CtrMounts *mounts, bool sync_fs,
                   CtrDescriptor *ret, Error *error);

/* Writes what lies between two snapshots (the lower one's mounts, the upper one's) as a layer of this media
 * type into the content store, with labels (NULL for none); the label "containerd.io/uncompressed" of the
 * blob is its diff id. `reference` names the ingest, NULL for a fresh one. */
int ctr_diff_create(CtrClient *client, const CtrMounts *lower, const CtrMounts *upper, const char *media_type,
                    const char *reference, const CtrLabels *labels, CtrDescriptor *ret, Error *error);
