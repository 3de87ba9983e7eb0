/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The root filesystem of a stage or container as a directory fd.
 *
 * Of a snapshot without a task it is a detached mount of the mounts that containerd names: it stands in no
 * mount table, nothing else sees it, and it ends with its last fd, however the process ends. Of a running
 * task it is the mount that the shim made. An upper directory is never to be mounted twice at a time (the
 * kernel calls what follows undefined): close every fd of a rootfs before a task is created on its snapshot,
 * and open the task's own while there is one.
 *
 * Everything in it belongs to strangers, who may be at work in it while we are: paths are resolved by
 * RESOLVE_IMAGE (runtime/resolve.h), device nodes cannot be opened, nothing can be executed.
 *
 * What a container has mounted for itself (its /run, its /dev) is not seen: what is put there lies beneath.
 *
 * Errors name the path inside: "open /etc/passwd: no such file or directory". */

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/macro.h"

/* One mount as containerd's snapshotters describe it. Borrowed throughout. */
typedef struct RootfsMount {
        const char *type; /* "overlay", "bind" */
        const char *source;
        const char *const *options; /* NULL-terminated, or NULL */
} RootfsMount;

typedef enum RootfsFlags {
        ROOTFS_READ_ONLY = 1 << 0,
        ROOTFS_CLASSIC = 1 << 1, /* mount(2) where it would be used on an old kernel only: for tests */
} RootfsFlags;

/* Mounts, detached. Options are those of the mounts, and in any case nodev, nosuid, noexec, noatime.
 * Exactly one mount of type overlay or bind, else ERROR_UNSUPPORTED: other snapshotters need containerd's
 * help. Needs CAP_SYS_ADMIN.
 *
 * A kernel before 6.7 cannot be told a long row of lower layers by fsconfig(2). There it is mounted in a
 * temporary directory for a moment and the mount taken from there; a process killed in that moment leaves it
 * in its mount namespace. */
int rootfs_mount(const RootfsMount *mounts, size_t n_mounts, RootfsFlags flags, int *ret_fd, Error *error);

/* The root filesystem of a running task, in the bundle of its shim: STATE_DIR/NAMESPACE/ID/rootfs, where
 * state_dir is usually /run/containerd/io.containerd.runtime.v2.task. ERROR_NOT_RUNNING where nothing is
 * mounted there. Given CAP_SYS_ADMIN, the fd's mount is a copy with nodev and so on as above. */
int rootfs_open_running(const char *state_dir, const char *namespace, const char *id, int *ret_fd,
                        Error *error);

/* The directory on this machine that changes to these mounts are written to: an overlay's upper directory, or
 * the source of a bind mount. NULL where there is none (a read-only view). Borrowed from the mounts.
 *
 * For a bind mount that is everything the snapshot holds, as it is for a snapshot without a parent in the
 * overlayfs snapshotter; the caller must know that the snapshotter is that one. */
const char *rootfs_find_upper(const RootfsMount *mounts, size_t n_mounts);

/* As open(2); O_CLOEXEC understood. A FIFO or device is never waited for (O_NONBLOCK is added where the file
 * is opened for reading or writing). fd, or negative errno. */
int rootfs_open(int root_fd, const char *path, int flags, mode_t mode, Error *error);

/* Makes a directory and its missing parents, 0755 and 0:0. 1 when the last one is new, 0 when it was there;
 * the directory opened in *ret_fd, unless that is NULL. */
int rootfs_mkdir_p(int root_fd, const char *path, int *ret_fd, Error *error);

/* Follows symlinks inside the root. */
int rootfs_stat(int root_fd, const char *path, struct stat *ret, Error *error);

/* Appends the content of a regular file, of `limit` bytes at most (-EFBIG). */
int rootfs_read_file(int root_fd, const char *path, size_t limit, Buffer *ret, Error *error);
