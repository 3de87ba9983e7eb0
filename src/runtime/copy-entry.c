/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/string-util.h"
#include "runtime/copy-internal.h"
#include "runtime/resolve.h"

/* Makes the thing: an fd for a regular file, else 0, or a negative errno; -EEXIST where the name is taken.
 * `first_fd` is for make_link() alone. */
typedef int (*MakeEntry)(const CopyDirectory *directory, const CopyEntry *entry, int first_fd);

char *copy_join(const char *path, const char *below) {
        if (isempty(below))
                return strdup(path);
        return format_string(endswith(path, "/") ? "%s%s" : "%s/%s", path, below);
}

char *copy_source_words(const CopyDirectory *directory, const CopyEntry *entry) {
        return entry->source_name ? strdup(entry->source_name)
                                  : copy_join(directory->source_path, entry->name);
}

char *copy_dest_words(const CopyDirectory *directory, const CopyEntry *entry) {
        return copy_join(directory->dest_path, entry->name);
}

void copy_entry_clear(CopyEntry *entry) {
        entry->fd = safe_close(entry->fd);
        entry->out = safe_close(entry->out);
        entry->target = mfree(entry->target);
}

static int read_target(int dir_fd, CopyEntry *entry) {
        char target[PATH_MAX];

        ssize_t n = readlinkat(dir_fd, entry->name, target, sizeof(target));
        if (n < 0)
                return errno == EINVAL ? -ESTALE : -errno;
        if ((size_t) n == sizeof(target))
                return -ENAMETOOLONG;
        entry->target = strndup(target, (size_t) n);
        return entry->target ? 0 : -ENOMEM;
}

