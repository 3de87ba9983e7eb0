/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "scratch.h"
#include "test.h"

/* A snapshot as containerd's overlayfs snapshotter lays it out: directory ROOT/N/fs. */
typedef struct Snapshot {
        int dir;
        char *lower, *upper, *work;
        const char *options[6];
        RootfsMount mount;
} Snapshot;

/* Layer i holds the file "layer-i", and each one's "top" says which it is; the first is the topmost. */
static Snapshot new_snapshot(unsigned n_layers, const char *padding) {
        Snapshot s = { .dir = scratch_new() };
        _cleanup_(buffer_clear) Buffer lower = {};

        for (unsigned i = 0; i < n_layers; i++) {
                char path[128], name[16];
                snprintf(path, sizeof(path), "%s/%u/fs/layer-%u", padding, i, i);
                put_file(s.dir, path, "x", 0644);
                snprintf(path, sizeof(path), "%s/%u/fs/top", padding, i);
                snprintf(name, sizeof(name), "%u", i);
                put_file(s.dir, path, name, 0644);
                buffer_printf(&lower, "%s%s/%s/%u/fs", i ? ":" : "", scratch_path(s.dir), padding, i);
        }
        put_directory(s.dir, "up/fs", 0755);
        put_directory(s.dir, "up/work", 0711);
        s.lower = format_string("lowerdir=%.*s", (int) lower.length, lower.data);
        s.upper = format_string("upperdir=%s/up/fs", scratch_path(s.dir));
        s.work = format_string("workdir=%s/up/work", scratch_path(s.dir));
        s.options[0] = "index=off";
        s.options[1] = s.work;
        s.options[2] = s.upper;
        s.options[3] = s.lower;
        s.mount = (RootfsMount) { .type = "overlay", .source = "overlay" };
        return s;
}

static void snapshot_clear(Snapshot *s) {
        free(s->lower);
        free(s->upper);
        free(s->work);
}

static int mount_snapshot(Snapshot *s, RootfsFlags flags) {
        _cleanup_(error_clear) Error error = {};
        int fd;

        s->mount.options = s->options;
        if (rootfs_mount(&s->mount, 1, flags, &fd, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        return fd;
}

static unsigned count_mounts(void) {
        unsigned n = 0;
        FILE *f = fopen("/proc/self/mountinfo", "re");

        for (int c; (c = fgetc(f)) != EOF;)
                n += c == '\n';
        fclose(f);
        return n;
}

TEST(overlays_are_mounted_detached) {
        need_mounts();
        static const RootfsFlags flags[] = { 0, ROOTFS_CLASSIC };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                _cleanup_(snapshot_clear) Snapshot s = new_snapshot(2, "s");
                unsigned mounts = count_mounts();
                _cleanup_close_ int fd = mount_snapshot(&s, flags[i]);

                ASSERT_EQ(count_mounts(), mounts);
                ASSERT_STREQ(content_of(fd, "top"), "0");
                ASSERT_TRUE(exists(fd, "layer-1"));
                put_file(fd, "new", "n", 0644);
                ASSERT_STREQ(content_of(s.dir, "up/fs/new"), "n");
                ASSERT_CONTAINS(s.upper, rootfs_find_upper(&s.mount, 1));
        }
}

TEST(any_number_of_layers_by_either_way) {
        need_mounts();
        static const RootfsFlags flags[] = { 0, ROOTFS_CLASSIC };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                _cleanup_(snapshot_clear) Snapshot s = new_snapshot(
                        128, "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots");
                _cleanup_close_ int fd = mount_snapshot(&s, flags[i]);

                ASSERT_STREQ(content_of(fd, "top"), "0");
                ASSERT_TRUE(exists(fd, "layer-127"));
                ASSERT_EQ(count_entries(fd, "."), 129);
        }
}

TEST(a_mount_that_fails_says_why) {
        need_mounts();
        static const RootfsFlags flags[] = { 0, ROOTFS_CLASSIC };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                _cleanup_(snapshot_clear) Snapshot s = new_snapshot(1, "s");
                _cleanup_(error_clear) Error error = {};
                int fd;

                s.options[2] = "upperdir=/nonexistent/upper";
                s.mount.options = s.options;
                ASSERT_EQ(rootfs_mount(&s.mount, 1, flags[i], &fd, &error), -ENOENT);
                ASSERT_CONTAINS(error.message, "mount the root filesystem: ");
                ASSERT_CONTAINS(error.message, "no such file or directory");
        }
}

