/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an archive holds beside blobs. Of this layer alone. */

#include "archive/oci-archive-writer.h"

#define BLOBS_PREFIX "blobs/sha256/"

/* A whole file under its name; a directory when the name ends in '/'. */
int archive_writer_append_entry(ArchiveWriter *writer, const char *name, const void *data, size_t n,
                                Error *error);

/* The end of the archive. No blob may be open. */
int archive_writer_append_end(ArchiveWriter *writer, Error *error);
