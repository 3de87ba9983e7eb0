/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/rootfs-mount.h"

#define MOUNT_POINT_TEMPLATE "/tmp/cruxd-rootfs-XXXXXX"

/* A mount(2) with a working directory of its own. */
typedef struct ClassicMount {
        const char *directory; /* where relative lower directories begin */
        const char *options;
        unsigned long flags;
        int fd; /* the outcome: a detached mount, or a negative errno */
} ClassicMount;

static unsigned long flags_from_attributes(unsigned attributes) {
        static const struct {
                unsigned attribute;
                unsigned long flag;
        } table[] = {
                { MOUNT_ATTR_RDONLY, MS_RDONLY },   { MOUNT_ATTR_NOSUID, MS_NOSUID },
                { MOUNT_ATTR_NODEV, MS_NODEV },     { MOUNT_ATTR_NOEXEC, MS_NOEXEC },
                { MOUNT_ATTR_NOATIME, MS_NOATIME },
        };
        unsigned long flags = 0;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (attributes & table[i].attribute)
                        flags |= table[i].flag;
        return flags;
}

/* Length of the directory, its slash included, that all directories of a row "A:B:C" are in. Where nothing
 * needs an escape a colon always ends a path. */
static size_t common_directory(const char *row) {
        size_t common = strcspn(row, ":");

        for (const char *path = row; *path;) {
                size_t n = strcspn(path, ":"), same = 0;
                while (same < MIN(n, common) && path[same] == row[same])
                        same++;
                common = same;
                path += n + (path[n] == ':');
        }
        while (common > 0 && row[common - 1] != '/')
                common--;
        return common;
}

/* Appends the row with each path relative to its first n bytes. */
static int append_relative(Buffer *options, const char *row, size_t n) {
        for (const char *path = row; *path;) {
                size_t length = strcspn(path, ":");
                if (buffer_append(options, path + n, length - n) < 0 ||
                    (path[length] == ':' && buffer_append(options, ":", 1) < 0))
                        return -ENOMEM;
                path += length + (path[length] == ':');
        }
        return 0;
}

/* The options as one NUL-terminated string. */
static int join_options(const RootfsMount *mount, size_t common, Buffer *options) {
        for (const char *const *option = mount->options; option && *option; option++) {
                const char *lower = skip_prefix(*option, "lowerdir=");

                if (rootfs_option_is_generic(*option))
                        continue;
                if (options->length > 0 && buffer_append(options, ",", 1) < 0)
                        return -ENOMEM;
                int r = lower && common > 0 ? buffer_append_string(options, "lowerdir=")
                                            : buffer_append_string(options, *option);
                if (r >= 0 && lower && common > 0)
                        r = append_relative(options, lower, common);
                if (r < 0)
                        return r;
        }
        return buffer_append(options, "", 1);
}

/* Mounts, takes a copy of the mount that is in no namespace, and removes the mount again. */
static int mount_and_take(const ClassicMount *classic) {
        char point[] = MOUNT_POINT_TEMPLATE;

        if (!mkdtemp(point))
                return -errno;

        int r = mount("overlay", point, "overlay", classic->flags, classic->options) < 0 ? -errno : 0;
        if (r >= 0) {
                r = open_tree(AT_FDCWD, point, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
                if (r < 0)
                        r = -errno;
                (void) umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
        }
        (void) rmdir(point);
        return r;
}

/* In a thread, which alone can have its own working directory. */
static void *classic_thread(void *userdata) {
        ClassicMount *classic = userdata;

        if (unshare(CLONE_FS) < 0 || chdir(classic->directory) < 0)
                classic->fd = -errno;
        else
                classic->fd = mount_and_take(classic);
        return NULL;
}

int rootfs_mount_overlay_classic(const RootfsMount *mount, unsigned attributes, Error *error) {
        _cleanup_(buffer_clear) Buffer options = {};
        const char *lower = rootfs_option_value(mount, "lowerdir");
        size_t common = lower && lower[0] == '/' && !strchr(lower, '\\') ? common_directory(lower) : 0;

        _cleanup_free_ char *directory = common > 0 ? strndup(lower, common) : strdup("/");
        if (!directory || join_options(mount, common, &options) < 0)
                return error_oom(error);
        if (options.length > (size_t) sysconf(_SC_PAGESIZE))
                return error_set(
                        error, ERROR_UNSUPPORTED,
                        "mount the root filesystem: the image has more layers than this kernel can mount");

        ClassicMount classic = {
                .directory = directory,
                .options = options.data,
                .flags = flags_from_attributes(attributes),
                .fd = -EBADF,
        };
        pthread_t thread;
        int r = pthread_create(&thread, NULL, classic_thread, &classic);
        if (r > 0)
                return error_set_errno(error, r, "start a thread");
        pthread_join(thread, NULL);
        if (classic.fd < 0)
                return error_set_errno(error, classic.fd, "mount the root filesystem: overlay");
        return classic.fd;
}
