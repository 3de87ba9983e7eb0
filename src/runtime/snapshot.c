/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/snapshot.h"

#include <string.h>

#include "runtime/rootfs.h"

/* The mounts in rootfs.h's terms; free() the array, whose strings belong to the mounts. NULL without memory.
 */
static RootfsMount *to_rootfs(const CtrMounts *mounts) {
        RootfsMount *array = new0(RootfsMount, mounts->count + 1);

        for (size_t i = 0; array && i < mounts->count; i++)
                array[i] = (RootfsMount) {
                        .type = mounts->items[i].type,
                        .source = mounts->items[i].source,
                        .options = (const char *const *) mounts->items[i].options,
                };
        return array;
}

int snapshot_prepare(Runtime *runtime, const char *key, const Digest *parent, bool temporary, CtrMounts *ret,
                     Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        int r;

        r = runtime_labels(runtime, temporary, &labels, error);
        if (r < 0)
                return r;
        return ctr_snapshot_prepare(runtime->client, DEFAULT_SNAPSHOTTER, key,
                                    digest_is_set(parent) ? parent->string : NULL, &labels, ret, error);
}

int snapshot_mounts(Runtime *runtime, const char *key, CtrMounts *ret, Error *error) {
        return ctr_snapshot_mounts(runtime->client, DEFAULT_SNAPSHOTTER, key, ret, error);
}

int snapshot_remove(Runtime *runtime, const char *key, Error *error) {
        _cleanup_(error_clear) Error e = {};

        int r = ctr_snapshot_remove(runtime->client, DEFAULT_SNAPSHOTTER, key, &e);
        if (r >= 0 || r == -ENOENT)
                return 0;
        error_move(error, &e);
        return r;
}

int snapshot_open(const CtrMounts *mounts, bool read_only, int *ret_fd, Error *error) {
        _cleanup_free_ RootfsMount *array = to_rootfs(mounts);

        if (!array)
                return error_oom(error);
        return rootfs_mount(array, mounts->count, read_only ? ROOTFS_READ_ONLY : 0, ret_fd, error);
}

int snapshot_upper(const CtrMounts *mounts, char **ret, Error *error) {
        _cleanup_free_ RootfsMount *array = to_rootfs(mounts);

        if (!array)
                return error_oom(error);
        const char *upper = rootfs_find_upper(array, mounts->count);
        char *copy = upper ? strdup(upper) : NULL;
        if (upper && !copy)
                return error_oom(error);
        *ret = copy;
        return 0;
}
