/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/copy.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/string-util.h"
#include "runtime/copy-internal.h"
#include "runtime/resolve.h"

/* Missing parents in the destination, as the copy's caller sees them. */
static const MakeDirectory make_parent = { .mode = 0755, .uid = 0, .gid = 0 };

static void copy_done(Copy *copy) {
        copy_filler_free(copy->filler);
        for (unsigned i = 0; copy->batches && i < COPY_BATCHES; i++)
                copy_batch_clear(&copy->batches[i]);
        free(copy->batches);
        safe_close(copy->source_fd);
        for (size_t i = 0; i < copy->n_pending; i++)
                free(copy->pending[i].path);
        free(copy->pending);
        free(copy->buffer);
        copy_links_free(copy->links);
}

/* Opens SRC, symlinks followed, without touching it. As the client. */
static int open_source(Copy *copy, struct stat *ret, Error *error) {
        const CopySource *source = copy->source;

        int fd = open_beneath(source->root_fd, source->path, O_PATH, 0,
                              source->identity ? RESOLVE_ROOT : RESOLVE_IMAGE);
        if (fd < 0)
                return error_set_errno(error, fd, "stat %s", copy->name);
        copy->source_fd = fd;
        if (fstat(fd, ret) < 0)
                return error_set_errno(error, errno, "stat %s", copy->name);
        return 0;
}

/* SRC as an entry, where it is no directory. As the client. */
static int open_single(Copy *copy, const struct stat *st, CopyEntry *entry, Error *error) {
        size_t n;
        const char *name = resolve_last_component(copy->source->path, &n);

        if (n == 0 || n > NAME_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "copy %s: it has no name", copy->name);
        if (S_ISSOCK(st->st_mode))
                return error_set(error, ERROR_UNSUPPORTED, "copy %s: is a socket", copy->name);

        *entry = (CopyEntry) {
                .source_name = copy->name, .type = IFTODT(st->st_mode), .st = *st, .fd = -EBADF, .out = -EBADF
        };
        memcpy(entry->name, name, n);
        if (S_ISREG(st->st_mode)) {
                entry->fd = resolve_reopen(copy->source_fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
                if (entry->fd < 0)
                        return error_set_errno(error, entry->fd, "open %s", copy->name);
                if (fstat(entry->fd, &entry->st) < 0)
                        return error_set_errno(error, errno, "stat %s", copy->name);
        }
        return 0;
}

/* The directory and name that a single file is to have; the name is SRC's already. See the table in copy.h.
 */
static int place_single(const Copy *copy, CopyEntry *entry, char **ret_path, Error *error) {
        const char *path = copy->destination->path;
        size_t n;

        const char *name = resolve_last_component(path, &n);
        bool is_directory = n == 0 || name[n] == '/';
        if (!is_directory) {
                _cleanup_close_ int fd = open_beneath(copy->destination->root_fd, path, O_PATH | O_DIRECTORY,
                                                      0, RESOLVE_IMAGE);
                is_directory = fd >= 0;
        }

        _cleanup_free_ char *parent = is_directory ? strdup(path) : strndup(path, (size_t) (name - path));
        if (!parent)
                return error_oom(error);
        if (!is_directory) {
                if (n > NAME_MAX)
                        return error_set_errno(error, ENAMETOOLONG, "create %s", path);
                memset(entry->name, 0, sizeof(entry->name));
                memcpy(entry->name, name, n);
        }
        if (!parent[0] && free_and_strdup(&parent, "/") < 0)
                return error_oom(error);

        int fd = resolve_mkdir_p(copy->destination->root_fd, parent, &make_parent, RESOLVE_IMAGE, NULL);
        if (fd < 0)
                return error_set_errno(error, fd, "mkdir %s", parent);

        *ret_path = TAKE_PTR(parent);
        return fd;
}

static int copy_single(Copy *copy, CopyEntry *entry, Error *error) {
        _cleanup_free_ char *parent = NULL;

        _cleanup_close_ int fd = place_single(copy, entry, &parent, error);
        if (fd < 0)
                return fd;

        const CopyDirectory directory = { .dest_path = parent, .dest_fd = fd };
        return copy_entry(copy, &directory, entry, error);
}

static int avoid(Copy *copy, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        copy->avoid[copy->n_avoid++] = copy_inode(&st);
        return 0;
}

/* Where the destination is, so that the walk does not come there. */
static int avoid_destination(Copy *copy, int dest_fd, Error *error) {
        const char *upper = copy->destination->upper;

        int r = avoid(copy, dest_fd);
        if (r < 0)
                return error_set_errno(error, r, "stat %s", copy->destination->path);
        if (!upper)
                return 0;
        _cleanup_close_ int fd = open(upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(error, errno, "open %s", upper);
        r = avoid(copy, fd);
        return r < 0 ? error_set_errno(error, r, "stat %s", upper) : 0;
}

static int copy_contents(Copy *copy, Error *error) {
        const CopyDestination *destination = copy->destination;
        bool created;

        _cleanup_close_ int fd = resolve_mkdir_p(destination->root_fd, destination->path, &make_parent,
                                                 RESOLVE_IMAGE, &created);
        if (fd == -ENOTDIR)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "copy %s to %s: a directory cannot replace what is no directory", copy->name,
                                 destination->path);
        if (fd < 0)
                return error_set_errno(error, fd, "mkdir %s", destination->path);

        if (created)
                copy->statistics->entries++;
        int r = avoid_destination(copy, fd, error);
        return r < 0 ? r : copy_walk(copy, created, error);
}

/* SRC is opened in one turn as the client, everything else is ours or has its own turns. */
static int open_as_client(Copy *copy, CopyEntry *single, struct stat *ret, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};

        int r = identity_enter(copy->source->identity, &turn, error);
        if (r >= 0)
                r = open_source(copy, ret, error);
        if (r >= 0 && !S_ISDIR(ret->st_mode))
                r = open_single(copy, ret, single, error);
        return r;
}

int copy_tree(const CopySource *source, const CopyDestination *destination, CopyProgress progress,
              void *userdata, CopyStatistics *statistics, Error *error) {
        CopyStatistics unwanted = {};
        _cleanup_(copy_entry_clear) CopyEntry single = { .fd = -EBADF, .out = -EBADF };
        _cleanup_(copy_done) Copy copy = {
                .source = source,
                .destination = destination,
                .progress = progress,
                .userdata = userdata,
                .statistics = statistics ? statistics : &unwanted,
                .name = source->name ? source->name : source->path,
                .source_fd = -EBADF,
        };
        struct stat st;

        copy.links = copy_links_new();
        if (!copy.links)
                return error_oom(error);
        int r = open_as_client(&copy, &single, &st, error);
        if (r < 0)
                return r;
        return S_ISDIR(st.st_mode) ? copy_contents(&copy, error) : copy_single(&copy, &single, error);
}
