/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/string-util.h"
#include "runtime/copy-internal.h"
#include "runtime/resolve.h"

static_assert(COPY_PATH_MAX == PATH_MAX, "it is the kernel that refuses a longer path");

/* One directory on the walk. */
typedef struct CopyStep {
        Copy *copy;
        CopyPending pending; /* owned */
        char *source_path, *dest_path;
        DIR *source; /* NULL until the first batch has been filled */
        int dest_fd;
        struct stat st; /* of the source */
        bool vanished, at_end;
} CopyStep;

static void step_done(CopyStep *step) {
        free(step->pending.path);
        free(step->source_path);
        free(step->dest_path);
        closedirp(&step->source);
        safe_close(step->dest_fd);
}

void copy_batch_clear(CopyBatch *batch) {
        for (size_t i = 0; i < batch->n; i++)
                copy_entry_clear(&batch->entries[i]);
        batch->n = 0;
        batch->source_path = mfree(batch->source_path);
        batch->dest_path = mfree(batch->dest_path);
}

/* Adds a directory to go through; takes the path over, also on failure. A NULL path is -ENOMEM. */
static int push(Copy *copy, char *path, bool created, Error *error) {
        _cleanup_free_ char *owned = path;

        if (!path)
                return error_oom(error);
        copy->pending_bytes += strlen(path) + 1;
        if (copy->pending_bytes > COPY_PENDING_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "copy %s: the paths of its directories take more than %llu bytes",
                                 copy->name, (unsigned long long) COPY_PENDING_MAX);
        if (copy->n_pending == copy->n_allocated) {
                size_t n = MAX(2 * copy->n_allocated, (size_t) 64);
                CopyPending *more = reallocarray(copy->pending, n, sizeof(CopyPending));
                if (!more)
                        return error_oom(error);
                copy->pending = more;
                copy->n_allocated = n;
        }
        copy->pending[copy->n_pending++] = (CopyPending) { .path = TAKE_PTR(owned), .created = created };
        return 0;
}

int copy_is_judging(Copy *copy, int fd, const struct stat *st) {
        const char *judging;

        if (st->st_dev == copy->harmless)
                return 0;
        int r = resolve_judging_file_system(fd, FILE_READ, &judging);
        if (r < 0)
                return r;
        if (judging)
                return 1;
        copy->harmless = st->st_dev;
        return 0;
}

int copy_report(Copy *copy, Error *error) {
        if (copy->progress && copy->progress(copy->userdata, copy->statistics) < 0)
                return error_set(error, ERROR_CANCELLED, "copy %s: cancelled", copy->name);
        return 0;
}

/* As the client. */
static int open_source(CopyStep *step) {
        uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                           (step->copy->source->identity ? 0 : RESOLVE_NO_XDEV);
        const char *path = step->pending.path;

        _cleanup_close_ int fd = open_beneath(step->copy->source_fd, path[0] ? path : ".",
                                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, resolve);
        if (fd < 0)
                return fd;
        if (fstat(fd, &step->st) < 0)
                return -errno;
        step->source = fdopendir(fd);
        if (!step->source)
                return -errno;
        TAKE_FD(fd);
        return 0;
}

/* As the client: the next entries, opened. */
static int list_batch(CopyStep *step) {
        Copy *copy = step->copy;
        CopyBatch *batch = &copy->batches[copy->batch];

        while (batch->n < COPY_BATCH) {
                errno = 0;
                const struct dirent *de = readdir(step->source);
                if (!de) {
                        step->at_end = true;
                        return -errno;
                }
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                if (++copy->n_seen > COPY_ENTRIES_MAX)
                        return -E2BIG;

                CopyEntry *entry = &batch->entries[batch->n++];
                *entry = (CopyEntry) { .type = de->d_type, .fd = -EBADF, .out = -EBADF };
                strcpy(entry->name, de->d_name);
                if (entry->type != DT_DIR)
                        copy_entry_open(dirfd(step->source), entry);
        }
        return 0;
}

static int take_turn(CopyStep *step, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};

        int r = identity_enter(step->copy->source->identity, &turn, error);
        if (r < 0)
                return r;
        if (!step->source) {
                r = open_source(step);
                if (r == -ENOENT && step->pending.path[0]) {
                        step->vanished = true;
                        return 0;
                }
                if (r == -ELOOP || r == -ENOTDIR)
                        return error_set(error, ERROR_BUSY, "open %s: it was replaced while it was copied",
                                         step->source_path);
                if (r < 0)
                        return error_set_errno(error, r, "open %s", step->source_path);
        }
        r = list_batch(step);
        if (r == -E2BIG)
                return error_set(error, ERROR_INVALID_ARGUMENT, "copy %s: more than %" PRIu64 " entries",
                                 step->copy->name, COPY_ENTRIES_MAX);
        return r < 0 ? error_set_errno(error, r, "read %s", step->source_path) : 0;
}

static int check_source(CopyStep *step, Error *error) {
        Copy *copy = step->copy;

        for (unsigned i = 0; i < copy->n_avoid; i++)
                if (copy_inode_equal(copy_inode(&step->st), copy->avoid[i]))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "copy %s to %s: %s is in what it would be copied to", copy->name,
                                         copy->destination->path, step->source_path);

        int r = copy_is_judging(copy, dirfd(step->source), &step->st);
        if (r > 0)
                r = -EACCES;
        return r < 0 ? error_set_errno(error, r, "open %s", step->source_path) : 0;
}

