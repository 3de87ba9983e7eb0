/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images of an archive as `docker save` writes it without an OCI layout: manifest.json names config and
 * layers by their files; OCI's manifests are made from it. Of this layer alone. */

#include "archive/archive-table.h"

typedef struct ArchiveBlob {
        Digest digest;
        uint64_t size;
        TableEntry *entry; /* borrowed from the table; NULL: in memory */
        Buffer text;
} ArchiveBlob;

/* A tree of tsearch(3): an archive may name many blobs, and ask for each many times. */
typedef struct ArchiveBlobs {
        void *tree; /* of ArchiveBlob, owned */
} ArchiveBlobs;

/* -ENOMEM. A digest that is there already is left as it is. `text` is taken over. */
int archive_blobs_add_text(ArchiveBlobs *blobs, Buffer *text, Digest *ret_digest);
int archive_blobs_add_entry(ArchiveBlobs *blobs, const Digest *digest, TableEntry *entry);
const ArchiveBlob *archive_blobs_find(const ArchiveBlobs *blobs, const Digest *digest);
void archive_blobs_clear(ArchiveBlobs *blobs);

typedef struct ArchiveImages {
        ArchiveImage *entries; /* owned */
        size_t n;
} ArchiveImages;

/* Appends an image; `name` (NULL for none) and descriptor are copied. */
int archive_images_add(ArchiveImages *images, const char *name, const Descriptor *descriptor, Error *error);
void archive_images_clear(ArchiveImages *images);

/* Reads manifest.json and hashes the layers. */
int docker_archive_read(ArchiveTable *table, CancelFlag *cancelled, ArchiveBlobs *blobs,
                        ArchiveImages *images, Error *error);
