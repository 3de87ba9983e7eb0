/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* How often a component that somebody makes and removes at the same time is looked at again. */
#define COMPONENT_TRIES 16

/* A walk that makes what is missing. Each step stands on a directory fd and looks at one component without
 * following it, so that nothing that changes meanwhile can lead it out of the root. */
typedef struct Walk {
        int root_fd;
        uint64_t resolve;
        const MakeDirectory *make;
        int fd;                 /* the directory reached, O_PATH, owned */
        char reached[PATH_MAX]; /* its path from the root without symlinks, "" for the root itself */
        char rest[PATH_MAX];    /* what is still to be walked */
        unsigned n_symlinks;
        bool created; /* whether the last component walked is new */
} Walk;

static void walk_done(Walk *walk) {
        safe_close(walk->fd);
}

/* Stands on `reached`, from the root. */
static int walk_reopen(Walk *walk) {
        int fd = open_beneath(walk->root_fd, walk->reached[0] ? walk->reached : ".",
                              O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, walk->resolve | RESOLVE_NO_SYMLINKS);
        if (fd < 0)
                return fd;
        safe_close(walk->fd);
        walk->fd = fd;
        walk->created = false;
        return 0;
}

static int walk_up(Walk *walk) {
        char *slash = strrchr(walk->reached, '/');

        if (slash)
                *slash = '\0';
        else
                walk->reached[0] = '\0';
        return walk_reopen(walk);
}

/* Puts what a symlink says before the rest. */
static int walk_follow(Walk *walk, int link_fd) {
        char target[PATH_MAX];

        if (++walk->n_symlinks > RESOLVE_SYMLINKS_MAX)
                return -ELOOP;

        ssize_t n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        if (n == 0)
                return -ENOENT;
        target[n] = '\0';

        size_t rest = strlen(walk->rest);
        if ((size_t) n + 1 + rest >= sizeof(walk->rest))
                return -ENAMETOOLONG;
        memmove(walk->rest + n + 1, walk->rest, rest + 1);
        memcpy(walk->rest, target, (size_t) n);
        walk->rest[n] = '/';

        if (target[0] != '/')
                return 0;
        walk->reached[0] = '\0';
        return walk_reopen(walk);
}

static int walk_enter(Walk *walk, const char *name, int fd, bool created) {
        size_t reached = strlen(walk->reached);

        if (reached + 1 + strlen(name) >= sizeof(walk->reached)) {
                safe_close(fd);
                return -ENAMETOOLONG;
        }
        if (reached > 0)
                walk->reached[reached++] = '/';
        strcpy(walk->reached + reached, name);
        safe_close(walk->fd);
        walk->fd = fd;
        walk->created = created;
        return 0;
}

/* Gives a directory just made its exact mode and owner. */
static int apply_make(int parent_fd, const char *name, const MakeDirectory *make) {
        struct stat st;

        _cleanup_close_ int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;

        bool exact = make->uid != (uid_t) -1;
        if (exact && (st.st_uid != make->uid || st.st_gid != make->gid) &&
            fchown(fd, make->uid, make->gid) < 0)
                return -errno;

        mode_t mode = make->mode | (exact ? 0 : st.st_mode & S_ISGID);
        if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
                return -errno;
        return 0;
}

/* One component: a directory is entered, a symlink followed, nothing becomes a directory. */
static int walk_component(Walk *walk, const char *name) {
        bool created = false;

        for (unsigned tries = 0; tries < COMPONENT_TRIES; tries++) {
                struct stat st;

                _cleanup_close_ int fd = open_beneath(walk->fd, name, O_PATH | O_NOFOLLOW, 0,
                                                      walk->resolve & ~(uint64_t) RESOLVE_IN_ROOT);
                if (fd == -ENOENT) {
                        if (mkdirat(walk->fd, name, walk->make->mode) < 0) {
                                if (errno == EEXIST)
                                        continue;
                                return -errno;
                        }
                        int r = apply_make(walk->fd, name, walk->make);
                        if (r < 0)
                                return r;
                        created = true;
                        continue;
                }
                if (fd < 0)
                        return fd;
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (S_ISLNK(st.st_mode))
                        return walk_follow(walk, fd);
                if (!S_ISDIR(st.st_mode))
                        return -ENOTDIR;
                return walk_enter(walk, name, TAKE_FD(fd), created);
        }
        return -EBUSY;
}

