/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/mount-points.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

#define SYMLINKS_MAX 40 /* as the kernel has it */

/* Index of the first entry that does not sort before the path. */
static size_t lower_bound(const MountPoints *points, const char *path) {
        size_t low = 0, high = points->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(points->entries[middle].path, path) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const MountPoint *mount_points_find(const MountPoints *points, const char *path) {
        size_t i = lower_bound(points, path);

        return i < points->n_entries && streq(points->entries[i].path, path) ? &points->entries[i] : NULL;
}

/* `st` is NULL for what is not there. */
static int note(MountPoints *points, const char *path, const struct stat *st, Error *error) {
        if (mount_points_find(points, path))
                return 0;
        if (points->n_entries >= MOUNT_POINTS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "more than %u mount points and parents",
                                 MOUNT_POINTS_MAX);

        _cleanup_free_ char *copy = strdup(path);
        MountPoint *grown = reallocarray(points->entries, points->n_entries + 1, sizeof(MountPoint));
        if (grown)
                points->entries = grown;
        if (!copy || !grown)
                return error_oom(error);

        size_t i = lower_bound(points, path);
        memmove(&grown[i + 1], &grown[i], (points->n_entries - i) * sizeof(MountPoint));
        grown[i] = (MountPoint) { .path = TAKE_PTR(copy) };
        if (st) {
                grown[i].existed = true;
                grown[i].mode = st->st_mode;
                grown[i].uid = st->st_uid;
                grown[i].gid = st->st_gid;
        }
        points->n_entries++;
        return 0;
}

typedef struct Walk {
        MountPoints *points;
        int root_fd;
        char *resolved; /* owned; so far, without symlinks and leading slash */
        char *rest;     /* owned; what is left of the path */
        unsigned n_symlinks;
        bool missing; /* nothing exists from here on */
} Walk;

static void walk_clear(Walk *walk) {
        free(walk->resolved);
        free(walk->rest);
}

static int follow(Walk *walk, int link_fd, const char *rest, Error *error) {
        char target[PATH_MAX];

        if (++walk->n_symlinks > SYMLINKS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "too many symbolic links");
        ssize_t n = readlinkat(link_fd, "", target, sizeof(target) - 1);
        if (n < 0)
                return error_set_errno(error, errno, "reading a symbolic link");
        target[n] = 0;

        char *joined = format_string("%s/%s", target, rest);
        if (!joined || strlen(joined) >= PATH_MAX) {
                free(joined);
                return joined ? error_set_errno(error, ENAMETOOLONG, "symbolic link") : error_oom(error);
        }
        free(walk->rest);
        walk->rest = joined;
        if (target[0] == '/')
                walk->resolved[0] = 0;
        return 0;
}

/* Goes one step down, to `next`, which is the resolved path with the component. */
static int descend(Walk *walk, char *next, const char *rest, Error *error) {
        _cleanup_free_ char *path = next;
        struct stat st;

        _cleanup_close_ int fd = walk->missing ? -ENOENT
                                               : open_beneath(walk->root_fd, path, O_PATH | O_NOFOLLOW, 0,
                                                              RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        if (fd == -ENOENT)
                walk->missing = true;
        else if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(error, fd < 0 ? fd : errno, "/%s", path);
        else if (S_ISLNK(st.st_mode))
                return follow(walk, fd, rest, error);
        else if (!S_ISDIR(st.st_mode) && rest[strspn(rest, "/")])
                return error_set_errno(error, ENOTDIR, "/%s", path);

        int r = note(walk->points, path, walk->missing ? NULL : &st, error);
        if (r < 0)
                return r;
        free(walk->resolved);
        walk->resolved = TAKE_PTR(path);
        char *left = strdup(rest);
        if (!left)
                return error_oom(error);
        free(walk->rest);
        walk->rest = left;
        return 0;
}

static void ascend(Walk *walk) {
        char *slash = strrchr(walk->resolved, '/');

        *(slash ? slash : walk->resolved) = 0;
}

int mount_points_note(MountPoints *points, int root_fd, const char *path, Error *error) {
        _cleanup_(walk_clear) Walk walk = {
                .points = points, .root_fd = root_fd, .resolved = strdup(""), .rest = strdup(path)
        };

        if (!walk.resolved || !walk.rest)
                return error_oom(error);
        if (path[0] != '/')
                return error_set(error, ERROR_INVALID_ARGUMENT, "mount point \"%s\" is not absolute", path);
        for (;;) {
                char *component = walk.rest + strspn(walk.rest, "/");
                size_t n = strcspn(component, "/");

                if (n == 0)
                        return 0;
                if (n <= 2 && strspn(component, ".") >= n) {
                        if (n == 2)
                                ascend(&walk);
                        memmove(walk.rest, component + n, strlen(component + n) + 1);
                        continue;
                }
                char *next = format_string("%s%s%.*s", walk.resolved, walk.resolved[0] ? "/" : "", (int) n,
                                           component);
                int r = next ? descend(&walk, next, component + n, error) : error_oom(error);
                if (r < 0)
                        return error_prefix(error, r, "mount point \"%s\"", path);
        }
}

void mount_points_clear(MountPoints *points) {
        for (size_t i = 0; i < points->n_entries; i++)
                free(points->entries[i].path);
        free(points->entries);
        *points = (MountPoints) {};
}
