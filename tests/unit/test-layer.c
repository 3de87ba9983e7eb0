/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/layer.h"
#include "base/buffer.h"
#include "base/fd-util.h"
#include "scratch.h"
#include "test.h"

static LayerOptions options;
static LayerResult result;
static Error error;
static Buffer listing;

static void defaults(void) {
        options = (LayerOptions) LAYER_OPTIONS_DEFAULT;
        error_clear(&error);
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* The layer in a file in memory, at offset 0. */
static int write_layer(int upper, int *ret_fd) {
        int fd = memfd_create("layer", MFD_CLOEXEC);
        Sink sink = sink_to_fd(ret_fd);

        ASSERT_OK(fd);
        *ret_fd = fd;
        int r = layer_write(upper, &options, &sink, &result, &error);
        ASSERT_OK(lseek(fd, 0, SEEK_SET));
        return r;
}

static struct archive *open_layer(int fd) {
        struct archive *a = archive_read_new();

        archive_read_support_filter_all(a);
        archive_read_support_format_tar(a);
        ASSERT_EQ(archive_read_open_fd(a, fd, 65536), ARCHIVE_OK);
        return a;
}

static void list_entry(struct archive *a, struct archive_entry *e) {
        const char *name, *kind = "?";
        const void *value;
        size_t n;

        switch (archive_entry_filetype(e)) {
        case AE_IFREG:
                kind = "-";
                break;
        case AE_IFDIR:
                kind = "d";
                break;
        case AE_IFLNK:
                kind = "l";
                break;
        case AE_IFCHR:
                kind = "c";
                break;
        case AE_IFIFO:
                kind = "p";
                break;
        default:
                break;
        }
        buffer_printf(&listing, "%s %04o %s", archive_entry_hardlink(e) ? "h" : kind,
                      (unsigned) archive_entry_perm(e), archive_entry_pathname(e));
        if (archive_entry_hardlink(e))
                buffer_printf(&listing, " = %s", archive_entry_hardlink(e));
        if (archive_entry_symlink(e))
                buffer_printf(&listing, " > %s", archive_entry_symlink(e));
        if (archive_entry_filetype(e) == AE_IFCHR)
                buffer_printf(&listing, " %u:%u", (unsigned) archive_entry_rdevmajor(e),
                              (unsigned) archive_entry_rdevminor(e));
        if (archive_entry_filetype(e) == AE_IFREG && archive_entry_size(e) > 0)
                buffer_printf(&listing, " %lld", (long long) archive_entry_size(e));
        archive_entry_xattr_reset(e);
        while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK)
                buffer_printf(&listing, " %s(%zu)", name, n);
        buffer_printf(&listing, "\n");
}

/* A line for each entry, until the next call. */
static const char *list(int fd) {
        struct archive *a = open_layer(fd);
        struct archive_entry *e;
        int r;

        buffer_clear(&listing);
        while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK)
                list_entry(a, e);
        if (r != ARCHIVE_EOF)
                test_fail(__FILE__, __LINE__, "reading back: %s", archive_error_string(a));
        archive_read_free(a);
        ASSERT_OK(buffer_append(&listing, "", 1));
        return listing.data;
}

static const char *layer_of(int upper) {
        int fd;

        if (write_layer(upper, &fd) != LAYER_WRITTEN)
                test_fail(__FILE__, __LINE__, "not written: %s",
                          result.reason ? result.reason : error_message(&error));
        const char *text = list(fd);
        close(fd);
        return text;
}

static void put_xattr(int dir, const char *path, const char *name, const void *value, size_t n) {
        char full[512];

        snprintf(full, sizeof(full), "%s/%s", scratch_path(dir), path);
        if (lsetxattr(full, name, value, n, 0) < 0)
                test_skip("%s cannot be set here: %s", name, strerror(errno));
}

static void put_whiteout(int dir, const char *path) {
        put_node(dir, path, S_IFCHR, makedev(0, 0));
}

TEST(empty) {
        need_root();
        defaults();
        int upper = scratch_new();

        ASSERT_STREQ(layer_of(upper), "");
        ASSERT_EQ(result.entries, 0);
        ASSERT_EQ(result.tar_size, 1024);
}

