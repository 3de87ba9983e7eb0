/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive-table.h"
#include "archive/spool.h"
#include "base/fd-util.h"
#include "base/string-util.h"

#define READ_CHUNK ((size_t) KIB(256))

typedef struct Scan {
        ArchiveTable *table;
        const ArchiveReaderOptions *options;
        uint64_t spool_max;
        struct archive *archive; /* owned */
        int fd;                  /* borrowed */
        bool seekable;
        bool direct;   /* contents can be read from the archive itself */
        uint64_t at;   /* of fd, where it is seekable */
        uint64_t size; /* of a regular file */
        unsigned n_entries;
        int read_errno;
        bool cancelled;
        bool too_large;
        char *buffer; /* owned */
} Scan;

static const char *const document_names[_DOCUMENT_MAX] = {
        [DOCUMENT_LAYOUT] = "oci-layout",
        [DOCUMENT_INDEX] = "index.json",
        [DOCUMENT_MANIFEST] = "manifest.json",
};

static void scan_clear(Scan *scan) {
        archive_read_free(scan->archive);
        free(scan->buffer);
}

/* What nobody asked for is unpacked as well, to get past it. */
static bool is_too_large(const Scan *scan) {
        la_int64_t unpacked = scan->direct ? 0 : archive_filter_bytes(scan->archive, 0);

        return unpacked > 0 && (uint64_t) unpacked > scan->spool_max;
}

/* Somebody else writes it, or does not. */
static ssize_t read_stream(const Scan *scan) {
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = scan->fd, .events = POLLIN },
                        { .fd = scan->options->cancel_fd, .events = POLLIN },
                };

                if (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno != EINTR)
                        return -1;
                if (fds[1].revents) {
                        errno = ECANCELED;
                        return -1;
                }
                if (!fds[0].revents)
                        continue;
                ssize_t n = read(scan->fd, scan->buffer, READ_CHUNK);
                if (n >= 0 || (errno != EINTR && errno != EAGAIN))
                        return n;
        }
}

static la_ssize_t read_piece(struct archive *archive, void *userdata, const void **ret) {
        Scan *scan = userdata;
        ssize_t n;

        if (scan->options->cancelled && *scan->options->cancelled) {
                scan->cancelled = true;
                archive_set_error(archive, ECANCELED, "cancelled");
                return -1;
        }
        if (is_too_large(scan)) {
                scan->too_large = true;
                archive_set_error(archive, EFBIG, "too large");
                return -1;
        }
        do
                n = scan->seekable ? pread(scan->fd, scan->buffer, READ_CHUNK, (off_t) scan->at)
                                   : read_stream(scan);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
                scan->cancelled = errno == ECANCELED;
                scan->read_errno = errno;
                archive_set_error(archive, errno, "reading failed");
                return -1;
        }
        scan->at += (uint64_t) n;
        *ret = scan->buffer;
        return n;
}

static la_int64_t skip_piece(struct archive *archive, void *userdata, la_int64_t n) {
        Scan *scan = userdata;

        if (!scan->seekable || n <= 0)
                return 0;
        /* Never beyond the end, where a truncated archive must be noticed. */
        uint64_t left = scan->size > scan->at ? scan->size - scan->at : 0;
        uint64_t k = MIN((uint64_t) n, left);
        scan->at += k;
        return (la_int64_t) k;
}

static int set_too_large(const Scan *scan, Error *error) {
        return error_set(error, ERROR_INVALID_ARGUMENT, "the archive unpacks to more than %llu bytes",
                         (unsigned long long) scan->spool_max);
}

static int scan_failure(Scan *scan, Error *error) {
        if (scan->cancelled)
                return error_set(error, ERROR_CANCELLED, "cancelled");
        if (scan->too_large)
                return set_too_large(scan, error);
        if (scan->read_errno != 0)
                return error_set_errno(error, scan->read_errno, "reading the archive");
        /* What fails at the first header is of another kind, or empty. */
        if (scan->n_entries == 0)
                return error_set(error, ERROR_UNSUPPORTED, "it is no tar archive: %s",
                                 strempty(archive_error_string(scan->archive)));
        return error_set(error, ERROR_INVALID_ARGUMENT, "the archive is damaged: %s",
                         strempty(archive_error_string(scan->archive)));
}

