/* SPDX-License-Identifier: Apache-2.0 */
#include <search.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/layer-walk.h"
#include "base/fd-util.h"
#include "base/string-util.h"

/* Halves of walk->buffer while attributes are read: XATTR_LIST_MAX and XATTR_SIZE_MAX are both 64 KiB. */
#define NAMES_SIZE ((size_t) KIB(64))
#define VALUE_SIZE ((size_t) KIB(64))
#define BUFFER_SIZE ((size_t) KIB(256))

/* Address space that is passed for a hole, in pieces of this size. */
#define ZEROS_SIZE ((size_t) GIB(1))

/* Smaller files are read whole, and so are files with more segments. */
#define SEGMENTS_SIZE_MIN KIB(64)
#define SEGMENTS_MAX ((size_t) 65536)

/* Never fails: libarchive leaks what it holds of an archive that failed. What comes after the end is dropped,
 * and whoever writes looks at walk->stopped. */
static la_ssize_t write_to_pipeline(struct archive *archive, void *userdata, const void *data, size_t n) {
        LayerWalk *walk = userdata;

        if (!walk->stopped && pipeline_write(walk->pipeline, data, n) < 0)
                walk->stopped = true;
        return (la_ssize_t) n;
}

/* libarchive rather than headers of our own: measured, it costs 1.4 µs an entry and passes contents on
 * without a copy. */
