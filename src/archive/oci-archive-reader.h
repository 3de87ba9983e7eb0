/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image in a tar: an OCI image layout or what `docker save` writes, plain, gzip- or zstd-compressed. It is
 * read through once; what was found is a table from digest to place, and blobs are read from there at will. A
 * compressed archive, or one that comes through a pipe, is unpacked into an unnamed file first.
 *
 * Nothing of an archive is unpacked by its names. Entries that are neither files nor links to files of the
 * archive are passed over. Of two files of one name the later counts, as when unpacking; two index.json,
 * oci-layout or manifest.json are refused. */

#include <stdint.h>

#include "archive/sink.h"
#include "oci/image.h"

#define ARCHIVE_ENTRIES_MAX 65536 /* of all kinds */
#define ARCHIVE_PATH_MAX 1024     /* bytes of a name that is looked at; longer ones are passed over */
#define ARCHIVE_SPOOL_MAX GIB(64) /* default bound of what a compressed archive, or a pipe, unpacks to */
#define ARCHIVE_IMAGES_MAX 256    /* images of one archive */
#define ARCHIVE_LINK_DEPTH_MAX 8  /* links to links */

typedef struct ArchiveReader ArchiveReader;

typedef struct ArchiveReaderOptions {
        int spool_dir_fd;   /* directory to unpack in, without a name; negative (0 is none!): /var/tmp */
        uint64_t spool_max; /* bytes, those of what is passed over too; 0: ARCHIVE_SPOOL_MAX */
        CancelFlag *cancelled;
        int cancel_fd; /* polls readable once that is set, to end the wait for a pipe; negative: none */
} ArchiveReaderOptions;

#define ARCHIVE_READER_OPTIONS_DEFAULT { .spool_dir_fd = -EBADF, .cancel_fd = -EBADF }

typedef struct ArchiveImage {
        char *name; /* as the archive says ("docker.io/library/alpine:3.20", "latest"), or NULL; owned */
        Descriptor descriptor; /* of an index or a manifest */
} ArchiveImage;

/* Reads the archive's table. `options` may be NULL. `fd` is read from offset 0 where it can seek, else from
 * where it stands, be it one that does not block; it stays the caller's and must live as long as the reader.
 * ERROR_UNSUPPORTED for what is no archive of an image, ERROR_INVALID_ARGUMENT for a damaged one. */
int archive_reader_new(int fd, const ArchiveReaderOptions *options, ArchiveReader **ret, Error *error);
ArchiveReader *archive_reader_free(ArchiveReader *reader);
DEFINE_CLEANUP(ArchiveReader *, archive_reader_free);

/* All images of the archive. They belong to the reader. Manifests of one name for different platforms are one
 * image, with an index made for them. */
const ArchiveImage *archive_reader_images(const ArchiveReader *reader, size_t *ret_n);

/* The one image: that of this name (compared in normal form), or with NULL the only one. ERROR_NOT_FOUND, or
 * ERROR_INVALID_ARGUMENT where there are several to choose from. *ret is borrowed. */
int archive_reader_image(const ArchiveReader *reader, const char *name, const Descriptor **ret, Error *error);

/* Whether a blob is in the archive, and its size. */
bool archive_reader_has(const ArchiveReader *reader, const Digest *digest, uint64_t *ret_size);

/* Streams a blob into the sink. Size and digest are verified: at a mismatch the sink has got bytes, and the
 * call fails with ERROR_INVALID_ARGUMENT. -ENOENT (ERROR_NOT_FOUND) for a blob that is not there. */
int archive_reader_read(ArchiveReader *reader, const Descriptor *descriptor, const Sink *sink, Error *error);

/* The same into memory, for documents; an ImageFetch, with the reader as userdata. */
int archive_reader_fetch(void *userdata, const Descriptor *descriptor, Buffer *ret, Error *error);