void copy_entry_open(int dir_fd, CopyEntry *entry) {
        entry->r = 0;
        if (entry->type == DT_REG) {
                /* Whatever has taken its place meanwhile: it is not followed and not waited for. */
                entry->fd = openat(dir_fd, entry->name,
                                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (entry->fd < 0 || fstat(entry->fd, &entry->st) < 0)
                        entry->r = -errno;
                else if (!S_ISREG(entry->st.st_mode))
                        entry->r = -ESTALE;
                return;
        }
        if (fstatat(dir_fd, entry->name, &entry->st, AT_SYMLINK_NOFOLLOW) < 0) {
                entry->r = -errno;
                return;
        }
        if (entry->type == DT_UNKNOWN) {
                entry->type = IFTODT(entry->st.st_mode);
                if (entry->type == DT_REG) {
                        copy_entry_open(dir_fd, entry);
                        return;
                }
        }
        if (entry->type != IFTODT(entry->st.st_mode))
                entry->r = -ESTALE;
        else if (entry->type == DT_LNK)
                entry->r = read_target(dir_fd, entry);
}

static int make_file(const CopyDirectory *directory, const CopyEntry *entry, int first_fd) {
        int fd = openat(directory->dest_fd, entry->name,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                        entry->st.st_mode & 0777);

        return fd < 0 ? -errno : fd;
}

static int make_symlink(const CopyDirectory *directory, const CopyEntry *entry, int first_fd) {
        return symlinkat(entry->target, directory->dest_fd, entry->name) < 0 ? -errno : 0;
}

static int make_node(const CopyDirectory *directory, const CopyEntry *entry, int first_fd) {
        return mknodat(directory->dest_fd, entry->name, entry->st.st_mode & (S_IFMT | 0777),
                       entry->st.st_rdev) < 0
                       ? -errno
                       : 0;
}

/* Another name of what has been copied. */
static int make_link(const CopyDirectory *directory, const CopyEntry *entry, int first_fd) {
        char path[FD_PATH_MAX];

        return linkat(AT_FDCWD, resolve_fd_path(path, first_fd), directory->dest_fd, entry->name,
                      AT_SYMLINK_FOLLOW) < 0
                       ? -errno
                       : 0;
}

/* Removes what has the name that an entry is to have, unless it is a directory. */
static int make_room(const CopyDirectory *directory, const CopyEntry *entry, Error *error) {
        struct stat st;

        if (fstatat(directory->dest_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_set_errno(error, errno, "stat %s", entry->name);
        if (!S_ISDIR(st.st_mode)) {
                if (unlinkat(directory->dest_fd, entry->name, 0) >= 0 || errno == ENOENT)
                        return 0;
                if (errno != EISDIR)
                        return error_set_errno(error, errno, "remove %s", entry->name);
        }
        return error_set(error, ERROR_INVALID_ARGUMENT, "%s cannot replace a directory",
                         resolve_type_words(entry->st.st_mode));
}

/* By MakeEntry, replacing what is there. */
static int make(const CopyDirectory *directory, const CopyEntry *entry, MakeEntry function, int first_fd,
                Error *error) {
        int r = -EEXIST;

        for (unsigned tries = 0; tries < COPY_TRIES; tries++) {
                r = function(directory, entry, first_fd);
                if (r != -EEXIST)
                        break;
                int k = make_room(directory, entry, error);
                if (k < 0) {
                        _cleanup_free_ char *from = copy_source_words(directory, entry);
                        _cleanup_free_ char *to = copy_dest_words(directory, entry);
                        return error_prefix(error, k, "copy %s to %s", strempty(from), strempty(to));
                }
        }
        if (r < 0) {
                _cleanup_free_ char *words = copy_dest_words(directory, entry);
                if (r == -EPERM && (S_ISCHR(entry->st.st_mode) || S_ISBLK(entry->st.st_mode)))
                        return error_set(
                                error, ERROR_UNSUPPORTED,
                                "create %s: making a device takes CAP_MKNOD, which cruxd does not have",
                                strempty(words));
                return error_set_errno(error, r, "create %s", strempty(words));
        }
        return r;
}

/* Owner, mode and times of what cannot be opened, without regard to what its name may have come to mean. */
static int finish_node(const Copy *copy, const CopyDirectory *directory, const CopyEntry *entry) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->st.st_mtim };
        uid_t uid = copy_uid(copy, &entry->st);
        gid_t gid = copy_gid(copy, &entry->st);
        mode_t mode = entry->st.st_mode & 07777;
        struct stat st;

        _cleanup_close_ int fd = openat(directory->dest_fd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if ((st.st_mode ^ entry->st.st_mode) & S_IFMT)
                return -ESTALE;

        if ((st.st_uid != uid || st.st_gid != gid) && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        if (!S_ISLNK(st.st_mode) && (st.st_mode & 07777) != mode) {
                char path[FD_PATH_MAX];
                if (chmod(resolve_fd_path(path, fd), mode) < 0)
                        return -errno;
        }
        return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int copy_node(const Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, Error *error) {
        int r = make(directory, entry, S_ISLNK(entry->st.st_mode) ? make_symlink : make_node, -EBADF, error);
        if (r < 0)
                return r;
        r = finish_node(copy, directory, entry);
        if (r < 0) {
                _cleanup_free_ char *words = copy_dest_words(directory, entry);
                return error_set_errno(error, r, "create %s", strempty(words));
        }
        return 0;
}

/* What an inode was copied to, opened O_PATH, where that is still what it was. */
static int open_first_copy(const Copy *copy, const CopyEntry *entry) {
        CopyInode expected;
        struct stat st;

        const char *path = copy_links_find(copy->links, copy_inode(&entry->st), &expected);
        if (!path)
                return -ENOENT;
        _cleanup_close_ int fd =
                open_beneath(copy->destination->root_fd, path, O_PATH | O_NOFOLLOW, 0, RESOLVE_IMAGE);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        return copy_inode_equal(copy_inode(&st), expected) ? TAKE_FD(fd) : -ESTALE;
}

/* A further name of what has been copied already: 1, or 0 where that cannot be done and a copy of its own is
 * needed. */
static int link_to_first(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, Error *error) {
        _cleanup_(error_clear) Error ignored = {};

        _cleanup_close_ int first = open_first_copy(copy, entry);
        if (first < 0)
                return 0;
        int r = make(directory, entry, make_link, first, &ignored);
        if (r == -EMLINK || r == -EXDEV || r == -EPERM || r == -ENOENT)
                return 0;
        if (r < 0) {
                error_move(error, &ignored);
                return r;
        }
        return 1;
}

static int finish_file(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, int out,
                       struct stat *ret_st, Error *error) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->st.st_mtim };

        int r = copy_attributes(copy, entry->fd, &entry->st, out, ret_st);
        if (r >= 0 && futimens(out, times) < 0)
                r = -errno;
        if (r < 0) {
                _cleanup_free_ char *words = copy_dest_words(directory, entry);
                return error_set_errno(error, r, "set the attributes of %s", strempty(words));
        }
        return 0;
}

static int remember(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, const struct stat *st,
                    Error *error) {
        _cleanup_free_ char *path = copy_dest_words(directory, entry);

        if (!path || copy_links_add(copy->links, copy_inode(&entry->st), copy_inode(st), path) < 0)
                return error_oom(error);
        return 0;
}

int copy_fill(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, int out,
              struct stat *ret_st, Error *error) {
        int r = copy_data(copy, directory, entry, out, error);

        return r < 0 ? r : finish_file(copy, directory, entry, out, ret_st, error);
}

static int copy_file(Copy *copy, const CopyDirectory *directory, CopyEntry *entry, Error *error) {
        bool linked = entry->st.st_nlink > 1;
        struct stat st;
        int r;

        if (linked) {
                r = link_to_first(copy, directory, entry, error);
                if (r != 0)
                        return r;
        }

        _cleanup_close_ int out = make(directory, entry, make_file, -EBADF, error);
        if (out < 0)
                return out;
        if (directory->leave && !linked && entry->st.st_size <= COPY_LEAVE_MAX) {
                entry->out = TAKE_FD(out);
                return 0;
        }
        r = copy_fill(copy, directory, entry, out, &st, error);
        if (r >= 0 && linked)
                r = remember(copy, directory, entry, &st, error);
        return r;
}

static int refuse_device(const CopyDirectory *directory, const CopyEntry *entry, Error *error) {
        _cleanup_free_ char *words = copy_source_words(directory, entry);

        return error_set(error, ERROR_UNSUPPORTED, "copy %s: devices are not copied from the host",
                         strempty(words));
}

/* What went wrong when it was opened as the client. */
static int open_error(const CopyDirectory *directory, const CopyEntry *entry, Error *error) {
        _cleanup_free_ char *words = copy_source_words(directory, entry);

        if (entry->r == -ESTALE || entry->r == -ELOOP)
                return error_set(error, ERROR_BUSY, "open %s: it was replaced while it was copied",
                                 strempty(words));
        return error_set_errno(error, entry->r, "open %s", strempty(words));
}

int copy_entry(Copy *copy, const CopyDirectory *directory, CopyEntry *entry, Error *error) {
        int r;

        if (entry->r < 0)
                return open_error(directory, entry, error);
        switch (entry->st.st_mode & S_IFMT) {
        case S_IFREG:
                r = copy_is_judging(copy, entry->fd, &entry->st);
                if (r != 0) {
                        entry->r = r < 0 ? r : -EACCES;
                        return open_error(directory, entry, error);
                }
                r = copy_file(copy, directory, entry, error);
                break;
        case S_IFLNK:
        case S_IFIFO:
                r = copy_node(copy, directory, entry, error);
                break;
        case S_IFCHR:
        case S_IFBLK:
                r = copy->source->refuse_devices ? refuse_device(directory, entry, error)
                                                 : copy_node(copy, directory, entry, error);
                break;
        case S_IFSOCK:
                return 0;
        default:
                entry->r = -EINVAL;
                return open_error(directory, entry, error);
        }
        if (r < 0)
                return r;
        copy->statistics->entries++;
        return copy_report(copy, error);
}