/* Makes the counterpart of a directory, or finds it there, to be filled later. */
static int descend(const CopyStep *step, const CopyEntry *entry, Error *error) {
        Copy *copy = step->copy;
        int r;

        bool created = mkdirat(step->dest_fd, entry->name, 0700) >= 0;
        if (!created) {
                int errnum = errno;
                _cleanup_free_ char *dest = copy_join(step->dest_path, entry->name);
                if (!dest)
                        return error_oom(error);
                if (errnum != EEXIST)
                        return error_set_errno(error, errnum, "mkdir %s", dest);
                _cleanup_close_ int fd = open_beneath(copy->destination->root_fd, dest, O_PATH | O_DIRECTORY,
                                                      0, RESOLVE_IMAGE);
                if (fd < 0)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "copy %s/%s to %s: a directory cannot replace what is no directory",
                                         step->source_path, entry->name, dest);
        } else
                copy->statistics->entries++;

        const char *above = step->pending.path;
        r = push(copy, above[0] ? copy_join(above, entry->name) : strdup(entry->name), created, error);
        return r < 0 ? r : copy_report(copy, error);
}

/* Whether there are files enough in the batch to leave them to the other thread. */
static bool worth_leaving(const CopyBatch *batch) {
        unsigned n = 0;

        for (size_t i = 0; i < batch->n; i++)
                if (batch->entries[i].r >= 0 && batch->entries[i].fd >= 0 &&
                    batch->entries[i].st.st_size <= COPY_LEAVE_MAX)
                        n++;
        return n >= COPY_LEAVE_MIN;
}

/* The entries that are left to be filled go on with their batch, whose memory is needed anew. */
static int leave_batch(const CopyStep *step, CopyBatch *batch, Error *error) {
        batch->source_path = strdup(step->source_path);
        batch->dest_path = strdup(step->dest_path);
        if (!batch->source_path || !batch->dest_path)
                return error_oom(error);
        return copy_filler_submit(step->copy, error);
}

static int copy_batch(CopyStep *step, Error *error) {
        CopyBatch *batch = &step->copy->batches[step->copy->batch];
        const CopyDirectory directory = {
                .source_path = step->source_path,
                .dest_path = step->dest_path,
                .dest_fd = step->dest_fd,
                .leave = worth_leaving(batch),
        };

        for (size_t i = 0; i < batch->n; i++) {
                CopyEntry *entry = &batch->entries[i];
                int r;

                if (entry->r == -ENOENT) /* gone since it was listed */
                        continue;
                r = entry->type == DT_DIR ? descend(step, entry, error)
                                          : copy_entry(step->copy, &directory, entry, error);
                if (r < 0)
                        return r;
                if (entry->out < 0)
                        copy_entry_clear(entry);
        }
        if (directory.leave)
                return leave_batch(step, batch, error);
        copy_batch_clear(batch);
        return 0;
}

/* A directory's own times come last: making what is in it changes them. */
static int finish_directory(const CopyStep *step, Error *error) {
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, step->st.st_mtim };

        if (!step->pending.created || step->vanished)
                return 0;
        int r = copy_attributes(step->copy, dirfd(step->source), &step->st, step->dest_fd, NULL);
        if (r >= 0 && futimens(step->dest_fd, times) < 0)
                r = -errno;
        return r < 0 ? error_set_errno(error, r, "set the attributes of %s", step->dest_path) : 0;
}

/* Takes the pending directory over. */
static int walk_directory(Copy *copy, CopyPending *pending, Error *error) {
        _cleanup_(step_done) CopyStep step = { .copy = copy, .pending = *pending, .dest_fd = -EBADF };
        int r;

        *pending = (CopyPending) {};
        copy->pending_bytes -= strlen(step.pending.path) + 1;
        step.source_path = copy_join(copy->name, step.pending.path);
        step.dest_path = copy_join(copy->destination->path, step.pending.path);
        if (!step.source_path || !step.dest_path)
                return error_oom(error);

        step.dest_fd = open_beneath(copy->destination->root_fd, step.dest_path, O_RDONLY | O_DIRECTORY, 0,
                                    RESOLVE_IMAGE);
        if (step.dest_fd < 0)
                return error_set_errno(error, step.dest_fd, "open %s", step.dest_path);

        r = take_turn(&step, error);
        if (r >= 0 && !step.vanished)
                r = check_source(&step, error);
        while (r >= 0 && !step.vanished) {
                r = copy_batch(&step, error);
                if (r < 0 || step.at_end)
                        break;
                r = take_turn(&step, error);
        }
        return r < 0 ? r : finish_directory(&step, error);
}

int copy_walk(Copy *copy, bool created, Error *error) {
        copy->batches = new0(CopyBatch, COPY_BATCHES);
        if (!copy->batches)
                return error_oom(error);
        int r = push(copy, strdup(""), created, error);
        if (r < 0)
                return r;

        while (copy->n_pending > 0) {
                r = walk_directory(copy, &copy->pending[--copy->n_pending], error);
                if (r < 0)
                        return r;
        }
        return copy_filler_finish(copy, error);
}