TEST(kinds) {
        need_root();
        defaults();
        int upper = scratch_new();
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        put_file(upper, "b/file", "hello", 0640);
        put_file(upper, "b/suid", "", 04755);
        put_directory(upper, "a", 01777);
        put_directory(upper, "b", 02750);
        put_symlink(upper, "b/link", "../../etc/passwd");
        put_symlink(upper, "b/dangling", "nowhere");
        put_node(upper, "null", S_IFCHR | 0666, makedev(1, 3));
        put_node(upper, "fifo", S_IFIFO | 0600, 0);
        ASSERT_OK(linkat(upper, "b/file", upper, "a/second", 0));
        ASSERT_OK(linkat(upper, "b/file", upper, "c", 0));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", scratch_path(upper));
        int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_OK(bind(s, (struct sockaddr *) &address, sizeof(address)));
        close(s);

        ASSERT_STREQ(layer_of(upper), "d 1777 a/\n"
                                      "- 0640 a/second 5\n"
                                      "d 2750 b/\n"
                                      "l 0777 b/dangling > nowhere\n"
                                      "h 0640 b/file = a/second\n"
                                      "l 0777 b/link > ../../etc/passwd\n"
                                      "- 4755 b/suid\n"
                                      "h 0640 c = a/second\n"
                                      "p 0600 fifo\n"
                                      "c 0666 null 1:3\n");
        ASSERT_EQ(result.entries, 10);
}

TEST(deletions) {
        need_root();
        defaults();
        int upper = scratch_new();

        put_whiteout(upper, "gone");
        put_whiteout(upper, "dir/gone too");
        put_file(upper, "new/file", "x", 0644);
        put_file(upper, "new/.aaa", "x", 0644);
        put_xattr(upper, "new", "trusted.overlay.opaque", "y", 1);
        /* Not opaque, but with whiteouts that are attributes. */
        put_file(upper, "x/gone", "", 0600);
        put_file(upper, "x/kept", "", 0600);
        put_xattr(upper, "x", "trusted.overlay.opaque", "x", 1);
        put_xattr(upper, "x/gone", "trusted.overlay.whiteout", "", 0);

        ASSERT_STREQ(layer_of(upper), "d 0755 dir/\n"
                                      "- 0000 dir/.wh.gone too\n"
                                      "- 0000 .wh.gone\n"
                                      "d 0755 new/\n"
                                      "- 0000 new/.wh..wh..opq\n"
                                      "- 0644 new/.aaa 1\n"
                                      "- 0644 new/file 1\n"
                                      "d 0755 x/\n"
                                      "- 0000 x/.wh.gone\n"
                                      "- 0600 x/kept\n");
}

/* valgrind does not know openat2(2). */
static void need_openat2(int dir) {
        int fd = open_beneath(dir, ".", O_PATH, 0, 0);

        if (fd == -ENOSYS)
                test_skip("no openat2 here");
        close(fd);
}

TEST(opaque_over_nothing) {
        need_root();
        defaults();
        int upper = scratch_new(), lower = scratch_new();

        need_openat2(lower);
        put_directory(upper, "fresh/sub", 0755);
        put_directory(upper, "over", 0755);
        put_directory(upper, "was-file", 0755);
        put_directory(upper, "was-link", 0755);
        put_directory(lower, "over", 0755);
        put_file(lower, "was-file", "", 0644);
        put_symlink(lower, "was-link", "over");
        for (unsigned i = 0; i < 4; i++)
                put_xattr(upper, ((const char *[]) { "fresh", "over", "was-file", "was-link" })[i],
                          "trusted.overlay.opaque", "y", 1);
        options.lower_fd = lower;
        ASSERT_STREQ(layer_of(upper), "d 0755 fresh/\n"
                                      "d 0755 fresh/sub/\n"
                                      "d 0755 over/\n"
                                      "- 0000 over/.wh..wh..opq\n"
                                      "d 0755 was-file/\n"
                                      "d 0755 was-link/\n");
}