static int open_archive(LayerWalk *walk, Error *error) {
        walk->archive = archive_write_new();
        walk->entry = archive_entry_new();
        if (!walk->archive || !walk->entry)
                return error_oom(error);
        if (archive_write_set_format_pax(walk->archive) != ARCHIVE_OK ||
            /* Go and GNU tar know star's spelling; both spellings would be twice the bytes. */
            archive_write_set_options(walk->archive, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
            archive_write_set_bytes_per_block(walk->archive, 0) != ARCHIVE_OK ||
            archive_write_open(walk->archive, walk, NULL, write_to_pipeline, NULL) != ARCHIVE_OK)
                return error_set(error, ERROR_INTERNAL, "libarchive: %s",
                                 strempty(archive_error_string(walk->archive)));
        return 0;
}

int layer_walk_init(LayerWalk *walk, int upper_fd, const LayerOptions *options, Pipeline *pipeline,
                    Error *error) {
        *walk = (LayerWalk) {
                .upper_fd = upper_fd, .options = options, .pipeline = pipeline, .zeros = MAP_FAILED
        };

        int r = open_archive(walk, error);
        if (r < 0)
                return r;
        walk->buffer = malloc(BUFFER_SIZE);
        walk->zeros = mmap(NULL, ZEROS_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (!walk->buffer || walk->zeros == MAP_FAILED)
                return error_oom(error);
        return 0;
}

void layer_walk_clear(LayerWalk *walk) {
        walk->stopped = true;
        /* Whatever is missing of a file is handed over in large pieces, as libarchive would in small ones. */
        while (walk->in_content && archive_write_data(walk->archive, walk->zeros, ZEROS_SIZE) > 0)
                ;
        archive_write_free(walk->archive);
        archive_entry_free(walk->entry);
        tdestroy(walk->links, free);
        buffer_clear(&walk->path);
        free(walk->buffer);
        free(walk->segments);
        if (walk->zeros != MAP_FAILED)
                (void) munmap(walk->zeros, ZEROS_SIZE);
}

void layer_entry_begin(LayerWalk *walk, const char *path, const struct stat *st) {
        struct archive_entry *e = walk->entry;

        archive_entry_clear(e);
        archive_entry_copy_pathname(e, path);
        archive_entry_set_mode(e, st->st_mode);
        archive_entry_set_uid(e, st->st_uid);
        archive_entry_set_gid(e, st->st_gid);
        archive_entry_set_mtime(e, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        if (S_ISREG(st->st_mode))
                archive_entry_set_size(e, st->st_size);
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
                archive_entry_set_rdev(e, st->st_rdev);
}

static const char *overlay_attribute(const char *name) {
        const char *rest = skip_prefix(name, "trusted.overlay.");

        /* Of mounts with the option userxattr. */
        return rest ? rest : skip_prefix(name, "user.overlay.");
}

/* Labels and measurements belong to the host and its policy, not to the content. */
static bool is_kept(const char *name) {
        return startswith(name, "user.") || startswith(name, "trusted.") ||
               streq(name, "security.capability") || startswith(name, "system.posix_acl_");
}

static unsigned mark_of(const char *attribute, const char *value, size_t n) {
        if (streq(attribute, "opaque"))
                /* "x" means that files with the attribute "whiteout" are within. */
                return n == 1 && value[0] == 'y' ? OVERLAY_OPAQUE : 0;
        if (streq(attribute, "whiteout"))
                return OVERLAY_WHITEOUT;
        if (streq(attribute, "redirect"))
                return OVERLAY_REDIRECT;
        return streq(attribute, "metacopy") ? OVERLAY_METACOPY : 0;
}

/* What a pax record cannot carry as it is: '=' ends its key, and libarchive escapes the rest. */
static bool name_is_plain(const char *name) {
        for (; *name; name++)
                if (*name < '!' || *name > '~' || *name == '=' || *name == '%')
                        return false;
        return true;
}

static int read_xattr(LayerWalk *walk, int fd, const char *name, bool marks_only, unsigned *marks,
                      size_t *total, Error *error) {
        char *value = walk->buffer + NAMES_SIZE;
        const char *attribute = overlay_attribute(name);

        if (!attribute && (marks_only || !is_kept(name)))
                return 0;
        ssize_t n = fgetxattr(fd, name, value, VALUE_SIZE);
        if (n < 0 && errno == EINVAL)
                /* The kernel's own check, when security.capability holds none. */
                return error_set(error, ERROR_UNSUPPORTED, "/%s: attribute %s has no valid value",
                                 walk->path.data, name);
        if (n < 0)
                return error_set_errno(error, errno, "/%s: reading attribute %s", walk->path.data, name);
        if (attribute) {
                *marks |= mark_of(attribute, value, (size_t) n);
                return 0;
        }
        if (!name_is_plain(name))
                return error_set(error, ERROR_UNSUPPORTED,
                                 "/%s: attribute \"%s\" has a name that a layer cannot hold", walk->path.data,
                                 name);
        *total += strlen(name) + (size_t) n;
        if (*total > LAYER_XATTRS_MAX)
                return error_set(error, ERROR_UNSUPPORTED, "/%s: its attributes are larger than %llu bytes",
                                 walk->path.data, (unsigned long long) LAYER_XATTRS_MAX);
        archive_entry_xattr_add_entry(walk->entry, name, value, (size_t) n);
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The names of a list as flistxattr(2) gives it, sorted: file systems have orders of their own, and the same
 * tree is to give the same bytes. NULL without memory. */
static const char **sort_names(const char *list, size_t length, size_t *ret_n) {
        size_t n = 0;

        for (size_t i = 0; i < length; i++)
                n += list[i] == '\0';
        const char **names = new0(const char *, n + 1);
        n = 0;
        for (const char *name = list; names && name < list + length; name += strlen(name) + 1)
                names[n++] = name;
        if (names)
                qsort(names, n, sizeof(*names), compare_names);
        *ret_n = n;
        return names;
}

int layer_entry_read_xattrs(LayerWalk *walk, int fd, bool marks_only, unsigned *ret_marks, Error *error) {
        ssize_t length = flistxattr(fd, walk->buffer, NAMES_SIZE);
        unsigned marks = 0;
        size_t total = 0, n = 0;

        if (length < 0 && errno != ENOTSUP)
                return error_set_errno(error, errno, "/%s: reading attributes", walk->path.data);
        if (length > 0) {
                _cleanup_free_ const char **names = sort_names(walk->buffer, (size_t) length, &n);
                if (!names)
                        return error_oom(error);
                for (size_t i = 0; i < n; i++) {
                        int r = read_xattr(walk, fd, names[i], marks_only, &marks, &total, error);
                        if (r < 0)
                                return r;
                }
        }
        *ret_marks = marks;
        return 0;
}

/* What came of a call that gave `r`. */
static int check_archive(LayerWalk *walk, la_ssize_t r, Error *error) {
        if (walk->stopped)
                return -ECANCELED;
        /* The one warning is that a name is no UTF-8; it is then stored as it is and marked so. */
        return r < ARCHIVE_WARN ? error_set(error, ERROR_INTERNAL, "/%s: %s", walk->path.data,
                                            strempty(archive_error_string(walk->archive)))
                                : 0;
}

int layer_entry_write(LayerWalk *walk, Error *error) {
        if (++walk->n_entries > LAYER_ENTRIES_MAX)
                return error_set(error, ERROR_UNSUPPORTED, "more than %u entries", LAYER_ENTRIES_MAX);
        int r = check_archive(walk, archive_write_header(walk->archive, walk->entry), error);
        walk->in_content = r >= 0;
        return r;
}

int layer_walk_close(LayerWalk *walk, Error *error) {
        walk->in_content = false;
        return check_archive(walk, archive_write_close(walk->archive), error);
}

static int add_segment(LayerWalk *walk, uint64_t offset, uint64_t length, Error *error) {
        if (walk->n_segments == walk->segments_allocated) {
                size_t n = MAX(2 * walk->segments_allocated, (size_t) 64);
                Segment *grown = reallocarray(walk->segments, n, sizeof(Segment));
                if (!grown)
                        return error_oom(error);
                walk->segments = grown;
                walk->segments_allocated = n;
        }
        walk->segments[walk->n_segments++] = (Segment) { offset, length };
        return 0;
}

/* Finds the data of a file, in walk->segments. A file without holes, or on a file system that does not tell,
 * is one segment. */
static int find_segments(LayerWalk *walk, int fd, const struct stat *st, Error *error) {
        off_t size = st->st_size;

        walk->n_segments = 0;
        if (size < (off_t) SEGMENTS_SIZE_MIN || st->st_blocks * 512 >= size)
                return add_segment(walk, 0, (uint64_t) size, error);
        for (off_t at = 0; at < size;) {
                off_t data = lseek(fd, at, SEEK_DATA);
                off_t end = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
                if (data < 0 && errno == ENXIO)
                        break;
                if (data < 0 || end < 0 || walk->n_segments >= SEGMENTS_MAX) {
                        walk->n_segments = 0;
                        return add_segment(walk, 0, (uint64_t) size, error);
                }
                end = MIN(end, size);
                if (data >= end)
                        break;
                int r = add_segment(walk, (uint64_t) data, (uint64_t) (end - data), error);
                if (r < 0)
                        return r;
                at = end;
        }
        return 0;
}

static int write_data(LayerWalk *walk, const void *data, size_t n, Error *error) {
        return check_archive(walk, archive_write_data(walk->archive, data, n), error);
}

static int write_hole(LayerWalk *walk, uint64_t length, Error *error) {
        while (length > 0) {
                size_t n = (size_t) MIN(length, (uint64_t) ZEROS_SIZE);
                int r = cancel_check(walk->options->cancelled, error);
                if (r >= 0)
                        r = write_data(walk, walk->zeros, n, error);
                if (r < 0)
                        return r;
                length -= n;
        }
        return 0;
}

static int write_segment(LayerWalk *walk, int fd, Segment segment, Error *error) {
        while (segment.length > 0) {
                int r = cancel_check(walk->options->cancelled, error);
                if (r < 0)
                        return r;
                ssize_t n = pread(fd, walk->buffer, (size_t) MIN(segment.length, (uint64_t) BUFFER_SIZE),
                                  (off_t) segment.offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(error, errno, "/%s: reading", walk->path.data);
                if (n == 0)
                        return error_set(error, ERROR_INTERNAL, "/%s: changed while it was read",
                                         walk->path.data);
                r = write_data(walk, walk->buffer, (size_t) n, error);
                if (r < 0)
                        return r;
                segment.offset += (uint64_t) n;
                segment.length -= (uint64_t) n;
        }
        return 0;
}

static void mark_sparse(LayerWalk *walk, const struct stat *st) {
        for (size_t i = 0; i < walk->n_segments; i++)
                archive_entry_sparse_add_entry(walk->entry, (la_int64_t) walk->segments[i].offset,
                                               (la_int64_t) walk->segments[i].length);
        if (walk->n_segments == 0)
                archive_entry_sparse_add_entry(walk->entry, st->st_size, 0);
}

int layer_entry_write_file(LayerWalk *walk, int fd, const struct stat *st, Error *error) {
        uint64_t at = 0, size = (uint64_t) st->st_size, holes = size;

        int r = find_segments(walk, fd, st, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < walk->n_segments; i++)
                holes -= walk->segments[i].length;
        if (holes >= LAYER_SPARSE_MIN)
                mark_sparse(walk, st);
        r = layer_entry_write(walk, error);
        for (size_t i = 0; r >= 0 && i < walk->n_segments; i++) {
                Segment segment = walk->segments[i];

                r = write_hole(walk, segment.offset - at, error);
                if (r >= 0)
                        r = write_segment(walk, fd, segment, error);
                at = segment.offset + segment.length;
        }
        return r < 0 ? r : write_hole(walk, size - at, error);
}
