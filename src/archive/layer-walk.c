/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/layer-walk.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <locale.h>
#include <search.h>
#include <string.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

/* How much of a path that is too long an error shows, in bytes. */
#define QUOTE_MAX 64U

/* A directory on the way down. One that may have been made for a mount point alone is written only when
 * something in it is. */
typedef struct Frame {
        struct Frame *parent;
        int fd;
        struct stat st;
        size_t path_length; /* of walk->path at this directory */
        unsigned depth;
        bool written;
} Frame;

typedef struct Name {
        char *name;
        unsigned char type; /* of readdir(3) */
} Name;

typedef struct Names {
        Name *entries;
        size_t n, allocated;
} Names;

/* A file with more than one name, and the first that was met. */
typedef struct Link {
        dev_t dev;
        ino_t ino;
        char path[];
} Link;

static int walk_directory(LayerWalk *walk, Frame *frame, Error *error);

static void names_clear(Names *names) {
        for (size_t i = 0; i < names->n; i++)
                free(names->entries[i].name);
        free(names->entries);
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const Name *) a)->name, ((const Name *) b)->name);
}

static int append_name(Names *names, const struct dirent *entry) {
        if (names->n == names->allocated) {
                size_t n = MAX(2 * names->allocated, (size_t) 64);
                Name *grown = reallocarray(names->entries, n, sizeof(Name));
                if (!grown)
                        return -ENOMEM;
                names->entries = grown;
                names->allocated = n;
        }
        char *copy = strdup(entry->d_name);
        if (!copy)
                return -ENOMEM;
        names->entries[names->n++] = (Name) { copy, entry->d_type };
        return 0;
}

static int list_directory(LayerWalk *walk, int fd, Names *names, Error *error) {
        _cleanup_closedir_ DIR *dir = opendir_fd(fd);
        struct dirent *entry;

        if (!dir)
                return error_set_errno(error, errno, "/%s: opening", walk->path.data);
        while ((errno = 0, entry = readdir(dir))) {
                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                if (names->n >= LAYER_ENTRIES_MAX)
                        return error_set(error, ERROR_UNSUPPORTED, "/%s: more than %u entries",
                                         walk->path.data, LAYER_ENTRIES_MAX);
                if (append_name(names, entry) < 0)
                        return error_oom(error);
        }
        if (errno != 0)
                return error_set_errno(error, errno, "/%s: reading the directory", walk->path.data);
        if (names->n > 0)
                qsort(names->entries, names->n, sizeof(Name), compare_names);
        return 0;
}

/* The path of the entry `prefix``name` in the directory whose path is `length` bytes of the walk's. */
static int set_path(LayerWalk *walk, size_t length, const char *prefix, const char *name, Error *error) {
        walk->path.length = length;
        if (length > 0 && buffer_append(&walk->path, "/", 1) < 0)
                return error_oom(error);
        if (buffer_append_string(&walk->path, prefix) < 0 || buffer_append_string(&walk->path, name) < 0 ||
            buffer_append(&walk->path, "", 1) < 0)
                return error_oom(error);
        walk->path.length--;
        if (walk->path.length > LAYER_PATH_MAX)
                return error_set(error, ERROR_UNSUPPORTED, "/%.*s…: path longer than %llu bytes",
                                 utf8_cut(walk->path.data, QUOTE_MAX), walk->path.data,
                                 (unsigned long long) LAYER_PATH_MAX);
        return 0;
}

static void cut_path(LayerWalk *walk, size_t length) {
        walk->path.length = length;
        walk->path.data[length] = 0;
}

/* Writes the directory, and before it those that it lies in, where that is still to be done. */
static int write_directories(LayerWalk *walk, Frame *frame, Error *error) {
        unsigned marks;

        if (frame->written)
                return 0;
        int r = write_directories(walk, frame->parent, error);
        if (r < 0)
                return r;

        char saved = TAKE(walk->path.data[frame->path_length], 0);
        layer_entry_begin(walk, walk->path.data, &frame->st);
        r = layer_entry_read_xattrs(walk, frame->fd, /* marks_only= */ false, &marks, error);
        if (r >= 0)
                r = layer_entry_write(walk, error);
        walk->path.data[frame->path_length] = saved;
        frame->written = true;
        return r;
}

static int write_whiteout(LayerWalk *walk, Frame *frame, const char *prefix, const char *name, Error *error) {
        static const struct stat empty = { .st_mode = S_IFREG };

        int r = write_directories(walk, frame, error);
        if (r >= 0)
                r = set_path(walk, frame->path_length, prefix, name, error);
        if (r < 0)
                return r;
        layer_entry_begin(walk, walk->path.data, &empty);
        return layer_entry_write(walk, error);
}

