/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/rootfs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/resolve.h"
#include "runtime/rootfs-mount.h"

/* We only move data here: devices are not opened, nothing is executed, reading leaves no trace. */
#define ROOTFS_ATTRIBUTES (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME)

static int mount_overlay(const RootfsMount *mount, RootfsFlags flags, unsigned attributes, Error *error) {
        int fd = flags & ROOTFS_CLASSIC ? ROOTFS_TRY_CLASSIC : rootfs_mount_overlay(mount, attributes, error);

        return fd == ROOTFS_TRY_CLASSIC ? rootfs_mount_overlay_classic(mount, attributes, error) : fd;
}

int rootfs_mount(const RootfsMount *mounts, size_t n_mounts, RootfsFlags flags, int *ret_fd, Error *error) {
        unsigned attributes = ROOTFS_ATTRIBUTES;
        int fd;

        if (n_mounts != 1)
                return error_set(error, ERROR_UNSUPPORTED,
                                 "mount the root filesystem: a snapshot of %zu mounts is not supported",
                                 n_mounts);
        if (flags & ROOTFS_READ_ONLY || rootfs_has_option(&mounts[0], "ro"))
                attributes |= MOUNT_ATTR_RDONLY;

        if (streq(mounts[0].type, "overlay"))
                fd = mount_overlay(&mounts[0], flags, attributes, error);
        else if (streq(mounts[0].type, "bind"))
                fd = rootfs_mount_bind(&mounts[0], attributes, error);
        else
                return error_set(error, ERROR_UNSUPPORTED,
                                 "mount the root filesystem: snapshots of type \"%s\" are not supported",
                                 mounts[0].type);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

const char *rootfs_find_upper(const RootfsMount *mounts, size_t n_mounts) {
        if (n_mounts != 1 || rootfs_has_option(&mounts[0], "ro"))
                return NULL;
        if (streq(mounts[0].type, "overlay"))
                return rootfs_option_value(&mounts[0], "upperdir");
        return streq(mounts[0].type, "bind") ? mounts[0].source : NULL;
}

/* An empty directory is there before and after the shim has mounted. */
static int check_mount_point(int fd, const char *path, Error *error) {
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE, &stx) < 0)
                return error_set_errno(error, errno, "stat %s", path);
        if (!(stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
                return error_set(error, ERROR_UNSUPPORTED, "stat %s: this kernel does not tell mount points",
                                 path);
        if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return error_set(error, ERROR_NOT_RUNNING, "%s: nothing is mounted", path);
        return 0;
}

int rootfs_open_running(const char *state_dir, const char *namespace, const char *id, int *ret_fd,
                        Error *error) {
        struct mount_attr attr = { .attr_set = ROOTFS_ATTRIBUTES, .attr_clr = MOUNT_ATTR__ATIME };

        _cleanup_free_ char *path = format_string("%s/%s/rootfs", namespace, id);
        if (!path)
                return error_oom(error);
        if (strchr(namespace, '/') || strchr(id, '/'))
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s is no path of a bundle", path);

        _cleanup_close_ int state_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (state_fd < 0)
                return error_set_errno(error, errno, "open %s", state_dir);
        _cleanup_close_ int fd = open_beneath(state_fd, path, O_PATH | O_DIRECTORY, 0,
                                              RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        if (fd == -ENOENT)
                return error_set(error, ERROR_NOT_RUNNING, "%s/%s: no such bundle", state_dir, path);
        if (fd < 0)
                return error_set_errno(error, fd, "open %s/%s", state_dir, path);

        int r = check_mount_point(fd, path, error);
        if (r < 0)
                return r;

        /* The same mount with more restrictions; without the right to make one, the restrictions of the
         * shim's. */
        _cleanup_close_ int copy = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (copy >= 0 && mount_setattr(copy, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return error_set_errno(error, errno, "restrict the mount of %s/%s", state_dir, path);
        if (copy < 0 && errno != EPERM)
                return error_set_errno(error, errno, "copy the mount of %s/%s", state_dir, path);
        *ret_fd = copy >= 0 ? TAKE_FD(copy) : TAKE_FD(fd);
        return 0;
}

int rootfs_open(int root_fd, const char *path, int flags, mode_t mode, Error *error) {
        if (!(flags & O_PATH))
                flags |= O_NOCTTY | O_NONBLOCK;
        bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;

        int fd = open_beneath(root_fd, path, (uint64_t) flags, makes ? mode : 0, RESOLVE_IMAGE);
        return fd < 0 ? error_set_errno(error, fd, "open %s", path) : fd;
}

int rootfs_mkdir_p(int root_fd, const char *path, int *ret_fd, Error *error) {
        static const MakeDirectory make = { .mode = 0755, .uid = 0, .gid = 0 };
        bool created;

        _cleanup_close_ int fd = resolve_mkdir_p(root_fd, path, &make, RESOLVE_IMAGE, &created);
        if (fd < 0)
                return error_set_errno(error, fd, "mkdir %s", path);
        if (ret_fd) {
                int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (copy < 0)
                        return error_set_errno(error, errno, "open %s", path);
                *ret_fd = copy;
        }
        return created;
}

int rootfs_stat(int root_fd, const char *path, struct stat *ret, Error *error) {
        _cleanup_close_ int fd = open_beneath(root_fd, path, O_PATH, 0, RESOLVE_IMAGE);

        if (fd < 0 || fstat(fd, ret) < 0)
                return error_set_errno(error, fd < 0 ? fd : errno, "stat %s", path);
        return 0;
}

int rootfs_read_file(int root_fd, const char *path, size_t limit, Buffer *ret, Error *error) {
        struct stat st;

        /* Looked at first: opening alone makes some devices act, where the mount lets them be opened. */
        _cleanup_close_ int path_fd = rootfs_open(root_fd, path, O_PATH, 0, error);
        if (path_fd < 0)
                return path_fd;
        if (fstat(path_fd, &st) < 0)
                return error_set_errno(error, errno, "stat %s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(error, ERROR_INVALID_ARGUMENT, "open %s: is %s, not a regular file", path,
                                 resolve_type_words(st.st_mode));

        _cleanup_close_ int fd = resolve_reopen(path_fd, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
                return error_set_errno(error, fd, "open %s", path);
        int r = read_to_end(fd, ret, limit);
        if (r == -ENOMEM)
                return error_oom(error);
        return r < 0 ? error_set_errno(error, r, "read %s", path) : 0;
}