static int open_archive(Scan *scan, Error *error) {
        scan->buffer = malloc(READ_CHUNK);
        scan->archive = archive_read_new();
        if (!scan->buffer || !scan->archive)
                return error_oom(error);
        /* Only what libarchive does itself: ARCHIVE_WARN would mean a program of the host's. */
        if (archive_read_support_filter_gzip(scan->archive) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(scan->archive) != ARCHIVE_OK ||
            archive_read_support_format_tar(scan->archive) != ARCHIVE_OK)
                return error_set(error, ERROR_INTERNAL, "libarchive lacks gzip, zstd or tar");
        archive_read_set_read_callback(scan->archive, read_piece);
        archive_read_set_skip_callback(scan->archive, skip_piece);
        archive_read_set_callback_data(scan->archive, scan);
        return archive_read_open1(scan->archive) != ARCHIVE_OK ? scan_failure(scan, error) : 0;
}

static TableEntry *add_entry(ArchiveTable *table) {
        if (table->n_entries == table->allocated) {
                size_t n = MAX(2 * table->allocated, (size_t) 64);
                TableEntry *grown = reallocarray(table->entries, n, sizeof(TableEntry));
                if (!grown)
                        return NULL;
                table->entries = grown;
                table->allocated = n;
        }
        TableEntry *entry = &table->entries[table->n_entries];
        *entry = (TableEntry) { .number = table->n_entries };
        table->n_entries++;
        return entry;
}

/* Documents are read at once: their digest vouches for none of them, so that only one reading may count. */
static int read_document(Scan *scan, TableDocument which, uint64_t size, Error *error) {
        Buffer *document = &scan->table->documents[which];
        const char *name = document_names[which];

        if (scan->table->has_document[which])
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive has two files %s", name);
        if (size > DOCUMENT_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s is larger than %llu bytes", name,
                                 (unsigned long long) DOCUMENT_SIZE_MAX);
        if (buffer_reserve(document, (size_t) size + 1) < 0)
                return error_oom(error);
        la_ssize_t n = archive_read_data(scan->archive, document->data, (size_t) size);
        if (n < 0)
                return scan_failure(scan, error);
        if ((uint64_t) n != size)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive ends within %s", name);
        document->length = (size_t) n;
        scan->table->has_document[which] = true;
        return 0;
}

static int spool_write(const Scan *scan, const void *data, size_t n, uint64_t at, Error *error) {
        for (const char *p = data; n > 0;) {
                ssize_t k = pwrite(scan->table->spool_fd, p, n, (off_t) at);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return error_set_errno(error, errno, "unpacking the archive");
                p += k;
                n -= (size_t) k;
                at += (uint64_t) k;
        }
        return 0;
}

static int spool_content(Scan *scan, uint64_t start, uint64_t size, Error *error) {
        for (;;) {
                const void *data;
                size_t n;
                la_int64_t offset;

                int r = archive_read_data_block(scan->archive, &data, &n, &offset);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return scan_failure(scan, error);
                if (offset < 0 || (uint64_t) offset > size || n > size - (uint64_t) offset)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "the archive is damaged: a file is longer than it says");
                r = spool_write(scan, data, n, start + (uint64_t) offset, error);
                if (r < 0)
                        return r;
        }
}

/* Unpacks a file to the end of the spool, holes as holes. */
static int spool_entry(Scan *scan, TableEntry *entry, Error *error) {
        ArchiveTable *table = scan->table;

        if (entry->size > scan->spool_max - table->spool_size)
                return set_too_large(scan, error);
        if (table->spool_fd < 0) {
                table->spool_fd = spool_open(scan->options->spool_dir_fd, error);
                if (table->spool_fd < 0)
                        return table->spool_fd;
        }
        entry->spooled = true;
        entry->offset = table->spool_size;
        int r = spool_content(scan, entry->offset, entry->size, error);
        if (r < 0)
                return r;
        table->spool_size += entry->size;
        if (ftruncate(table->spool_fd, (off_t) table->spool_size) < 0)
                return error_set_errno(error, errno, "unpacking the archive");
        return 0;
}

static int locate_entry(Scan *scan, TableEntry *entry, Error *error) {
        /* libarchive has consumed the headers and nothing behind them. */
        la_int64_t at = archive_filter_bytes(scan->archive, 0);

        if (at < 0 || (uint64_t) at > scan->size || entry->size > scan->size - (uint64_t) at)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive ends within \"%s\"",
                                 entry->name);
        entry->offset = (uint64_t) at;
        return 0;
}