TEST(attributes) {
        static const unsigned char capability[] = {
                1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
        };
        need_root();
        defaults();
        int upper = scratch_new();

        put_file(upper, "ping", "x", 0755);
        put_directory(upper, "d", 0755);
        put_xattr(upper, "ping", "security.capability", capability, sizeof(capability));
        put_xattr(upper, "ping", "user.note", "a\0b", 3);
        put_xattr(upper, "ping", "trusted.overlay.origin", "abc", 3);
        put_xattr(upper, "d", "trusted.overlay.impure", "y", 1);
        put_xattr(upper, "d", "user.dir", "", 0);
        ASSERT_OK(linkat(upper, "ping", upper, "ping6", 0));
        ASSERT_STREQ(layer_of(upper), "d 0755 d/ user.dir(0)\n"
                                      "- 0755 ping 1 security.capability(20) user.note(3)\n"
                                      "h 0755 ping6 = ping security.capability(20) user.note(3)\n");
}

TEST(names_and_numbers) {
        need_root();
        defaults();
        int upper = scratch_new(), fd;
        char name[256];
        struct timespec times[2] = { { 1, 0 }, { 1700000000, 123456789 } };

        memset(name, 'n', 255);
        name[255] = 0;
        put_file(upper, name, "", 0644);
        put_file(upper, "gr\xc3\xbc\xc3\x9f", "", 0644);
        put_file(upper, "not-\xe9-utf8", "", 0644);
        put_file(upper, "new\nline", "", 0644);
        put_file(upper, "owned", "", 0644);
        ASSERT_OK(fchownat(upper, "owned", 4000000000, 3000000000, 0));
        ASSERT_OK(utimensat(upper, "owned", times, 0));
        put_file(upper, "past", "", 0644);
        times[1] = (struct timespec) { -5, 500000000 };
        ASSERT_OK(utimensat(upper, "past", times, 0));

        ASSERT_EQ(write_layer(upper, &fd), LAYER_WRITTEN);
        struct archive *a = open_layer(fd);
        struct archive_entry *e;
        static const char *const rest[] = { "new\nline", NULL, "not-\xe9-utf8", "owned", "past" };
        ASSERT_EQ(archive_read_next_header(a, &e), ARCHIVE_OK);
        ASSERT_STREQ(archive_entry_pathname(e), "gr\xc3\xbc\xc3\x9f");
        for (unsigned i = 0; i < 5; i++) {
                ASSERT_GE(archive_read_next_header(a, &e), ARCHIVE_WARN);
                ASSERT_STREQ(archive_entry_pathname(e), rest[i] ? rest[i] : name);
                if (i == 3) {
                        ASSERT_EQ(archive_entry_uid(e), 4000000000);
                        ASSERT_EQ(archive_entry_gid(e), 3000000000);
                        ASSERT_EQ(archive_entry_mtime(e), 1700000000);
                        ASSERT_EQ(archive_entry_mtime_nsec(e), 123456789);
                }
        }
        ASSERT_EQ(archive_entry_mtime(e), -5);
        archive_read_free(a);
        close(fd);
}

/* A file of `size` with text at these offsets. */
static void put_sparse(int upper, const char *name, off_t size, const off_t *at, unsigned n) {
        put_file(upper, name, "", 0644);
        int fd = openat(upper, name, O_WRONLY | O_CLOEXEC);

        ASSERT_OK(fd);
        if (ftruncate(fd, size) < 0)
                test_skip("no file of %jd bytes here: %s", (intmax_t) size, strerror(errno));
        for (unsigned i = 0; i < n; i++)
                ASSERT_EQ(pwrite(fd, "data", 4, at[i]), 4);
        close(fd);
}

/* archive_read_data() gives nothing of a file that is one hole. */
static void read_content(struct archive *a, char *content, size_t size) {
        const void *data;
        size_t n;
        la_int64_t offset;

        memset(content, 0, size);
        while (archive_read_data_block(a, &data, &n, &offset) == ARCHIVE_OK) {
                ASSERT_LE((size_t) offset + n, size);
                memcpy(content + offset, data, n);
        }
}

static void check_sparse(struct archive *a, const char *name, size_t size, const off_t *at, unsigned n,
                         bool sparse) {
        static char content[8 << 20], expected[8 << 20];
        struct archive_entry *e;

        memset(expected, 0, sizeof(expected));
        for (unsigned i = 0; i < n; i++)
                memcpy(expected + at[i], "data", 4);
        ASSERT_EQ(archive_read_next_header(a, &e), ARCHIVE_OK);
        ASSERT_STREQ(archive_entry_pathname(e), name);
        ASSERT_EQ(archive_entry_size(e), size);
        ASSERT_EQ(archive_entry_sparse_count(e) > 0, sparse);
        if (sparse)
                return;
        read_content(a, content, sizeof(content));
        if (memcmp(content, expected, sizeof(content)) != 0)
                test_fail(__FILE__, __LINE__, "%s has other content", name);
}

