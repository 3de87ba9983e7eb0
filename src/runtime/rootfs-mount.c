/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/rootfs-mount.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

static const char *const generic_options[] = {
        "async",   "atime",    "bind",        "defaults", "dev",    "diratime",   "exec",
        "noatime", "nodev",    "nodiratime",  "noexec",   "nosuid", "norelatime", "private",
        "rbind",   "relatime", "ro",          "rprivate", "rslave", "rshared",    "rw",
        "shared",  "slave",    "strictatime", "suid",     "sync",
};

bool rootfs_option_is_generic(const char *option) {
        for (size_t i = 0; i < ELEMENTSOF(generic_options); i++)
                if (streq(option, generic_options[i]))
                        return true;
        return false;
}

const char *rootfs_option_value(const RootfsMount *mount, const char *name) {
        const char *found = NULL;

        for (const char *const *option = mount->options; option && *option; option++) {
                const char *rest = skip_prefix(*option, name);
                if (rest && *rest == '=')
                        found = rest + 1;
        }
        return found;
}

bool rootfs_has_option(const RootfsMount *mount, const char *option) {
        return strv_contains((char *const *) mount->options, option);
}

int rootfs_mount_bind(const RootfsMount *mount, unsigned attributes, Error *error) {
        struct mount_attr attr = { .attr_set = attributes, .attr_clr = MOUNT_ATTR__ATIME };

        _cleanup_close_ int fd = open_tree(AT_FDCWD, mount->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return error_set_errno(error, errno, "mount %s", mount->source);
        return TAKE_FD(fd);
}

/* What the kernel has to say about a failure: messages of the form "e WORDS", one a read. */
static int set_mount_error(Error *error, int fs_fd, int errnum, const char *what) {
        char message[256];

        ssize_t n = read(fs_fd, message, sizeof(message) - 1);
        if (n <= 2)
                return error_set_errno(error, errnum, "mount the root filesystem: %s", what);
        message[n] = '\0';
        message[strcspn(message, "\n")] = '\0';
        return error_set_errno(error, errnum, "mount the root filesystem: %s: %s", what, message + 2);
}

static int set_option(int fs_fd, const char *option, Error *error) {
        const char *equals = strchr(option, '=');

        if (!equals)
                return fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0) < 0
                               ? set_mount_error(error, fs_fd, errno, option)
                               : 0;

        _cleanup_free_ char *name = strndup(option, (size_t) (equals - option));
        if (!name)
                return error_oom(error);
        if (strlen(equals + 1) > FSCONFIG_STRING_MAX)
                return ROOTFS_TRY_CLASSIC;
        return fsconfig(fs_fd, FSCONFIG_SET_STRING, name, equals + 1, 0) < 0
                       ? set_mount_error(error, fs_fd, errno, name)
                       : 0;
}

/* A row of lower directories that does not fit one string, one at a time, as kernels take it from 6.7 on. A
 * path with escapes would have to be unescaped for that: mount(2) reads it as it stands. */
static int add_lower_directories(int fs_fd, const char *lower, Error *error) {
        if (strchr(lower, '\\'))
                return ROOTFS_TRY_CLASSIC;

        _cleanup_free_ char *copy = strdup(lower);
        if (!copy)
                return error_oom(error);

        bool first = true;
        char *rest = copy;
        for (char *directory; (directory = strsep(&rest, ":")); first = false) {
                if (strlen(directory) > FSCONFIG_STRING_MAX)
                        return ROOTFS_TRY_CLASSIC;
                if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir+", directory, 0) < 0) {
                        if (first && errno == EINVAL)
                                return ROOTFS_TRY_CLASSIC;
                        return set_mount_error(error, fs_fd, errno, directory);
                }
        }
        return 0;
}

static int set_options(int fs_fd, const RootfsMount *mount, Error *error) {
        for (const char *const *option = mount->options; option && *option; option++) {
                const char *lower = skip_prefix(*option, "lowerdir=");
                int r;

                if (rootfs_option_is_generic(*option))
                        continue;
                if (lower && strlen(lower) > FSCONFIG_STRING_MAX)
                        r = add_lower_directories(fs_fd, lower, error);
                else
                        r = set_option(fs_fd, *option, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

int rootfs_mount_overlay(const RootfsMount *mount, unsigned attributes, Error *error) {
        _cleanup_close_ int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
        if (fs_fd < 0)
                return error_set_errno(error, errno, "mount the root filesystem: overlay");

        if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
                return set_mount_error(error, fs_fd, errno, "source");
        int r = set_options(fs_fd, mount, error);
        if (r < 0)
                return r;
        if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return set_mount_error(error, fs_fd, errno, "overlay");

        int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes);
        if (fd < 0)
                return set_mount_error(error, fs_fd, errno, "overlay");
        return fd;
}
