/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An OCI image layout (OCI image specification, "OCI Image Layout") in a tar, which `docker load` takes as
 * well. Blobs are appended as they come; one whose digest and size are not known yet is written behind a
 * place that is kept for its header. Times and owners are fixed: the same blobs in the same order give the
 * same bytes. */

#include <stdint.h>

#include "archive/sink.h"
#include "oci/image-config.h"
#include "oci/manifest.h"

typedef struct ArchiveWriter ArchiveWriter;

/* Writes from offset 0 of `fd`: a regular file, open for writing, empty, the caller's, to live as long as the
 * writer. */
int archive_writer_new(int fd, ArchiveWriter **ret, Error *error);
ArchiveWriter *archive_writer_free(ArchiveWriter *writer);
DEFINE_CLEANUP(ArchiveWriter *, archive_writer_free);

/* Whether a blob is in the archive already: adding it again does nothing, but fetching it may be spared. */
bool archive_writer_has(const ArchiveWriter *writer, const Digest *digest);

/* A blob in memory; the digest is computed. *ret_digest may be NULL. */
int archive_writer_add(ArchiveWriter *writer, const void *data, size_t n, Digest *ret_digest, Error *error);

/* A blob from a file of exactly descriptor->size bytes, copied in the kernel where it can be
 * (copy_file_range(2)). The file is trusted to hold what the digest says, as those of containerd's content
 * store are: only its size is checked. */
int archive_writer_add_file(ArchiveWriter *writer, const Descriptor *descriptor, int fd,
                            CancelFlag *cancelled, Error *error);

/* A blob that comes in pieces: begin, sink, end; or abort, after which it was never there. One at a time. Its
 * digest and size are said at the end; size is checked against what came, and a blob that was begun with its
 * descriptor is hashed on the way and verified. When end fails, the blob is gone as if aborted. */
int archive_writer_begin(ArchiveWriter *writer, const Descriptor *expected, Error *error);
Sink archive_writer_sink(ArchiveWriter *writer);
int archive_writer_end(ArchiveWriter *writer, const Digest *digest, uint64_t size, Error *error);
int archive_writer_abort(ArchiveWriter *writer, Error *error);

/* Ends the archive: config and manifest are added as blobs, then index.json, oci-layout, docker's
 * manifest.json. The manifest's config descriptor is made here; its layers must have been added. `name`
 * ("acme/hello:1.0.0") may be NULL. *ret (may be NULL; descriptor_clear()) is the descriptor of the manifest.
 * Nothing is synced to disk. */
int archive_writer_finish(ArchiveWriter *writer, const ImageManifest *manifest, const ImageConfig *config,
                          const char *name, Descriptor *ret, Error *error);

/* Bytes written so far. */
uint64_t archive_writer_size(const ArchiveWriter *writer);