TEST(holes) {
        static const off_t inside[] = { 1 << 20, (5 << 20) - 2, (8 << 20) - 4 }, front[] = { 0 };
        need_root();
        defaults();
        int upper = scratch_new(), fd;

        put_sparse(upper, "a", 8 << 20, inside, 3);
        put_sparse(upper, "b", 8 << 20, NULL, 0);
        put_sparse(upper, "c", 8 << 20, front, 1);
        ASSERT_EQ(write_layer(upper, &fd), LAYER_WRITTEN);
        ASSERT_LT(result.size, 200000);
        struct archive *a = open_layer(fd);
        check_sparse(a, "a", 8 << 20, inside, 3, false);
        check_sparse(a, "b", 8 << 20, NULL, 0, false);
        check_sparse(a, "c", 8 << 20, front, 1, false);
        archive_read_free(a);
        close(fd);
}

TEST(large_holes) {
        static const off_t ends[] = { 0, (INT64_C(10) << 30) - 4 }, inside[] = { INT64_C(9) << 30 };
        const size_t size = (size_t) GIB(10);
        need_root();
        defaults();
        int upper = scratch_new(), fd;
        const void *data;
        size_t n;
        la_int64_t offset;

        put_sparse(upper, "a", (off_t) size, ends, 2);
        put_sparse(upper, "b", (off_t) size, inside, 1);
        put_sparse(upper, "c", (off_t) size, NULL, 0);
        ASSERT_EQ(write_layer(upper, &fd), LAYER_WRITTEN);
        /* What is not there takes no room. */
        ASSERT_LT(result.tar_size, 200000);
        struct archive *a = open_layer(fd);
        check_sparse(a, "a", size, NULL, 0, true);
        check_sparse(a, "b", size, NULL, 0, true);
        ASSERT_EQ(archive_read_data_block(a, &data, &n, &offset), ARCHIVE_OK);
        ASSERT_LE(offset, inside[0]);
        ASSERT_EQ(memcmp((const char *) data + (inside[0] - offset), "data", 4), 0);
        check_sparse(a, "c", size, NULL, 0, true);
        archive_read_free(a);
        close(fd);
}

TEST(same_bytes_for_any_number_of_threads) {
        static const Compression all[] = { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };
        need_root();
        defaults();
        int upper = scratch_new();
        static char content[3 << 20];
        uint32_t x = 1;

        /* Something that compresses, but not to nothing; several blocks, the last one not whole. */
        for (size_t i = 0; i < sizeof(content) - 1; i++)
                content[i] = (char) ('a' + ((x = x * 1664525 + 1013904223) >> 24) % 20);
        put_file(upper, "one", content, 0644);
        put_file(upper, "two", content, 0644);

        Digest diff_id = {};
        for (unsigned c = 0; c < 3; c++) {
                Digest digest = {};
                for (unsigned threads = 0; threads < 6; threads++) {
                        int fd;
                        static char bytes[16 << 20];

                        options.compression = all[c];
                        options.n_threads = threads;
                        ASSERT_EQ(write_layer(upper, &fd), LAYER_WRITTEN);
                        ssize_t n = read(fd, bytes, sizeof(bytes));
                        ASSERT_EQ(n, result.size);
                        Digest actual;
                        digest_of(bytes, (size_t) n, &actual);
                        ASSERT_STREQ(result.digest.string, actual.string);
                        if (threads > 0)
                                ASSERT_STREQ(result.digest.string, digest.string);
                        digest = result.digest;
                        if (digest_is_set(&diff_id))
                                ASSERT_STREQ(result.diff_id.string, diff_id.string);
                        diff_id = result.diff_id;
                        if (c == 0)
                                ASSERT_STREQ(diff_id.string, digest.string);
                        ASSERT_OK(lseek(fd, 0, SEEK_SET));
                        ASSERT_STREQ(list(fd), "- 0644 one 3145727\n- 0644 two 3145727\n");
                        close(fd);
                }
        }
}