/* Takes the first component off the rest: 1, or 0 at the end. */
static int walk_next(Walk *walk, char name[static NAME_MAX + 1]) {
        const char *start = walk->rest + strspn(walk->rest, "/");
        size_t n = strcspn(start, "/");

        if (n == 0)
                return 0;
        if (n > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(name, start, n);
        name[n] = '\0';
        memmove(walk->rest, start + n, strlen(start + n) + 1);
        return 1;
}

int resolve_mkdir_p(int root_fd, const char *path, const MakeDirectory *make, uint64_t resolve,
                    bool *ret_created) {
        _cleanup_(walk_done)
                Walk walk = { .root_fd = root_fd, .resolve = resolve, .make = make, .fd = -EBADF };
        char name[NAME_MAX + 1];
        int r;

        if (isempty(path))
                return -ENOENT;
        if (strlen(path) >= sizeof(walk.rest))
                return -ENAMETOOLONG;

        /* Nearly always it is there. */
        int fd = open_beneath(root_fd, path, O_PATH | O_DIRECTORY, 0, resolve);
        if (fd >= 0) {
                if (ret_created)
                        *ret_created = false;
                return fd;
        }
        if (fd != -ENOENT)
                return fd;

        strcpy(walk.rest, path);
        r = walk_reopen(&walk);
        while (r >= 0 && (r = walk_next(&walk, name)) > 0)
                if (streq(name, ".."))
                        r = walk_up(&walk);
                else if (!streq(name, "."))
                        r = walk_component(&walk, name);
        if (r < 0)
                return r;

        if (ret_created)
                *ret_created = walk.created;
        return TAKE_FD(walk.fd);
}

const char *resolve_last_component(const char *path, size_t *ret_length) {
        size_t end = strlen(path), start;

        while (end > 0 && path[end - 1] == '/')
                end--;
        for (start = end; start > 0 && path[start - 1] != '/';)
                start--;

        size_t n = end - start;
        if ((n == 1 && path[start] == '.') || (n == 2 && path[start] == '.' && path[start + 1] == '.'))
                start = end;
        *ret_length = end - start;
        return path + start;
}

const char *resolve_fd_path(char buffer[static FD_PATH_MAX], int fd) {
        snprintf(buffer, FD_PATH_MAX, "/proc/self/fd/%i", fd);
        return buffer;
}

int resolve_reopen(int fd, int flags) {
        char path[FD_PATH_MAX];
        int copy = open(resolve_fd_path(path, fd), flags | O_CLOEXEC);

        return copy < 0 ? -errno : copy;
}

int resolve_judging_file_system(int fd, FileUse use, const char **ret) {
        static const struct {
                uint32_t magic;
                unsigned uses;
                const char *name;
        } table[] = {
                { PROC_SUPER_MAGIC, FILE_READ | FILE_WRITE, "procfs" },
                { SECURITYFS_MAGIC, FILE_READ | FILE_WRITE, "securityfs" },
                { AAFS_MAGIC, FILE_READ | FILE_WRITE, "apparmorfs" },
                { SELINUX_MAGIC, FILE_READ | FILE_WRITE, "selinuxfs" },
                { SMACK_MAGIC, FILE_READ | FILE_WRITE, "smackfs" },
                { DEBUGFS_MAGIC, FILE_READ | FILE_WRITE, "debugfs" },
                { TRACEFS_MAGIC, FILE_READ | FILE_WRITE, "tracefs" },
                { BPF_FS_MAGIC, FILE_READ | FILE_WRITE, "bpf" },
                { EFIVARFS_MAGIC, FILE_READ | FILE_WRITE, "efivarfs" },
                { PSTOREFS_MAGIC, FILE_READ | FILE_WRITE, "pstore" },
                { BINFMTFS_MAGIC, FILE_READ | FILE_WRITE, "binfmt_misc" },
                { SYSFS_MAGIC, FILE_WRITE, "sysfs" },
                { CGROUP_SUPER_MAGIC, FILE_WRITE, "cgroup" },
                { CGROUP2_SUPER_MAGIC, FILE_WRITE, "cgroup2" },
                { RDTGROUP_SUPER_MAGIC, FILE_WRITE, "resctrl" },
        };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        *ret = NULL;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if ((uint32_t) fs.f_type == table[i].magic && table[i].uses & use)
                        *ret = table[i].name;
        return 0;
}

const char *resolve_type_words(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "a regular file";
        case S_IFDIR:
                return "a directory";
        case S_IFLNK:
                return "a symbolic link";
        case S_IFIFO:
                return "a FIFO";
        case S_IFSOCK:
                return "a socket";
        case S_IFCHR:
        case S_IFBLK:
                return "a device";
        default:
                return "of an unknown kind";
        }
}