TEST(views_are_read_only) {
        need_mounts();
        static const RootfsFlags flags[] = { 0, ROOTFS_CLASSIC };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                _cleanup_(snapshot_clear) Snapshot s = new_snapshot(2, "s");
                _cleanup_close_ int fd = mount_snapshot(&s, flags[i] | ROOTFS_READ_ONLY);
                ASSERT_EQ(rootfs_open(fd, "new", O_CREAT | O_WRONLY, 0644, NULL), -EROFS);
        }

        _cleanup_(snapshot_clear) Snapshot s = new_snapshot(1, "s");
        _cleanup_free_ char *source = format_string("%s/s/0/fs", scratch_path(s.dir));
        static const char *const options[] = { "ro", "rbind", NULL };
        const RootfsMount view = { .type = "bind", .source = source, .options = options };
        int fd;
        ASSERT_EQ(rootfs_mount(&view, 1, 0, &fd, NULL), 0);
        ASSERT_STREQ(content_of(fd, "top"), "0");
        ASSERT_EQ(rootfs_open(fd, "new", O_CREAT | O_WRONLY, 0644, NULL), -EROFS);
        ASSERT_NULL(rootfs_find_upper(&view, 1));
        close(fd);
}

TEST(a_snapshot_without_parent_is_a_bind_mount) {
        need_mounts();
        int dir = scratch_new(), fd;
        static const char *const options[] = { "rw", "rbind", NULL };
        const RootfsMount mount = { .type = "bind", .source = scratch_path(dir), .options = options };

        ASSERT_EQ(rootfs_mount(&mount, 1, 0, &fd, NULL), 0);
        put_file(fd, "new", "n", 0644);
        ASSERT_STREQ(content_of(dir, "new"), "n");
        ASSERT_STREQ(rootfs_find_upper(&mount, 1), scratch_path(dir));
        close(fd);
}

TEST(other_snapshotters_are_unsupported) {
        static const RootfsMount mounts[2] = { { .type = "ext4", .source = "/dev/null" } };
        int fd;

        ASSERT_EQ(rootfs_mount(mounts, 1, 0, &fd, NULL), -EOPNOTSUPP);
        ASSERT_EQ(rootfs_mount(mounts, 2, 0, &fd, NULL), -EOPNOTSUPP);
        ASSERT_EQ(rootfs_mount(mounts, 0, 0, &fd, NULL), -EOPNOTSUPP);
        ASSERT_NULL(rootfs_find_upper(mounts, 1));
        ASSERT_NULL(rootfs_find_upper(mounts, 0));
}

TEST(devices_cannot_be_opened) {
        need_mounts();
        _cleanup_(snapshot_clear) Snapshot s = new_snapshot(1, "s");
        put_node(s.dir, "up/fs/null", S_IFCHR | 0666, makedev(1, 3));
        put_node(s.dir, "up/fs/fifo", S_IFIFO | 0666, 0);
        _cleanup_close_ int fd = mount_snapshot(&s, 0);
        _cleanup_(buffer_clear) Buffer content = {};
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(rootfs_open(fd, "null", O_RDONLY, 0, NULL), -EACCES);
        _cleanup_close_ int fifo = rootfs_open(fd, "fifo", O_RDONLY, 0, NULL); /* and does not wait */
        ASSERT_OK(fifo);
        ASSERT_EQ(rootfs_read_file(fd, "fifo", 10, &content, &error), -EINVAL);
        ASSERT_STREQ(error.message, "open fifo: is a FIFO, not a regular file");
        ASSERT_EQ(rootfs_read_file(fd, "null", 10, &content, &error), -EINVAL);
}

TEST(paths_stay_inside) {
        int dir = scratch_new();
        put_file(dir, "passwd", "outside", 0644);
        put_file(dir, "root/passwd", "inside", 0644);
        put_symlink(dir, "root/etc/passwd", "/passwd");
        put_symlink(dir, "root/up", "../../../../passwd");
        put_symlink(dir, "root/magic", "/proc/self/root");
        put_symlink(dir, "root/loop", "loop");
        _cleanup_close_ int root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        static const char *const paths[] = { "passwd", "/etc/passwd", "/up", "/../../passwd",
                                             "/etc/../passwd" };
        struct stat st;
        _cleanup_(error_clear) Error error = {};

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_(buffer_clear) Buffer content = {};
                ASSERT_EQ(rootfs_read_file(root, paths[i], 6, &content, NULL), 0);
                ASSERT_EQ(content.length, 6);
                ASSERT_EQ(memcmp(content.data, "inside", 6), 0);
        }
        ASSERT_EQ(rootfs_stat(root, "/magic/etc", &st, &error), -ENOENT);
        ASSERT_EQ(rootfs_stat(root, "/loop", &st, &error), -ELOOP);
        ASSERT_EQ(rootfs_stat(root, "/up", &st, NULL), 0);
        ASSERT_EQ(st.st_size, 6);

        _cleanup_(buffer_clear) Buffer content = {};
        ASSERT_EQ(rootfs_read_file(root, "passwd", 5, &content, &error), -EFBIG);
        ASSERT_STREQ(error.message, "read passwd: file too large");
        ASSERT_EQ(rootfs_read_file(root, "nothing", 5, &content, &error), -ENOENT);
        ASSERT_STREQ(error.message, "open nothing: no such file or directory");
}