static void not_translatable(int upper, const char *why) {
        int fd;

        ASSERT_EQ(write_layer(upper, &fd), LAYER_NOT_TRANSLATABLE);
        ASSERT_CONTAINS(result.reason, why);
        close(fd);
}

TEST(marks_that_need_containerd) {
        need_root();
        defaults();
        int upper = scratch_new();

        put_directory(upper, "renamed", 0755);
        put_xattr(upper, "renamed", "trusted.overlay.redirect", "/old", 4);
        not_translatable(upper, "renamed");

        upper = scratch_new();
        put_file(upper, "chmodded", "", 0600);
        put_xattr(upper, "chmodded", "trusted.overlay.metacopy", "", 0);
        not_translatable(upper, "metadata");
}

static void refuse(int upper, const char *words) {
        int fd;

        error_clear(&error);
        ASSERT_EQ(write_layer(upper, &fd), -EOPNOTSUPP);
        ASSERT_CONTAINS(error_message(&error), words);
        close(fd);
}

TEST(what_a_layer_cannot_hold) {
        need_root();
        defaults();
        int upper = scratch_new();
        put_file(upper, "etc/.wh.passwd", "", 0644);
        refuse(upper, "/etc/.wh.passwd: a name that begins with");

        upper = scratch_new();
        put_node(upper, ".wh..wh..opq", S_IFCHR, makedev(0, 0));
        refuse(upper, "a name that begins with");

        upper = scratch_new();
        put_file(upper, "f", "", 0644);
        put_xattr(upper, "f", "user.a=b", "c", 1);
        refuse(upper, "/f: attribute \"user.a=b\"");

        upper = scratch_new();
        _cleanup_close_ int at = dup(upper);
        for (unsigned i = 0; i <= LAYER_DEPTH_MAX; i++) {
                put_directory(at, "d", 0755);
                int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ASSERT_OK(next);
                close(at);
                at = next;
        }
        refuse(upper, "directories deeper than 512 levels");
}

TEST(as_deep_as_a_layer_may_be) {
        need_root();
        defaults();
        int fd, upper = scratch_new();
        _cleanup_close_ int at = dup(upper);

        for (unsigned i = 1; i < LAYER_DEPTH_MAX; i++) {
                put_directory(at, "d", 0755);
                int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ASSERT_OK(next);
                close(at);
                at = next;
        }
        ASSERT_EQ(write_layer(upper, &fd), LAYER_WRITTEN);
        ASSERT_EQ(result.entries, LAYER_DEPTH_MAX - 1);
        close(fd);
}

TEST(mount_points) {
        need_root();
        defaults();
        int root = scratch_new(), upper = scratch_new();
        MountPoints points = {};

        need_openat2(root);
        put_directory(root, "etc", 0755);
        put_directory(root, "opt", 0755);
        put_directory(root, "sys", 0755);
        put_symlink(root, "etc/linked", "../var/target");
        static const char *const paths[] = {
                "/etc/resolv.conf",          "/proc", "/sys",    "/etc/linked", "/dev/shm/deep", "/opt/x",
                "/etc/../etc/./resolv.conf", "/used", "/filled", "/opt/kept"
        };
        for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                ASSERT_OK(mount_points_note(&points, root, paths[i], &error));
        ASSERT_TRUE(mount_points_find(&points, "etc")->existed);
        ASSERT_FALSE(mount_points_find(&points, "etc/resolv.conf")->existed);
        ASSERT_FALSE(mount_points_find(&points, "var/target")->existed);
        ASSERT_FALSE(mount_points_find(&points, "dev/shm")->existed);
        ASSERT_NULL(mount_points_find(&points, "etc/linked"));

        /* What the runtime made, */
        put_file(upper, "etc/resolv.conf", "", 0644);
        put_file(upper, "var/target", "", 0644);
        put_directory(upper, "proc", 0755);
        put_directory(upper, "dev/shm/deep", 0755);
        put_xattr(upper, "dev", "trusted.overlay.opaque", "y", 1);
        /* and what steps made of it: content, other things beside, other owners. */
        put_file(upper, "used", "content", 0644);
        put_file(upper, "filled/file", "", 0644);
        put_file(upper, "opt/x", "", 0644);
        put_file(upper, "opt/kept", "x", 0644);
        put_directory(upper, "sys", 0700);
        options.mount_points = &points;
        ASSERT_STREQ(layer_of(upper), "d 0755 filled/\n"
                                      "- 0644 filled/file\n"
                                      "d 0755 opt/\n"
                                      "- 0644 opt/kept 1\n"
                                      "d 0700 sys/\n"
                                      "- 0644 used 7\n");

        /* A directory that was replaced is a change, though its owner and mode are as before. */
        int replaced = scratch_new();
        put_directory(replaced, "etc", 0755);
        put_xattr(replaced, "etc", "trusted.overlay.opaque", "y", 1);
        ASSERT_STREQ(layer_of(replaced), "d 0755 etc/\n- 0000 etc/.wh..wh..opq\n");
        mount_points_clear(&points);
}

