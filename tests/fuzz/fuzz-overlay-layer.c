/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a list of operations on an empty directory, four bytes each: which, on what, with what. The
 * directory is then taken for an overlay's upper one: its layer must be readable, lead nowhere, and be the
 * same a second time. Needs root, as devices and trusted attributes do. */
#include "fuzz.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/layer.h"
#include "base/fd-util.h"

#define OPERATIONS_MAX 64

static char base[] = "/dev/shm/fuzz-layer-XXXXXX";
/* Over the 100 bytes of a plain header, with those before it. */
#define LONG_NAME "long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-name"

static const char *const names[] = {
        "a",     "b",          "c", "d",   ".hidden", "\xc3\xa9", "\xff\xfe",    "new\nline",
        ".wh.a", "with space", "e", ".wh", "f",       "proc",     "resolv.conf", LONG_NAME,
};
static const char *const attributes[] = {
        "user.a",
        "user.b=c",
        "trusted.overlay.opaque",
        "trusted.overlay.whiteout",
        "trusted.overlay.redirect",
        "trusted.overlay.metacopy",
        "trusted.overlay.origin",
        "security.capability",
};
static const char *const values[] = { "y", "x", "", "\0\0\0\2", "a longer value" };

/* Up to three components. */
static void make_path(char path[static 1024], unsigned what) {
        unsigned depth = what >> 6;

        path[0] = 0;
        for (unsigned i = 0; i <= depth && i < 3; i++) {
                strcat(path, i > 0 ? "/" : "");
                strcat(path, names[(what + i * 5) % ELEMENTSOF(names)]);
        }
}

static void operate(int dir, uint8_t which, const char *path, uint8_t x, uint8_t y) {
        char target[1024];

        make_path(target, x);
        switch (which % 14) {
        case 0:
        case 1:
                (void) mkdirat(dir, path, 0755);
                break;
        case 2:
        case 3: {
                _cleanup_close_ int fd =
                        openat(dir, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
                if (fd >= 0)
                        (void) !pwrite(fd, path, strlen(path), (off_t) y << (x % 16));
                break;
        }
        case 4:
                (void) !symlinkat(target, dir, path);
                break;
        case 5:
                (void) !linkat(dir, target, dir, path, 0);
                break;
        case 6:
                (void) mknodat(dir, path, S_IFCHR, makedev(0, 0));
                break;
        case 7:
                (void) mknodat(dir, path,
                               (y % 3 == 0   ? S_IFCHR
                                : y % 3 == 1 ? S_IFIFO
                                             : S_IFSOCK) |
                                       0600,
                               makedev(1, x));
                break;
        case 8:
        case 9: {
                _cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                const char *value = values[y % ELEMENTSOF(values)];
                if (fd >= 0)
                        (void) fsetxattr(fd, attributes[x % ELEMENTSOF(attributes)], value, strlen(value), 0);
                break;
        }
        case 10:
                (void) !fchmodat(dir, path, x << 4 | y, 0);
                break;
        case 11:
                (void) !fchownat(dir, path, (uid_t) x << 24 | y, y, AT_SYMLINK_NOFOLLOW);
                break;
        case 12: {
                struct timespec times[2] = { { x, 0 }, { (time_t) x - 100, (long) y * 3000000 } };
                (void) utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW);
                break;
        }
        default: {
                _cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                /* Stored with zeros, or as a sparse file. */
                if (fd >= 0)
                        (void) !ftruncate(fd, (off_t) y << (x % 3 == 0 ? 8 : x % 3 == 1 ? 14 : 36));
                break;
        }
        }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *position) {
        (void) remove(path);
        return 0;
}

static void check_name(const char *name) {
        FUZZ_ASSERT(name && name[0] && name[0] != '/');
        FUZZ_ASSERT(!streq(name, "..") && strncmp(name, "../", 3) != 0 && !strstr(name, "/../"));
}

static void check_layer(int fd) {
        struct archive *a = archive_read_new();
        struct archive_entry *e;
        int r;

        archive_read_support_filter_gzip(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_tar(a);
        FUZZ_ASSERT(lseek(fd, 0, SEEK_SET) == 0 && archive_read_open_fd(a, fd, 65536) == ARCHIVE_OK);
        while ((r = archive_read_next_header(a, &e)) >= ARCHIVE_WARN && r != ARCHIVE_EOF) {
                check_name(archive_entry_pathname(e));
                if (archive_entry_hardlink(e))
                        check_name(archive_entry_hardlink(e));
        }
        FUZZ_ASSERT(r == ARCHIVE_EOF);
        archive_read_free(a);
}

static int write_layer(int upper, const LayerOptions *options, int *ret_fd, LayerResult *ret) {
        _cleanup_(error_clear) Error error = {};
        Sink sink = sink_to_fd(ret_fd);

        *ret_fd = memfd_create("layer", MFD_CLOEXEC);
        if (*ret_fd < 0)
                return -errno;
        int r = layer_write(upper, options, &sink, ret, &error);
        FUZZ_ASSERT((r < 0) == error_is_set(&error));
        if (r < 0 && error.code != ERROR_UNSUPPORTED)
                fprintf(stderr, "%s\n", error_message(&error));
        FUZZ_ASSERT(r >= 0 || error.code == ERROR_UNSUPPORTED);
        return r;
}

static void try_layer(int upper, uint8_t choice) {
        _cleanup_(mount_points_clear) MountPoints points = {};
        LayerOptions options = LAYER_OPTIONS_DEFAULT;
        LayerResult first = {}, second = {};
        _cleanup_close_ int root = open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        options.compression = (Compression) (choice % _COMPRESSION_MAX);
        options.n_threads = 1;
        if (choice & 0x80 && root >= 0) {
                FUZZ_ASSERT(mount_points_note(&points, root, "/proc", NULL) >= 0);
                FUZZ_ASSERT(mount_points_note(&points, root, "/a/resolv.conf", NULL) >= 0);
                options.mount_points = &points;
        }
        _cleanup_close_ int fd = -EBADF, again = -EBADF;
        int r = write_layer(upper, &options, &fd, &first);
        if (r != LAYER_WRITTEN)
                return;
        check_layer(fd);
        options.n_threads = 3;
        FUZZ_ASSERT(write_layer(upper, &options, &again, &second) == LAYER_WRITTEN);
        FUZZ_ASSERT(digest_equal(&first.digest, &second.digest) &&
                    digest_equal(&first.diff_id, &second.diff_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char path[1024];

        if (size < 1)
                return 0;
        strcpy(base + sizeof(base) - 1 - strlen("XXXXXX"), "XXXXXX");
        if (!mkdtemp(base))
                return 0;
        {
                _cleanup_close_ int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                for (size_t i = 0; dir >= 0 && i < OPERATIONS_MAX && 1 + (i + 1) * 4 <= size; i++) {
                        const uint8_t *op = data + 1 + i * 4;

                        make_path(path, op[1]);
                        operate(dir, op[0], path, op[2], op[3]);
                }
                if (dir >= 0)
                        try_layer(dir, data[0]);
        }
        (void) nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return 0;
}