static const MountPoint *find_mount_point(const LayerWalk *walk) {
        return walk->options->mount_points ? mount_points_find(walk->options->mount_points, walk->path.data)
                                           : NULL;
}

static int not_translatable(LayerWalk *walk, const char *reason) {
        walk->reason = reason;
        return LAYER_NOT_TRANSLATABLE;
}

static int compare_links(const void *a, const void *b) {
        const Link *x = a, *y = b;

        if (x->dev != y->dev)
                return x->dev < y->dev ? -1 : 1;
        return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The first name of the file, when that is another one than this; else remembers this one: *ret is NULL. */
static int find_link(LayerWalk *walk, const struct stat *st, const char **ret, Error *error) {
        size_t n = strlen(walk->path.data) + 1;
        _cleanup_free_ Link *link = malloc(sizeof(Link) + n);

        if (!link)
                return error_oom(error);
        link->dev = st->st_dev;
        link->ino = st->st_ino;
        memcpy(link->path, walk->path.data, n);
        Link **found = tsearch(link, &walk->links, compare_links);
        if (!found)
                return error_oom(error);
        if (*found == link) {
                TAKE_PTR(link);
                *ret = NULL;
        } else
                *ret = (*found)->path;
        return 0;
}

/* With its attributes once more: containerd sets the owner of the file again for each of its names, and with
 * that the kernel takes its capabilities away. */
static int write_hard_link(LayerWalk *walk, const char *target, Error *error) {
        archive_entry_set_size(walk->entry, 0);
        archive_entry_copy_hardlink(walk->entry, target);
        return layer_entry_write(walk, error);
}

static int open_child(LayerWalk *walk, int dir_fd, const char *name, int flags, Error *error) {
        flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
        int fd = openat(dir_fd, name, flags | O_NOATIME);

        /* O_NOATIME is for the owner and root. */
        if (fd < 0 && errno == EPERM)
                fd = openat(dir_fd, name, flags);
        return fd < 0 ? error_set_errno(error, errno, "/%s: opening", walk->path.data) : fd;
}

static int visit_file(LayerWalk *walk, Frame *frame, const char *name, Error *error) {
        const MountPoint *point = find_mount_point(walk);
        const char *target = NULL;
        unsigned marks;
        struct stat st;

        _cleanup_close_ int fd = open_child(walk, frame->fd, name, 0, error);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return error_set(error, ERROR_INTERNAL, "/%s: changed while it was opened", walk->path.data);
        if (point && !point->existed && st.st_size == 0)
                return 0;

        layer_entry_begin(walk, walk->path.data, &st);
        int r = layer_entry_read_xattrs(walk, fd, /* marks_only= */ false, &marks, error);
        if (r < 0)
                return r;
        if (marks & OVERLAY_WHITEOUT && st.st_size == 0)
                return write_whiteout(walk, frame, WHITEOUT_PREFIX, name, error);
        if (marks & (OVERLAY_METACOPY | OVERLAY_REDIRECT))
                return not_translatable(walk, "a file is a copy of metadata alone");
        if (!frame->written) {
                r = write_directories(walk, frame, error);
                if (r < 0)
                        return r;
                /* That took the entry. */
                layer_entry_begin(walk, walk->path.data, &st);
                r = layer_entry_read_xattrs(walk, fd, /* marks_only= */ false, &marks, error);
                if (r < 0)
                        return r;
        }
        if (st.st_nlink > 1) {
                r = find_link(walk, &st, &target, error);
                if (r < 0)
                        return r;
                if (target)
                        return write_hard_link(walk, target, error);
        }
        return layer_entry_write_file(walk, fd, &st, error);
}

/* Whether an opaque mark at the walk's path covers anything: the overlay sets one on every new directory. */
static bool covers_something(const LayerWalk *walk) {
        if (walk->options->lower_fd < 0)
                return true;
        _cleanup_close_ int fd =
                open_beneath(walk->options->lower_fd, walk->path.data, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
                             RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
        return fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP;
}

static bool owner_and_mode_kept(const MountPoint *point, const struct stat *st) {
        return point->mode == st->st_mode && point->uid == st->st_uid && point->gid == st->st_gid;
}

static int visit_directory(LayerWalk *walk, Frame *parent, const char *name, Error *error) {
        const MountPoint *point = find_mount_point(walk);
        Frame frame = { .parent = parent, .path_length = walk->path.length, .depth = parent->depth + 1 };
        unsigned marks;

        if (frame.depth > LAYER_DEPTH_MAX)
                return error_set(error, ERROR_UNSUPPORTED, "/%.*s…: directories deeper than %u levels",
                                 utf8_cut(walk->path.data, QUOTE_MAX), walk->path.data, LAYER_DEPTH_MAX);
        _cleanup_close_ int fd = open_child(walk, parent->fd, name, O_DIRECTORY, error);
        if (fd < 0)
                return fd;
        frame.fd = fd;
        if (fstat(fd, &frame.st) < 0)
                return error_set_errno(error, errno, "/%s", walk->path.data);
        int r = layer_entry_read_xattrs(walk, fd, /* marks_only= */ true, &marks, error);
        if (r < 0)
                return r;
        if (marks & OVERLAY_REDIRECT)
                return not_translatable(walk, "a directory is a renamed one");

        bool opaque = marks & OVERLAY_OPAQUE && !(point && !point->existed) && covers_something(walk);
        bool wait = point && !opaque && (!point->existed || owner_and_mode_kept(point, &frame.st));
        if (!wait)
                r = write_directories(walk, &frame, error);
        if (r >= 0 && opaque)
                r = write_whiteout(walk, &frame, "", WHITEOUT_OPAQUE, error);
        if (r < 0)
                return r;
        cut_path(walk, frame.path_length);
        return walk_directory(walk, &frame, error);
}

static int visit_other(LayerWalk *walk, Frame *frame, const char *name, const struct stat *st, Error *error) {
        char target[PATH_MAX];

        if (S_ISSOCK(st->st_mode))
                return 0;
        if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
                return write_whiteout(walk, frame, WHITEOUT_PREFIX, name, error);
        int r = write_directories(walk, frame, error);
        if (r < 0)
                return r;
        layer_entry_begin(walk, walk->path.data, st);
        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlinkat(frame->fd, name, target, sizeof(target) - 1);
                if (n < 0)
                        return error_set_errno(error, errno, "/%s: reading the link", walk->path.data);
                target[n] = 0;
                archive_entry_copy_symlink(walk->entry, target);
        }
        return layer_entry_write(walk, error);
}

static int visit(LayerWalk *walk, Frame *frame, const Name *name, Error *error) {
        struct stat st = {};

        if (startswith(name->name, WHITEOUT_PREFIX))
                return error_set(error, ERROR_UNSUPPORTED,
                                 "/%s: a name that begins with \"" WHITEOUT_PREFIX
                                 "\" means a deletion in a layer",
                                 walk->path.data);
        /* readdir() often tells what the entry is, which spares a call for each file. */
        if (name->type == DT_REG)
                return visit_file(walk, frame, name->name, error);
        if (name->type == DT_DIR)
                return visit_directory(walk, frame, name->name, error);
        if (fstatat(frame->fd, name->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set_errno(error, errno, "/%s", walk->path.data);
        if (S_ISREG(st.st_mode))
                return visit_file(walk, frame, name->name, error);
        if (S_ISDIR(st.st_mode))
                return visit_directory(walk, frame, name->name, error);
        return visit_other(walk, frame, name->name, &st, error);
}

static int walk_directory(LayerWalk *walk, Frame *frame, Error *error) {
        _cleanup_(names_clear) Names names = {};

        int r = list_directory(walk, frame->fd, &names, error);
        for (size_t i = 0; r == LAYER_WRITTEN && i < names.n; i++) {
                r = cancel_check(walk->options->cancelled, error);
                if (r >= 0)
                        r = set_path(walk, frame->path_length, "", names.entries[i].name, error);
                if (r >= 0)
                        r = visit(walk, frame, &names.entries[i], error);
        }
        return r;
}

int layer_walk_run(LayerWalk *walk, Error *error) {
        /* The root's own metadata are the base image's. */
        Frame root = { .fd = walk->upper_fd, .written = true };

        if (buffer_append(&walk->path, "", 1) < 0)
                return error_oom(error);
        walk->path.length = 0;

        /* libarchive takes names to be in the locale's encoding, and those of files here are UTF-8. */
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0), old = (locale_t) 0;
        if (utf8)
                old = uselocale(utf8);
        int r = walk_directory(walk, &root, error);
        if (r == LAYER_WRITTEN)
                r = layer_walk_close(walk, error);
        if (utf8) {
                uselocale(old);
                freelocale(utf8);
        }
        return r;
}