TEST(directories_are_made_inside) {
        need_root();
        int dir = scratch_new();
        _cleanup_(error_clear) Error error = {};

        put_directory(dir, "root/usr/lib", 0755);
        put_directory(dir, "root/usr/local", 02775);
        ASSERT_OK(fchownat(dir, "root/usr/local", 0, 50, 0));
        ASSERT_OK(fchmodat(dir, "root/usr/local", 02775, 0));
        put_symlink(dir, "root/lib", "usr/lib");
        put_symlink(dir, "root/srv", "/data/srv");
        put_symlink(dir, "root/out", "../../../outside/x");
        put_symlink(dir, "root/loop1", "loop2");
        put_symlink(dir, "root/loop2", "loop1");
        put_file(dir, "root/file", "f", 0644);
        _cleanup_close_ int root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        mode_t before = umask(077);

        ASSERT_EQ(rootfs_mkdir_p(root, "/", NULL, NULL), 0);
        ASSERT_EQ(rootfs_mkdir_p(root, "/usr/lib", NULL, NULL), 0);
        ASSERT_EQ(rootfs_mkdir_p(root, "/lib/a/b", NULL, NULL), 1);
        ASSERT_EQ(rootfs_mkdir_p(root, "/srv/www", NULL, NULL), 1); /* dangling: what it says is made */
        ASSERT_EQ(rootfs_mkdir_p(root, "/out/y", NULL, NULL), 1);   /* and stays inside */
        ASSERT_EQ(rootfs_mkdir_p(root, "../../new", NULL, NULL), 1);
        ASSERT_EQ(rootfs_mkdir_p(root, "/usr/local/x", NULL, NULL), 1);
        int fd;
        ASSERT_EQ(rootfs_mkdir_p(root, "/a/b/../c/./d/", &fd, NULL), 1);
        umask(before);

        ASSERT_EQ(faccessat(fd, "../../b", F_OK, 0), 0);
        close(fd);
        ASSERT_TRUE(exists(dir, "root/usr/lib/a/b"));
        ASSERT_TRUE(exists(dir, "root/data/srv/www"));
        ASSERT_TRUE(exists(dir, "root/outside/x/y"));
        ASSERT_FALSE(exists(dir, "outside"));
        ASSERT_TRUE(exists(dir, "root/new"));
        ASSERT_EQ(stat_of(dir, "root/usr/lib/a").st_mode & 07777, 0755);
        ASSERT_EQ(stat_of(dir, "root/usr/local/x").st_mode & 07777, 0755);
        ASSERT_EQ(stat_of(dir, "root/usr/local/x").st_gid, 0);

        ASSERT_EQ(rootfs_mkdir_p(root, "/file/x", NULL, &error), -ENOTDIR);
        ASSERT_STREQ(error.message, "mkdir /file/x: not a directory");
        ASSERT_EQ(rootfs_mkdir_p(root, "/file", NULL, NULL), -ENOTDIR);
        ASSERT_EQ(rootfs_mkdir_p(root, "/new2/../file/x", NULL, NULL), -ENOTDIR);
        ASSERT_EQ(rootfs_mkdir_p(root, "/loop1/x", NULL, NULL), -ELOOP);
        ASSERT_EQ(rootfs_mkdir_p(root, "", NULL, NULL), -ENOENT);
        char name[300];
        memset(name, 'n', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        ASSERT_EQ(rootfs_mkdir_p(root, name, NULL, NULL), -ENAMETOOLONG);
}

TEST(a_running_tasks_root_is_found) {
        need_mounts();
        _cleanup_(snapshot_clear) Snapshot s = new_snapshot(1, "s");
        _cleanup_(error_clear) Error error = {};
        int state = scratch_new(), fd;

        put_directory(state, "ns/acme/rootfs", 0711);
        ASSERT_EQ(rootfs_open_running(scratch_path(state), "ns", "acme", &fd, &error), -ESRCH);
        ASSERT_EQ(error.code, ERROR_NOT_RUNNING);
        ASSERT_EQ(rootfs_open_running(scratch_path(state), "ns", "nothing", &fd, &error), -ESRCH);
        ASSERT_EQ(rootfs_open_running(scratch_path(state), "ns", "../x", &fd, &error), -EINVAL);

        /* As the shim mounts; in a mount namespace of our own, so that nothing can stay. */
        ASSERT_OK(unshare(CLONE_NEWNS));
        ASSERT_OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
        put_node(s.dir, "up/fs/null", S_IFCHR | 0666, makedev(1, 3));
        _cleanup_free_ char *options = format_string("%s,%s,%s", s.lower, s.upper, s.work);
        _cleanup_free_ char *point = format_string("%s/ns/acme/rootfs", scratch_path(state));
        ASSERT_OK(mount("overlay", point, "overlay", 0, options));

        ASSERT_EQ(rootfs_open_running(scratch_path(state), "ns", "acme", &fd, &error), 0);
        ASSERT_STREQ(content_of(fd, "top"), "0");
        put_file(fd, "new", "n", 0644);
        ASSERT_STREQ(content_of(s.dir, "up/fs/new"), "n");
        ASSERT_EQ(rootfs_open(fd, "null", O_RDONLY, 0, NULL), -EACCES);
        ASSERT_OK(umount2(point, 0)); /* our copy does not keep the shim's mount busy */
        close(fd);
}
