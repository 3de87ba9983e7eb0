/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "runtime/copy-internal.h"

/* Fits the caches of the processor, so that a byte is read from memory once. */
#define COPY_BUFFER ((size_t) KIB(256))

/* At a time, between two looks at whether the copy is still wanted. */
#define COPY_CHUNK ((size_t) MIB(4))

/* Below this copy_file_range(2) gains nothing. */
#define OFFLOAD_MIN KIB(64)

typedef struct CopyFile {
        Copy *copy;
        const CopyDirectory *directory;
        const CopyEntry *entry;
        int out;
} CopyFile;

static int read_error(const CopyFile *file, int r, Error *error) {
        _cleanup_free_ char *words = copy_source_words(file->directory, file->entry);
        return error_set_errno(error, r, "read %s", strempty(words));
}

static int write_error(const CopyFile *file, int r, Error *error) {
        _cleanup_free_ char *words = copy_dest_words(file->directory, file->entry);
        return error_set_errno(error, r, "write %s", strempty(words));
}

static int account(const CopyFile *file, size_t n, Error *error) {
        file->copy->statistics->bytes += n;
        return n > 0 ? copy_report(file->copy, error) : 0;
}

/* Whether an error of copy_file_range(2) is about the pair of files, not about this copy. */
static bool cannot_offload(int errnum) {
        return errnum == EXDEV || errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == EINVAL ||
               errnum == EBADF || errnum == ETXTBSY || errnum == EPERM;
}

/* By the kernel alone, sharing the blocks where the file system can: as far as that goes, *offset being where
 * it stands. */
static int copy_offloaded(const CopyFile *file, off_t *offset, off_t end, Error *error) {
        while (*offset < end && !file->copy->no_offload) {
                off_t in_offset = *offset, out_offset = *offset;
                size_t n = MIN((size_t) (end - *offset), COPY_CHUNK);

                ssize_t k = copy_file_range(file->entry->fd, &in_offset, file->out, &out_offset, n, 0);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        if (!cannot_offload(errno))
                                return write_error(file, errno, error);
                        file->copy->no_offload = true;
                        break;
                }
                if (k == 0)
                        break;
                *offset += k;
                int r = account(file, (size_t) k, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int write_at(int fd, const char *data, size_t n, off_t offset) {
        while (n > 0) {
                ssize_t k = pwrite(fd, data, n, offset);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                data += k;
                offset += k;
                n -= (size_t) k;
        }
        return 0;
}

/* One run of bytes at the same place in both. A file that has become shorter ends it. */
static int copy_run(const CopyFile *file, off_t offset, off_t end, Error *error) {
        int r;

        if ((uint64_t) (end - offset) >= OFFLOAD_MIN) {
                r = copy_offloaded(file, &offset, end, error);
                if (r < 0)
                        return r;
        }

        for (size_t unreported = 0; offset < end;) {
                size_t n = MIN((size_t) (end - offset), COPY_BUFFER);
                ssize_t k = pread(file->entry->fd, file->copy->buffer, n, offset);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return read_error(file, errno, error);
                }
                if (k == 0)
                        return account(file, unreported, error);
                r = write_at(file->out, file->copy->buffer, (size_t) k, offset);
                if (r < 0)
                        return write_error(file, r, error);
                offset += k;
                unreported += (size_t) k;
                if (unreported < COPY_CHUNK && offset < end)
                        continue;
                r = account(file, unreported, error);
                if (r < 0)
                        return r;
                unreported = 0;
        }
        return 0;
}

/* Data where there is data, holes where there are holes. */
static int copy_sparse(const CopyFile *file, off_t size, Error *error) {
        int in = file->entry->fd;

        if (ftruncate(file->out, size) < 0)
                return write_error(file, errno, error);

        for (off_t offset = 0; offset < size;) {
                off_t data = lseek(in, offset, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        return 0; /* nothing but a hole from here on */
                if (data < 0)
                        return copy_run(file, offset, size, error); /* it knows no holes */
                if (data >= size)
                        return 0;
                off_t hole = lseek(in, data, SEEK_HOLE);
                if (hole < 0 || hole > size)
                        hole = size;
                if (hole <= data)
                        return 0; /* it was cut off at the same time */
                int r = copy_run(file, data, hole, error);
                if (r < 0)
                        return r;
                offset = hole;
        }
        return 0;
}

int copy_data(Copy *copy, const CopyDirectory *directory, const CopyEntry *entry, int out, Error *error) {
        const CopyFile file = { .copy = copy, .directory = directory, .entry = entry, .out = out };
        off_t size = entry->st.st_size;

        if (size == 0)
                return 0;
        if (!copy->buffer) {
                copy->buffer = malloc(COPY_BUFFER);
                if (!copy->buffer)
                        return error_oom(error);
        }
        if (entry->st.st_blocks * 512 < size)
                return copy_sparse(&file, size, error);
        return copy_run(&file, 0, size, error);
}