static int scan_file(Scan *scan, struct archive_entry *e, const char *name, Error *error) {
        la_int64_t size = archive_entry_size(e);

        if (size < 0 || !archive_entry_size_is_set(e))
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive is damaged: \"%s\" has no size",
                                 name);
        for (TableDocument d = 0; d < _DOCUMENT_MAX; d++)
                if (streq(name, document_names[d]))
                        return read_document(scan, d, (uint64_t) size, error);

        TableEntry *entry = add_entry(scan->table);
        if (!entry)
                return error_oom(error);
        entry->name = strdup(name);
        if (!entry->name)
                return error_oom(error);
        entry->size = (uint64_t) size;
        return scan->direct && archive_entry_sparse_count(e) == 0 ? locate_entry(scan, entry, error)
                                                                  : spool_entry(scan, entry, error);
}

/* `directory` is what the target is relative to; NULL for the root, as that of a hard link. */
static int scan_link(Scan *scan, const char *name, const char *directory, const char *target, Error *error) {
        _cleanup_free_ char *normal = NULL;

        int r = archive_name_normalise(directory, target, &normal);
        if (r <= 0)
                return r < 0 ? error_oom(error) : 0;
        TableEntry *entry = add_entry(scan->table);
        if (!entry)
                return error_oom(error);
        entry->target = TAKE_PTR(normal);
        entry->name = strdup(name);
        return entry->name ? 0 : error_oom(error);
}

static int scan_entry(Scan *scan, struct archive_entry *e, Error *error) {
        _cleanup_free_ char *name = NULL, *directory = NULL;
        /* NULL for a name that is not in this locale's encoding: none that an image needs. */
        const char *given = archive_entry_pathname(e), *hardlink = archive_entry_hardlink(e);

        int r = given ? archive_name_normalise(NULL, given, &name) : 0;
        if (r <= 0)
                return r < 0 ? error_oom(error) : 0;
        if (hardlink)
                return scan_link(scan, name, NULL, hardlink, error);
        if (archive_entry_filetype(e) == AE_IFREG)
                return scan_file(scan, e, name, error);
        if (archive_entry_filetype(e) != AE_IFLNK || !archive_entry_symlink(e))
                return 0;
        const char *slash = strrchr(name, '/');
        directory = strndup(name, slash ? (size_t) (slash - name) : 0);
        if (!directory)
                return error_oom(error);
        return scan_link(scan, name, directory, archive_entry_symlink(e), error);
}

static int scan_entries(Scan *scan, Error *error) {
        for (;;) {
                struct archive_entry *e;

                int r = archive_read_next_header(scan->archive, &e);
                if (is_too_large(scan))
                        return set_too_large(scan, error);
                if (r == ARCHIVE_EOF)
                        return 0;
                if (r < ARCHIVE_WARN)
                        return scan_failure(scan, error);
                if (++scan->n_entries > ARCHIVE_ENTRIES_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "the archive has more than %u entries", ARCHIVE_ENTRIES_MAX);
                /* One filter is the plain file; a compressed one has another on top. */
                if (scan->n_entries == 1)
                        scan->direct = scan->seekable && archive_filter_count(scan->archive) == 1;
                r = scan_entry(scan, e, error);
                if (r < 0)
                        return r;
        }
}

static int compare_entries(const void *a, const void *b) {
        const TableEntry *x = a, *y = b;
        int c = strcmp(x->name, y->name);

        return c != 0 ? c : (x->number < y->number) - (x->number > y->number);
}

int archive_table_read(int fd, const ArchiveReaderOptions *options, ArchiveTable *ret, Error *error) {
        _cleanup_(archive_table_clear) ArchiveTable table = { .fd = fd, .spool_fd = -EBADF };
        _cleanup_(scan_clear) Scan scan = {
                .table = &table,
                .options = options,
                .spool_max = options->spool_max > 0 ? options->spool_max : ARCHIVE_SPOOL_MAX,
                .fd = fd,
        };
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set_errno(error, errno, "the archive");
        if (S_ISDIR(st.st_mode))
                return error_set(error, ERROR_UNSUPPORTED, "it is a directory, not an archive");
        scan.seekable = S_ISREG(st.st_mode);
        scan.size = scan.seekable ? (uint64_t) st.st_size : 0;

        int r = open_archive(&scan, error);
        if (r >= 0)
                r = scan_entries(&scan, error);
        if (r < 0)
                return r;
        if (table.n_entries > 0)
                qsort(table.entries, table.n_entries, sizeof(TableEntry), compare_entries);
        *ret = TAKE(table, ((ArchiveTable) { .fd = -EBADF, .spool_fd = -EBADF }));
        return 0;
}
