/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/oci-archive-writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/oci-archive-append.h"
#include "archive/ustar.h"
#include "base/fd-util.h"

#define COPY_CHUNK ((size_t) MIB(16))
#define READ_CHUNK ((size_t) KIB(256))

struct ArchiveWriter {
        int fd;          /* borrowed */
        uint64_t offset; /* end of what is written */
        Digest *blobs;   /* owned */
        size_t n_blobs;

        bool open; /* a blob is being written */
        bool verified;
        uint64_t start; /* of its header */
        Digest expected;
        uint64_t expected_size;
        DigestHasher hasher; /* of a verified blob */
};

static int write_at(ArchiveWriter *writer, const void *data, size_t n, uint64_t at, Error *error) {
        for (const char *p = data; n > 0;) {
                ssize_t k = pwrite(writer->fd, p, n, (off_t) at);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return error_set_errno(error, errno, "writing the archive");
                p += k;
                n -= (size_t) k;
                at += (uint64_t) k;
        }
        return 0;
}

static int append(ArchiveWriter *writer, const void *data, size_t n, Error *error) {
        int r = write_at(writer, data, n, writer->offset, error);

        if (r >= 0)
                writer->offset += n;
        return r;
}

/* Zeros up to the next whole block. */
static int append_padding(ArchiveWriter *writer, Error *error) {
        static const char zeros[USTAR_BLOCK];
        size_t over = (size_t) (writer->offset % USTAR_BLOCK);

        return over == 0 ? 0 : append(writer, zeros, USTAR_BLOCK - over, error);
}

int archive_writer_append_entry(ArchiveWriter *writer, const char *name, const void *data, size_t n,
                                Error *error) {
        char header[USTAR_BLOCK];

        ustar_header(header, name, n);
        int r = append(writer, header, sizeof(header), error);
        if (r >= 0)
                r = append(writer, data, n, error);
        return r < 0 ? r : append_padding(writer, error);
}

int archive_writer_append_end(ArchiveWriter *writer, Error *error) {
        static const char end[2 * USTAR_BLOCK];

        if (writer->open)
                return error_set(error, ERROR_INTERNAL, "a blob of the archive is not ended");
        return append(writer, end, sizeof(end), error);
}

int archive_writer_new(int fd, ArchiveWriter **ret, Error *error) {
        struct stat st;
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || fstat(fd, &st) < 0)
                return error_set_errno(error, errno, "the archive's file");
        if (!S_ISREG(st.st_mode) || flags & O_APPEND || (flags & O_ACCMODE) == O_RDONLY)
                return error_set(error, ERROR_INTERNAL,
                                 "the archive needs a regular file, writable anywhere");

        _cleanup_(archive_writer_freep) ArchiveWriter *writer = new0(ArchiveWriter, 1);
        if (!writer)
                return error_oom(error);
        writer->fd = fd;
        int r = archive_writer_append_entry(writer, "blobs/", NULL, 0, error);
        if (r >= 0)
                r = archive_writer_append_entry(writer, BLOBS_PREFIX, NULL, 0, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(writer);
        return 0;
}

ArchiveWriter *archive_writer_free(ArchiveWriter *writer) {
        if (writer)
                free(writer->blobs);
        return mfree(writer);
}

uint64_t archive_writer_size(const ArchiveWriter *writer) {
        return writer->offset;
}

bool archive_writer_has(const ArchiveWriter *writer, const Digest *digest) {
        for (size_t i = 0; i < writer->n_blobs; i++)
                if (digest_equal(&writer->blobs[i], digest))
                        return true;
        return false;
}

static int remember(ArchiveWriter *writer, const Digest *digest) {
        Digest *grown = reallocarray(writer->blobs, writer->n_blobs + 1, sizeof(Digest));

        if (!grown)
                return -ENOMEM;
        writer->blobs = grown;
        grown[writer->n_blobs++] = *digest;
        return 0;
}

int archive_writer_begin(ArchiveWriter *writer, const Descriptor *expected, Error *error) {
        if (writer->open)
                return error_set(error, ERROR_INTERNAL, "a blob of the archive is open already");
        writer->open = true;
        writer->start = writer->offset;
        writer->offset += USTAR_BLOCK;
        writer->verified = expected;
        if (expected) {
                writer->expected = expected->digest;
                writer->expected_size = expected->size;
                digest_hasher_init(&writer->hasher);
        }
        return 0;
}

static uint64_t open_size(const ArchiveWriter *writer) {
        return writer->offset - writer->start - USTAR_BLOCK;
}

static int sink_write(void *userdata, const void *data, size_t n, Error *error) {
        ArchiveWriter *writer = userdata;

        if (!writer->open)
                return error_set(error, ERROR_INTERNAL, "no blob of the archive is open");
        if (writer->verified) {
                if (n > writer->expected_size - open_size(writer))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "blob %s is longer than its %llu bytes", writer->expected.string,
                                         (unsigned long long) writer->expected_size);
                digest_hasher_update(&writer->hasher, data, n);
        }
        return append(writer, data, n, error);
}

Sink archive_writer_sink(ArchiveWriter *writer) {
        return (Sink) { .write = sink_write, .userdata = writer };
}

int archive_writer_abort(ArchiveWriter *writer, Error *error) {
        if (!writer->open)
                return 0;
        writer->open = false;
        writer->offset = writer->start;
        if (ftruncate(writer->fd, (off_t) writer->start) < 0)
                return error_set_errno(error, errno, "taking a blob back out of the archive");
        return 0;
}

