/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/archive-table.h"

#include <string.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

#define READ_CHUNK ((size_t) KIB(256))

/* Takes the last component off a normal name; false when there is none. */
static bool ascend(Buffer *name) {
        if (name->length == 0)
                return false;
        while (name->length > 0 && name->data[name->length - 1] != '/')
                name->length--;
        if (name->length > 0)
                name->length--;
        return true;
}

int archive_name_normalise(const char *directory, const char *name, char **ret) {
        _cleanup_(buffer_clear) Buffer normal = {};

        if (name[0] == '/' || strnlen(name, ARCHIVE_PATH_MAX + 1) > ARCHIVE_PATH_MAX)
                return 0;
        if (directory && buffer_append_string(&normal, directory) < 0)
                return -ENOMEM;
        for (size_t n; *name; name += n + (name[n] == '/')) {
                n = strcspn(name, "/");
                if (n == 0 || (n == 1 && name[0] == '.'))
                        continue;
                if (n == 2 && name[0] == '.' && name[1] == '.') {
                        if (!directory || !ascend(&normal))
                                return 0;
                        continue;
                }
                if ((normal.length > 0 && buffer_append(&normal, "/", 1) < 0) ||
                    buffer_append(&normal, name, n) < 0)
                        return -ENOMEM;
        }
        if (normal.length == 0 || normal.length > ARCHIVE_PATH_MAX)
                return 0;
        if (buffer_append(&normal, "", 1) < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(normal.data);
        return 1;
}

/* The first entry of this name, which is the last in the archive. */
static TableEntry *lookup(const ArchiveTable *table, const char *name) {
        size_t low = 0, high = table->n_entries;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (strcmp(table->entries[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < table->n_entries && streq(table->entries[low].name, name) ? &table->entries[low] : NULL;
}

TableEntry *archive_table_find(const ArchiveTable *table, const char *name) {
        _cleanup_free_ char *normal = NULL;

        if (archive_name_normalise(NULL, name, &normal) <= 0)
                return NULL;
        TableEntry *entry = lookup(table, normal);
        for (unsigned depth = 0; entry && entry->target; depth++) {
                if (depth >= ARCHIVE_LINK_DEPTH_MAX)
                        return NULL;
                entry = lookup(table, entry->target);
        }
        return entry;
}

static ssize_t read_at(const ArchiveTable *table, const TableEntry *entry, void *data, size_t n,
                       uint64_t at) {
        int fd = entry->spooled ? table->spool_fd : table->fd;
        size_t done = 0;

        while (done < n) {
                ssize_t k = pread(fd, (char *) data + done, n - done, (off_t) (entry->offset + at + done));
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                done += (size_t) k;
        }
        return (ssize_t) done;
}

ssize_t archive_table_peek(const ArchiveTable *table, const TableEntry *entry, void *data, size_t n) {
        return read_at(table, entry, data, (size_t) MIN((uint64_t) n, entry->size), 0);
}

int archive_table_read_entry(const ArchiveTable *table, const TableEntry *entry, const Sink *sink,
                             CancelFlag *cancelled, Error *error) {
        _cleanup_free_ char *buffer = malloc(READ_CHUNK);
        if (!buffer)
                return error_oom(error);

        for (uint64_t at = 0; at < entry->size;) {
                int r = cancel_check(cancelled, error);
                if (r < 0)
                        return r;
                size_t wanted = (size_t) MIN(entry->size - at, (uint64_t) READ_CHUNK);
                ssize_t n = read_at(table, entry, buffer, wanted, at);
                if (n < 0)
                        return error_set_errno(error, (int) n, "reading \"%s\" from the archive",
                                               entry->name);
                if ((size_t) n < wanted) {
                        error_set(error, ERROR_INVALID_ARGUMENT, "the archive ends within \"%s\"",
                                  entry->name);
                        return -EBADMSG;
                }
                r = sink->write(sink->userdata, buffer, (size_t) n, error);
                if (r < 0)
                        return r;
                at += (uint64_t) n;
        }
        return 0;
}

void archive_table_clear(ArchiveTable *table) {
        for (size_t i = 0; i < table->n_entries; i++) {
                free(table->entries[i].name);
                free(table->entries[i].target);
        }
        free(table->entries);
        for (size_t i = 0; i < _DOCUMENT_MAX; i++)
                buffer_clear(&table->documents[i]);
        safe_close(table->spool_fd);
        *table = (ArchiveTable) { .fd = -EBADF, .spool_fd = -EBADF };
}
