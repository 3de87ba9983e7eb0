/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a tar holds and where: one pass over it, after which its files can be read at will, from the archive
 * itself or, where that is compressed or a pipe, from a spool. Of this layer alone. */

#include <stdint.h>

#include "archive/oci-archive-reader.h"
#include "base/buffer.h"

typedef enum TableDocument {
        DOCUMENT_LAYOUT,   /* oci-layout */
        DOCUMENT_INDEX,    /* index.json */
        DOCUMENT_MANIFEST, /* manifest.json */
        _DOCUMENT_MAX,
} TableDocument;

typedef struct TableEntry {
        char *name;      /* normal form; owned */
        char *target;    /* of a link, in normal form from the root; owned; NULL for a file */
        uint64_t offset; /* of the content in its fd */
        uint64_t size;
        bool spooled;
        size_t number; /* its place in the archive */
        Digest digest; /* of the content, once it was needed */
} TableEntry;

typedef struct ArchiveTable {
        int fd;       /* borrowed; -EBADF where all is spooled */
        int spool_fd; /* owned */
        uint64_t spool_size;
        TableEntry *entries; /* owned; by name, of equal names the later first */
        size_t n_entries, allocated;
        Buffer documents[_DOCUMENT_MAX];
        bool has_document[_DOCUMENT_MAX];
} ArchiveTable;

int archive_table_read(int fd, const ArchiveReaderOptions *options, ArchiveTable *ret, Error *error);
void archive_table_clear(ArchiveTable *table);

/* The file of a name as an archive gives it, links followed; NULL for none. */
TableEntry *archive_table_find(const ArchiveTable *table, const char *name);

/* The whole content in pieces. -EBADMSG (ERROR_INVALID_ARGUMENT) when the archive ends early. */
int archive_table_read_entry(const ArchiveTable *table, const TableEntry *entry, const Sink *sink,
                             CancelFlag *cancelled, Error *error);

/* The first n bytes at most: their number, or a negative errno. */
ssize_t archive_table_peek(const ArchiveTable *table, const TableEntry *entry, void *data, size_t n);

/* A name in normal form, without empty and "." components: 1, or -ENOMEM. 0 for one that is absolute, leads
 * up, is empty or longer than ARCHIVE_PATH_MAX. With a `directory` (a normal name, or "") the name is a
 * link's target relative to it, and may go up within the archive. */
int archive_name_normalise(const char *directory, const char *name, char **ret);