static int verify(ArchiveWriter *writer, const Digest *digest, uint64_t size, Error *error) {
        Digest actual = *digest;

        if (writer->verified)
                digest_hasher_finish(&writer->hasher, &actual);
        if (open_size(writer) != size || !digest_equal(&actual, digest) ||
            (writer->verified && (size != writer->expected_size || !digest_equal(digest, &writer->expected))))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "blob %s of %llu bytes is in truth %s of %llu bytes", digest->string,
                                 (unsigned long long) size, actual.string,
                                 (unsigned long long) open_size(writer));
        return 0;
}

/* Writes the header into its place, which makes what follows it an entry. */
static int seal(ArchiveWriter *writer, const Digest *digest, Error *error) {
        char header[USTAR_BLOCK], name[sizeof(BLOBS_PREFIX) + DIGEST_HEX_LENGTH];

        snprintf(name, sizeof(name), BLOBS_PREFIX "%s", digest_hex(digest));
        ustar_header(header, name, open_size(writer));
        int r = append_padding(writer, error);
        if (r >= 0)
                r = write_at(writer, header, sizeof(header), writer->start, error);
        if (r < 0)
                return r;
        return remember(writer, digest) < 0 ? error_oom(error) : 0;
}

int archive_writer_end(ArchiveWriter *writer, const Digest *digest, uint64_t size, Error *error) {
        if (!writer->open)
                return error_set(error, ERROR_INTERNAL, "no blob of the archive is open");

        int r = verify(writer, digest, size, error);
        if (r >= 0 && archive_writer_has(writer, digest))
                return archive_writer_abort(writer, error);
        if (r >= 0)
                r = seal(writer, digest, error);
        if (r < 0) {
                (void) archive_writer_abort(writer, NULL);
                return r;
        }
        writer->open = false;
        return 0;
}

int archive_writer_add(ArchiveWriter *writer, const void *data, size_t n, Digest *ret_digest, Error *error) {
        Digest digest;

        digest_of(data, n, &digest);
        if (!archive_writer_has(writer, &digest)) {
                int r = archive_writer_begin(writer, NULL, error);
                if (r < 0)
                        return r;
                r = append(writer, data, n, error);
                if (r < 0) {
                        (void) archive_writer_abort(writer, NULL);
                        return r;
                }
                r = archive_writer_end(writer, &digest, n, error);
                if (r < 0)
                        return r;
        }
        if (ret_digest)
                *ret_digest = digest;
        return 0;
}

/* Where the kernel cannot copy between these two files: 0 at the end of the source. */
static ssize_t copy_by_reading(ArchiveWriter *writer, int fd, off_t *at, size_t n) {
        _cleanup_free_ char *buffer = malloc(READ_CHUNK);
        if (!buffer)
                return -ENOMEM;

        ssize_t k;
        do
                k = pread(fd, buffer, MIN(n, READ_CHUNK), *at);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return -errno;
        int r = append(writer, buffer, (size_t) k, NULL);
        *at += k;
        return r < 0 ? r : k;
}

static ssize_t copy_piece(ArchiveWriter *writer, int fd, off_t *at, size_t n) {
        off_t to = (off_t) writer->offset;
        ssize_t k = copy_file_range(fd, at, writer->fd, &to, n, 0);

        if (k >= 0) {
                writer->offset = (uint64_t) to;
                return k;
        }
        switch (errno) {
        case EINTR:
        case EXDEV:
        case EINVAL:
        case ENOSYS:
        case EOPNOTSUPP:
        case EPERM:
                return copy_by_reading(writer, fd, at, n);
        default:
                return -errno;
        }
}

static int copy_all(ArchiveWriter *writer, int fd, uint64_t size, CancelFlag *cancelled, Error *error) {
        for (off_t at = 0; (uint64_t) at < size;) {
                int r = cancel_check(cancelled, error);
                if (r < 0)
                        return r;
                ssize_t k = copy_piece(writer, fd, &at,
                                       (size_t) MIN(size - (uint64_t) at, (uint64_t) COPY_CHUNK));
                if (k < 0)
                        return error_set_errno(error, (int) k, "copying a blob into the archive");
                if (k == 0)
                        return error_set(error, ERROR_INTERNAL, "a blob became shorter while it was copied");
        }
        return 0;
}

int archive_writer_add_file(ArchiveWriter *writer, const Descriptor *descriptor, int fd,
                            CancelFlag *cancelled, Error *error) {
        struct stat st;

        if (archive_writer_has(writer, &descriptor->digest))
                return 0;
        if (fstat(fd, &st) < 0)
                return error_set_errno(error, errno, "blob %s", descriptor->digest.string);
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size != descriptor->size)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "blob %s of %llu bytes has a file of %llu bytes", descriptor->digest.string,
                                 (unsigned long long) descriptor->size, (unsigned long long) st.st_size);
        int r = archive_writer_begin(writer, NULL, error);
        if (r < 0)
                return r;
        r = copy_all(writer, fd, descriptor->size, cancelled, error);
        if (r < 0) {
                (void) archive_writer_abort(writer, NULL);
                return r;
        }
        return archive_writer_end(writer, &descriptor->digest, descriptor->size, error);
}