TEST(mount_points_refused) {
        defaults();
        int root = scratch_new();
        MountPoints points = {};

        need_openat2(root);
        put_symlink(root, "loop", "loop");
        put_file(root, "file", "", 0644);
        ASSERT_LT(mount_points_note(&points, root, "/loop/x", &error), 0);
        ASSERT_CONTAINS(error_message(&error), "too many symbolic links");
        ASSERT_EQ(mount_points_note(&points, root, "/file/x", &error), -ENOTDIR);
        ASSERT_EQ(mount_points_note(&points, root, "relative", &error), -EINVAL);
        /* No way up from the root, by name or by link. */
        put_symlink(root, "up", "../../../..");
        ASSERT_OK(mount_points_note(&points, root, "/up/../file", &error));
        ASSERT_TRUE(mount_points_find(&points, "file")->existed);
        mount_points_clear(&points);
        error_clear(&error);
}

static int refuse_bytes(void *userdata, const void *data, size_t n, Error *e) {
        size_t *left = userdata;

        if (n > *left)
                return error_set(e, ERROR_BUSY, "the sink is full");
        *left -= n;
        return 0;
}

TEST(sink_that_fails) {
        static const Compression all[] = { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };
        need_root();
        defaults();
        int upper = scratch_new();
        static const off_t none[] = { 0 };

        /* Zeros on disk, 20 MiB: more blocks than fit into the ring. */
        put_sparse(upper, "big", 20 << 20, none, 0);
        int fd = openat(upper, "big", O_WRONLY | O_CLOEXEC);
        static const char zeros[1 << 20];
        for (unsigned i = 0; i < 20; i++)
                ASSERT_EQ(write(fd, zeros, sizeof(zeros)), sizeof(zeros));
        close(fd);
        for (unsigned c = 0; c < 3; c++)
                for (size_t room = 0; room < 1000; room += 90) {
                        size_t left = room;
                        Sink sink = { refuse_bytes, &left };

                        options.compression = all[c];
                        options.n_threads = 1 + (unsigned) room % 3;
                        error_clear(&error);
                        ASSERT_EQ(layer_write(upper, &options, &sink, &result, &error), -EBUSY);
                        ASSERT_STREQ(error_message(&error), "the sink is full");
                }
}

TEST(cancelled) {
        need_root();
        defaults();
        int upper = scratch_new();
        _Atomic(bool) flag = true;
        size_t left = SIZE_MAX;
        Sink sink = { refuse_bytes, &left };

        put_file(upper, "f", "", 0644);
        options.cancelled = &flag;
        ASSERT_EQ(layer_write(upper, &options, &sink, &result, &error), -ECANCELED);
        ASSERT_EQ(error.code, ERROR_CANCELLED);
        error_clear(&error);
}

TEST(refused_options) {
        need_root();
        defaults();
        int upper = scratch_new(), fd;

        options.compression = _COMPRESSION_INVALID;
        ASSERT_EQ(write_layer(upper, &fd), -EINVAL);
        close(fd);
        options.compression = COMPRESSION_GZIP;
        options.level = 10;
        ASSERT_LT(write_layer(upper, &fd), 0);
        ASSERT_CONTAINS(error_message(&error), "levels are");
        close(fd);
        error_clear(&error);
}
