/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/copy.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/rootfs.h"
#include "scratch.h"
#include "test.h"

#define CLIENT 65534

/* A client's root, with what is to be copied in /src; and an image's. */
typedef struct World {
        int host, image;
        Identity client;
        bool as_stage; /* the source is another stage, with owners and devices */
        CopyStatistics statistics;
        Error error;
} World;

static World new_world(void) {
        World w = { .host = scratch_new(), .image = scratch_new() };
        uid_t uid = geteuid() == 0 ? CLIENT : geteuid();
        gid_t gid = geteuid() == 0 ? CLIENT : getegid();

        put_directory(w.host, "src", 0755);
        ASSERT_EQ(identity_init(&w.client, uid, gid, NULL, 0, dup(w.host), NULL), 0);
        return w;
}

static void world_clear(World *w) {
        identity_clear(&w->client);
        error_clear(&w->error);
}

static int copy_with(World *w, const char *from, const char *to, CopyProgress progress, void *userdata) {
        _cleanup_close_ int root_fd = openat(w->host, "src", O_PATH | O_DIRECTORY | O_CLOEXEC);
        const CopySource source = {
                .root_fd = root_fd,
                .path = from,
                .identity = w->as_stage ? NULL : &w->client,
                .keep_owners = w->as_stage,
                .refuse_devices = !w->as_stage,
        };
        const CopyDestination destination = { .root_fd = w->image, .path = to };
        mode_t before = umask(077);

        error_clear(&w->error);
        w->statistics = (CopyStatistics) {};
        int r = copy_tree(&source, &destination, progress, userdata, &w->statistics, &w->error);
        umask(before);
        ASSERT_TRUE(r < 0 ? error_is_set(&w->error) : !error_is_set(&w->error));
        return r;
}

static int copy(World *w, const char *from, const char *to) {
        return copy_with(w, from, to, NULL, NULL);
}

#define ASSERT_COPIED(w, from, to) \
        do { \
                if (copy((w), (from), (to)) < 0) \
                        test_fail(__FILE__, __LINE__, "%s", error_message(&(w)->error)); \
        } while (false)

#define ASSERT_REFUSED(w, from, to, words) \
        do { \
                ASSERT_LT(copy((w), (from), (to)), 0); \
                ASSERT_STREQ(error_message(&(w)->error), (words)); \
        } while (false)

TEST(a_file_lands_where_it_should) {
        static const struct {
                const char *from, *to, *result;
        } cases[] = {
                { "file", "/new", "new" },
                { "file", "/dir", "dir/file" },
                { "file", "/dir/", "dir/file" },
                { "file", "/dir/.", "dir/file" },
                { "file", "/dir/sub/..", "dir/file" },
                { "file", "/dir/other", "dir/other" },
                { "file", "/old", "old" },
                { "file", "/", "file" },
                { "file", "/made/", "made/file" },
                { "file", "/made/deep/x", "made/deep/x" },
                { "file", "/made/deep/", "made/deep/file" },
                { "file", "/made/../up", "up" },
                { "file", "/dirlink", "dir/file" },
                { "file", "/dirlink/", "dir/file" },
                { "file", "/dirlink/x", "dir/x" },
                { "file", "/filelink", "filelink" },
                { "file", "/dangling", "dangling" },
                { "file", "/dangling/", "there/file" },
                { "file", "/dangling/x", "there/x" },
                { "file", "/escape/x", "out/x" },
                { "file", "/abslink", "dir/file" },
                { "file", "../../x", "x" },
                { "file", "relative", "relative" },
                { "link", "/dir", "dir/link" },
                { "link", "/new", "new" },
                { "chain", "/dir/", "dir/chain" },
                { "sub/../file", "/dir", "dir/file" },
                { "/file", "/new", "new" },
                { "../../../file", "/new", "new" },
                { "absolute", "/new", "new" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(world_clear) World w = new_world();

                put_file(w.host, "src/file", "content", 0640);
                ASSERT_OK(fchmodat(w.host, "src/file", 0644, 0));
                put_directory(w.host, "src/sub", 0755);
                put_symlink(w.host, "src/link", "file");
                put_symlink(w.host, "src/chain", "sub/../link");
                put_symlink(w.host, "src/absolute", "/file"); /* of its own root */
                put_directory(w.image, "dir/sub", 0755);
                put_file(w.image, "old", "a longer content than before", 0600);
                put_file(w.image, "target", "kept", 0600);
                put_symlink(w.image, "dirlink", "dir");
                put_symlink(w.image, "abslink", "/dir");
                put_symlink(w.image, "filelink", "target");
                put_symlink(w.image, "dangling", "there");
                put_symlink(w.image, "escape", "../../../../out");

                if (copy(&w, cases[i].from, cases[i].to) < 0)
                        test_fail(__FILE__, __LINE__, "%s to %s: %s", cases[i].from, cases[i].to,
                                  error_message(&w.error));
                if (!exists(w.image, cases[i].result))
                        test_fail(__FILE__, __LINE__, "%s to %s does not make %s", cases[i].from, cases[i].to,
                                  cases[i].result);
                ASSERT_STREQ(content_of(w.image, cases[i].result), "content");
                ASSERT_EQ(stat_of(w.image, cases[i].result).st_mode, S_IFREG | 0644);
                ASSERT_STREQ(content_of(w.image, "target"), "kept");
                ASSERT_EQ(w.statistics.entries, 1);
                ASSERT_EQ(w.statistics.bytes, 7);
        }
}

TEST(parents_are_made_with_their_usual_mode) {
        _cleanup_(world_clear) World w = new_world();

        put_file(w.host, "src/file", "", 0644);
        ASSERT_COPIED(&w, "file", "/a/b/c");
        ASSERT_EQ(stat_of(w.image, "a").st_mode & 07777, 0755);
        ASSERT_EQ(stat_of(w.image, "a/b").st_mode & 07777, 0755);
        ASSERT_EQ(stat_of(w.image, "a/b").st_uid, geteuid());
}

TEST(a_directorys_contents_land_where_they_should) {
        static const struct {
                const char *from, *to, *result;
        } cases[] = {
                { "tree", "/new", "new/sub/file" },        { "tree", "/new/", "new/sub/file" },
                { "tree/", "/dir", "dir/sub/file" },       { "tree", "/", "sub/file" },
                { "tree", "/a/b/c", "a/b/c/sub/file" },    { "treelink", "/new", "new/sub/file" },
                { "tree", "/dirlink", "dir/sub/file" },    { "tree", "/dangling", "there/sub/file" },
                { "tree/.", "/new", "new/sub/file" },      { "tree/sub/..", "/new", "new/sub/file" },
                { "tree", "/escape/x", "out/x/sub/file" }, { ".", "/new", "new/tree/sub/file" },
                { "/", "/new", "new/tree/sub/file" },      { "..", "/new", "new/tree/sub/file" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(world_clear) World w = new_world();

                put_file(w.host, "src/tree/sub/file", "content", 0644);
                put_symlink(w.host, "src/treelink", "tree");
                put_directory(w.image, "dir", 0755);
                put_symlink(w.image, "dirlink", "dir");
                put_symlink(w.image, "dangling", "there");
                put_symlink(w.image, "escape", "../../../../out");
                if (copy(&w, cases[i].from, cases[i].to) < 0)
                        test_fail(__FILE__, __LINE__, "%s to %s: %s", cases[i].from, cases[i].to,
                                  error_message(&w.error));
                if (!exists(w.image, cases[i].result))
                        test_fail(__FILE__, __LINE__, "%s to %s does not make %s", cases[i].from, cases[i].to,
                                  cases[i].result);
                ASSERT_STREQ(content_of(w.image, cases[i].result), "content");
        }
}

TEST(types_that_conflict_are_refused) {
        _cleanup_(world_clear) World w = new_world();

        put_file(w.host, "src/file", "f", 0644);
        put_file(w.host, "src/tree/name/x", "x", 0644);
        put_file(w.host, "src/files/name", "x", 0644);
        put_symlink(w.host, "src/links/name", "x");
        put_file(w.image, "old", "o", 0644);
        put_file(w.image, "a/name", "o", 0644);
        put_directory(w.image, "b/name", 0755);
        put_directory(w.image, "c/file", 0755);
        put_symlink(w.image, "d/name", "nowhere");
        put_symlink(w.image, "loop", "loop");

        ASSERT_REFUSED(&w, "tree", "/old",
                       "copy tree to /old: a directory cannot replace what is no directory");
        ASSERT_REFUSED(&w, "tree", "/a",
                       "copy tree/name to /a/name: a directory cannot replace what is no directory");
        ASSERT_REFUSED(&w, "tree", "/d",
                       "copy tree/name to /d/name: a directory cannot replace what is no directory");
        ASSERT_REFUSED(&w, "files", "/b",
                       "copy files/name to /b/name: a regular file cannot replace a directory");
        ASSERT_REFUSED(&w, "links", "/b",
                       "copy links/name to /b/name: a symbolic link cannot replace a directory");
        ASSERT_REFUSED(&w, "file", "/c", "copy file to /c/file: a regular file cannot replace a directory");
        ASSERT_REFUSED(&w, "file", "/old/", "mkdir /old/: not a directory");
        ASSERT_REFUSED(&w, "file", "/old/x", "mkdir /old/: not a directory");
        ASSERT_REFUSED(&w, "file", "/loop/x", "mkdir /loop/: too many levels of symbolic links");
        ASSERT_EQ(w.error.code, ERROR_INVALID_ARGUMENT);
        ASSERT_COPIED(&w, "file", "/loop"); /* no directory, and so replaced */
}

TEST(what_cannot_be_read_is_named) {
        need_root();
        _cleanup_(world_clear) World w = new_world();
        int root = w.host;

        put_file(root, "src/secret", "s", 0600);
        put_file(root, "src/tree/a/secret", "s", 0600);
        put_file(root, "src/closed/d/x", "s", 0644);
        put_directory(root, "src/closed/d", 0700);
        put_directory(root, "src/list-only", 0755);
        put_file(root, "src/list-only/x", "x", 0644);
        ASSERT_OK(fchmodat(root, "src/list-only", 0744, 0));
        put_symlink(root, "src/link", "/secret");

        ASSERT_REFUSED(&w, "nope", "/x", "stat nope: no such file or directory");
        ASSERT_EQ(w.error.code, ERROR_NOT_FOUND);
        ASSERT_REFUSED(&w, "secret/x", "/x", "stat secret/x: not a directory");
        ASSERT_REFUSED(&w, "secret", "/x", "open secret: permission denied");
        ASSERT_EQ(w.error.code, ERROR_PERMISSION_DENIED);
        ASSERT_REFUSED(&w, "link", "/x", "open link: permission denied");
        ASSERT_REFUSED(&w, "tree", "/x", "open tree/a/secret: permission denied");
        ASSERT_REFUSED(&w, "closed", "/x", "open closed/d: permission denied");
        ASSERT_REFUSED(&w, "list-only", "/x", "open list-only: permission denied");
        ASSERT_REFUSED(&w, "closed/d/x", "/x", "stat closed/d/x: permission denied");
        ASSERT_REFUSED(&w, "", "/x", "stat : no such file or directory");

        /* As ourselves all of it is readable: it is the identity that refuses. */
        w.as_stage = true;
        ASSERT_COPIED(&w, "tree", "/x");
        ASSERT_COPIED(&w, "closed", "/x");
}

TEST(what_is_there_is_replaced_not_written_to) {
        _cleanup_(world_clear) World w = new_world();

        put_file(w.host, "src/file", "new", 0644);
        put_file(w.image, "file", "old", 0644);
        ASSERT_OK(linkat(w.image, "file", w.image, "other", 0));
        ASSERT_COPIED(&w, "file", "/file");
        ASSERT_STREQ(content_of(w.image, "file"), "new");
        ASSERT_STREQ(content_of(w.image, "other"), "old");

        put_symlink(w.host, "src/tree/link", "somewhere");
        put_node(w.host, "src/tree/fifo", S_IFIFO | 0644, 0);
        put_file(w.image, "tree/link", "old", 0644);
        put_file(w.image, "tree/fifo", "old", 0644);
        ASSERT_COPIED(&w, "tree", "/tree");
        ASSERT_STREQ(target_of(w.image, "tree/link"), "somewhere");
        ASSERT_TRUE(S_ISFIFO(stat_of(w.image, "tree/fifo").st_mode));
}

TEST(a_symlink_to_a_directory_is_one_for_directories_alone) {
        _cleanup_(world_clear) World w = new_world();

        put_symlink(w.host, "src/rootfs/lib", "usr/lib");
        put_file(w.host, "src/rootfs/usr/lib/new.so", "new", 0644);
        put_file(w.host, "src/rootfs/bin", "a file", 0644);
        put_file(w.host, "src/rootfs/sbin/init", "init", 0644);
        put_file(w.image, "usr/lib/old.so", "old", 0644);
        put_symlink(w.image, "lib", "usr/lib");
        put_symlink(w.image, "bin", "usr/lib");
        put_symlink(w.image, "sbin", "/usr/lib");

        ASSERT_COPIED(&w, "rootfs", "/");
        ASSERT_STREQ(target_of(w.image, "lib"), "usr/lib");
        ASSERT_STREQ(content_of(w.image, "bin"), "a file");
        ASSERT_STREQ(target_of(w.image, "sbin"), "/usr/lib");
        ASSERT_TRUE(exists(w.image, "usr/lib/old.so"));
        ASSERT_TRUE(exists(w.image, "usr/lib/new.so"));
        ASSERT_TRUE(exists(w.image, "usr/lib/init"));
}

TEST(directories_that_are_there_stay_as_they_are) {
        need_root();
        _cleanup_(world_clear) World w = new_world();
        w.as_stage = true;

        put_directory(w.host, "src/rootfs/tmp", 0700);
        put_file(w.host, "src/rootfs/tmp/x", "x", 0644);
        put_directory(w.host, "src/rootfs/new", 0751);
        put_file(w.host, "src/rootfs/lib/foo.so", "x", 0644);
        ASSERT_OK(fchmodat(w.host, "src/rootfs", 0700, 0));
        ASSERT_OK(fchownat(w.host, "src/rootfs/new", 7, 8, 0));
        put_directory(w.image, "tmp", 01777);
        put_directory(w.image, "usr/lib", 0755);
        put_symlink(w.image, "lib", "usr/lib");

        ASSERT_COPIED(&w, "rootfs", "/");
        ASSERT_EQ(stat_of(w.image, ".").st_mode & 07777, 0755);
        ASSERT_EQ(stat_of(w.image, "tmp").st_mode & 07777, 01777);
        ASSERT_TRUE(exists(w.image, "tmp/x"));
        ASSERT_EQ(stat_of(w.image, "new").st_mode & 07777, 0751);
        ASSERT_EQ(stat_of(w.image, "new").st_uid, 7);
        ASSERT_EQ(stat_of(w.image, "new").st_gid, 8);
        ASSERT_TRUE(exists(w.image, "usr/lib/foo.so"));
        ASSERT_STREQ(target_of(w.image, "lib"), "usr/lib");
        ASSERT_EQ(w.statistics.entries, 3);
}

TEST(everything_about_a_file_survives) {
        need_root();
        for (int as_stage = 0; as_stage <= 1; as_stage++) {
                _cleanup_(world_clear) World w = new_world();
                static const struct timespec times[2] = { { 1, 2 }, { 1234567890, 987654321 } };
                static const char capability[20] = { 1, 0, 0, 2, 0, 4 };
                uid_t uid = as_stage ? 12 : 0;
                gid_t gid = as_stage ? 34 : 0;
                char value[64] = {};

                w.as_stage = as_stage;
                put_file(w.host, "src/tree/setuid", "s", 0);
                ASSERT_OK(fchownat(w.host, "src/tree/setuid", 12, 34, 0));
                ASSERT_OK(fchmodat(w.host, "src/tree/setuid", 06755, 0));
                _cleanup_close_ int in = openat(w.host, "src/tree/setuid", O_RDONLY | O_CLOEXEC);
                ASSERT_OK(fsetxattr(in, "user.small", "value", 5, 0));
                char large[2000];
                memset(large, 'v', sizeof(large));
                ASSERT_OK(fsetxattr(in, "user.large", large, sizeof(large), 0));
                ASSERT_OK(fsetxattr(in, "user.overlay.opaque", "y", 1, 0));
                ASSERT_OK(fsetxattr(in, "trusted.overlay.opaque", "y", 1, 0));
                ASSERT_OK(fsetxattr(in, "security.capability", capability, sizeof(capability), 0));
                ASSERT_OK(futimens(in, times));
                put_symlink(w.host, "src/tree/link", "../../absolutely/anything");
                ASSERT_OK(fchownat(w.host, "src/tree/link", 12, 34, AT_SYMLINK_NOFOLLOW));
                ASSERT_OK(utimensat(w.host, "src/tree/link", times, AT_SYMLINK_NOFOLLOW));
                put_node(w.host, "src/tree/fifo", S_IFIFO | 0622, 0);
                ASSERT_OK(fchownat(w.host, "src/tree/fifo", 12, 34, 0));
                ASSERT_OK(utimensat(w.host, "src/tree/fifo", times, 0));
                put_directory(w.host, "src/tree/dir/sub", 0755);
                put_file(w.host, "src/tree/dir/x", "x", 0644);
                ASSERT_OK(fchownat(w.host, "src/tree/dir", 12, 34, 0));
                ASSERT_OK(fchmodat(w.host, "src/tree/dir", 03775, 0));
                _cleanup_close_ int in_dir = openat(w.host, "src/tree/dir", O_RDONLY | O_CLOEXEC);
                ASSERT_OK(fsetxattr(in_dir, "user.dir", "d", 1, 0));
                ASSERT_OK(utimensat(w.host, "src/tree/dir", times, 0));
                ASSERT_OK(utimensat(w.host, "src/tree", times, 0));

                ASSERT_COPIED(&w, "tree", "/copy");

                static const char *const paths[] = { "copy", "copy/setuid", "copy/link", "copy/fifo",
                                                     "copy/dir" };
                for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                        struct stat st = stat_of(w.image, paths[i]);
                        ASSERT_EQ(st.st_mtim.tv_sec, times[1].tv_sec);
                        ASSERT_EQ(st.st_mtim.tv_nsec, times[1].tv_nsec);
                        if (i > 0) {
                                ASSERT_EQ(st.st_uid, uid);
                                ASSERT_EQ(st.st_gid, gid);
                        }
                }
                ASSERT_EQ(stat_of(w.image, "copy/setuid").st_mode & 07777, 06755);
                ASSERT_EQ(stat_of(w.image, "copy/fifo").st_mode, S_IFIFO | 0622);
                ASSERT_EQ(stat_of(w.image, "copy/dir").st_mode & 07777, 03775);
                ASSERT_STREQ(target_of(w.image, "copy/link"), "../../absolutely/anything");
                _cleanup_close_ int out = openat(w.image, "copy/setuid", O_RDONLY | O_CLOEXEC);
                ASSERT_EQ(fgetxattr(out, "user.small", value, sizeof(value)), 5);
                ASSERT_EQ(fgetxattr(out, "user.large", large, sizeof(large)), sizeof(large));
                ASSERT_EQ(fgetxattr(out, "security.capability", value, sizeof(value)), sizeof(capability));
                ASSERT_EQ(memcmp(value, capability, sizeof(capability)), 0);
                ASSERT_LT(fgetxattr(out, "user.overlay.opaque", value, sizeof(value)), 0);
                ASSERT_LT(fgetxattr(out, "trusted.overlay.opaque", value, sizeof(value)), 0);
                _cleanup_close_ int out_dir = openat(w.image, "copy/dir", O_RDONLY | O_CLOEXEC);
                ASSERT_EQ(fgetxattr(out_dir, "user.dir", value, sizeof(value)), 1);
        }
}

TEST(a_parent_with_setgid_does_not_change_owners) {
        need_root();
        _cleanup_(world_clear) World w = new_world();

        put_file(w.host, "src/tree/file", "f", 0644);
        put_symlink(w.host, "src/tree/link", "f");
        put_directory(w.host, "src/tree/dir", 0755);
        put_directory(w.image, "staff", 0755);
        ASSERT_OK(fchownat(w.image, "staff", 0, 50, 0));
        ASSERT_OK(fchmodat(w.image, "staff", 02775, 0));
        ASSERT_COPIED(&w, "tree", "/staff");
        ASSERT_EQ(stat_of(w.image, "staff/file").st_gid, 0);
        ASSERT_EQ(stat_of(w.image, "staff/link").st_gid, 0);
        ASSERT_EQ(stat_of(w.image, "staff/dir").st_gid, 0);
        ASSERT_EQ(stat_of(w.image, "staff/dir").st_mode & 07777, 0755);
}

TEST(hard_links_stay_one_file) {
        _cleanup_(world_clear) World w = new_world();
        char name[64];

        put_file(w.host, "src/tree/a/first", "content", 0644);
        put_directory(w.host, "src/tree/b", 0755);
        for (unsigned i = 0; i < 200; i++) {
                snprintf(name, sizeof(name), "src/tree/b/%u", i);
                ASSERT_OK(linkat(w.host, "src/tree/a/first", w.host, name, 0));
                snprintf(name, sizeof(name), "src/tree/own-%u", i);
                put_file(w.host, name, "own", 0644);
                snprintf(name, sizeof(name), "src/outside-%u", i);
                ASSERT_OK(linkat(w.host, "src/tree/a/first", w.host, name, 0));
        }
        put_file(w.image, "tree/b/7", "in the way", 0644);
        ASSERT_COPIED(&w, "tree", "/tree");
        ASSERT_EQ(stat_of(w.image, "tree/a/first").st_nlink, 201);
        ASSERT_EQ(stat_of(w.image, "tree/a/first").st_ino, stat_of(w.image, "tree/b/7").st_ino);
        ASSERT_EQ(stat_of(w.image, "tree/own-5").st_nlink, 1);
        ASSERT_EQ(w.statistics.bytes, 7 + 200 * 3);

        /* A copy of its own is not linked to that of another step. */
        ASSERT_COPIED(&w, "tree", "/again");
        ASSERT_EQ(stat_of(w.image, "again/a/first").st_nlink, 201);
        ASSERT_EQ(stat_of(w.image, "tree/a/first").st_nlink, 201);
}

TEST(holes_stay_holes) {
        _cleanup_(world_clear) World w = new_world();
        char byte = 0;

        put_directory(w.host, "src/tree", 0755);
        _cleanup_close_ int in = openat(w.host, "src/tree/sparse", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
        ASSERT_OK(in);
        ASSERT_OK(fchmod(in, 0644));
        ASSERT_OK(ftruncate(in, (off_t) GIB(9)));
        ASSERT_EQ(pwrite(in, "begin", 5, 0), 5);
        ASSERT_EQ(pwrite(in, "middle", 6, (off_t) GIB(5) + 12345), 6);
        ASSERT_EQ(pwrite(in, "end", 3, (off_t) GIB(9) - 3), 3);
        _cleanup_close_ int hole = openat(w.host, "src/tree/hole", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
        ASSERT_OK(ftruncate(hole, (off_t) GIB(1)));
        ASSERT_OK(fchmod(hole, 0644));

        ASSERT_COPIED(&w, "tree", "/tree");
        struct stat st = stat_of(w.image, "tree/sparse");
        ASSERT_EQ(st.st_size, GIB(9));
        ASSERT_LT(st.st_blocks * 512, MIB(1));
        ASSERT_EQ(stat_of(w.image, "tree/hole").st_size, GIB(1));
        ASSERT_LT(stat_of(w.image, "tree/hole").st_blocks * 512, MIB(1));
        _cleanup_close_ int out = openat(w.image, "tree/sparse", O_RDONLY | O_CLOEXEC);
        char text[8] = {};
        ASSERT_EQ(pread(out, text, 5, 0), 5);
        ASSERT_STREQ(text, "begin");
        ASSERT_EQ(pread(out, text, 6, (off_t) GIB(5) + 12345), 6);
        ASSERT_STREQ(text, "middle");
        ASSERT_EQ(pread(out, text, 3, (off_t) GIB(9) - 3), 3);
        ASSERT_EQ(memcmp(text, "end", 3), 0);
        ASSERT_EQ(pread(out, &byte, 1, (off_t) GIB(2)), 1);
        ASSERT_EQ(byte, 0);
        ASSERT_LT(w.statistics.bytes, MIB(1));
}

TEST(content_of_every_size_is_whole) {
        static const size_t sizes[] = { 1, 4095, 4096, 65535, 65536, 65537, 262144, 262145, 5 << 20 };
        _cleanup_(world_clear) World w = new_world();
        _cleanup_free_ char *data = malloc(5 << 20), *back = malloc(5 << 20);
        char name[64];

        for (size_t i = 0; i < 5 << 20; i++)
                data[i] = (char) (i * 2654435761u >> 13);
        put_directory(w.host, "src/tree", 0755);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                snprintf(name, sizeof(name), "src/tree/%zu", sizes[i]);
                _cleanup_close_ int fd = openat(w.host, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
                ASSERT_OK(write_all(fd, data, sizes[i]));
                ASSERT_OK(fchmod(fd, 0644));
        }
        for (int as_stage = 0; as_stage <= 1; as_stage++) {
                w.as_stage = as_stage;
                ASSERT_COPIED(&w, "tree", as_stage ? "/stage" : "/host");
                for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                        snprintf(name, sizeof(name), "%s/%zu", as_stage ? "stage" : "host", sizes[i]);
                        _cleanup_close_ int fd = openat(w.image, name, O_RDONLY | O_CLOEXEC);
                        ASSERT_EQ(stat_of(w.image, name).st_size, sizes[i]);
                        ASSERT_EQ(read_all(fd, back, sizes[i]), sizes[i]);
                        ASSERT_EQ(memcmp(data, back, sizes[i]), 0);
                }
        }
}

/* More than fit into one batch, so that both threads are at work. */
#define MANY 300

static void put_many(int dir_fd) {
        char name[64], content[64];

        for (unsigned i = 0; i < MANY; i++) {
                snprintf(name, sizeof(name), "src/many/%u", i);
                snprintf(content, sizeof(content), "content of %u", i);
                put_file(dir_fd, name, content, i % 2 ? 0600 : 04755);
                ASSERT_OK(fchownat(dir_fd, name, CLIENT, CLIENT, AT_SYMLINK_NOFOLLOW));
                ASSERT_OK(fchmodat(dir_fd, name, i % 2 ? 0600 : 04755, 0));
        }
}

TEST(many_small_files_are_all_whole) {
        need_root();
        _cleanup_(world_clear) World w = new_world();
        char name[64], content[64];

        put_many(w.host);
        ASSERT_COPIED(&w, "many", "/there");
        ASSERT_EQ(w.statistics.entries, MANY + 1);
        ASSERT_EQ(count_entries(w.image, "there"), MANY);
        for (unsigned i = 0; i < MANY; i++) {
                snprintf(name, sizeof(name), "there/%u", i);
                snprintf(content, sizeof(content), "content of %u", i);
                ASSERT_STREQ(content_of(w.image, name), content);
                ASSERT_EQ(stat_of(w.image, name).st_mode & 07777, i % 2 ? 0600U : 04755U);
                ASSERT_EQ(stat_of(w.image, name).st_uid, 0U);
        }
}

TEST(a_full_disk_is_said_with_the_file) {
        need_mounts();
        _cleanup_(world_clear) World w = new_world();
        _cleanup_close_ int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);

        put_many(w.host);
        ASSERT_OK(fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", "256k", 0));
        ASSERT_OK(fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
        int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
        ASSERT_OK(fd);
        w.image = fd;
        ASSERT_EQ(copy(&w, "many", "/there"), -ENOSPC);
        ASSERT_CONTAINS(error_message(&w.error), "/there/");
        ASSERT_CONTAINS(error_message(&w.error), "no space left");
        close(fd);
}

static void put_socket(int dir_fd, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", scratch_path(dir_fd), name);
        ASSERT_OK(bind(fd, (struct sockaddr *) &address, sizeof(address)));
        close(fd);
}

TEST(special_files_are_dealt_with) {
        need_root();
        _cleanup_(world_clear) World w = new_world();

        put_directory(w.host, "src/tree", 0755);
        put_socket(w.host, "src/tree/socket");
        put_node(w.host, "src/tree/fifo", S_IFIFO | 0600, 0); /* which the client may not even open */
        put_node(w.host, "src/devices/null", S_IFCHR | 0666, makedev(1, 3));
        put_node(w.host, "src/devices/disk", S_IFBLK | 0660, makedev(8, 1));

        ASSERT_COPIED(&w, "tree", "/tree");
        ASSERT_FALSE(exists(w.image, "tree/socket"));
        ASSERT_EQ(stat_of(w.image, "tree/fifo").st_mode, S_IFIFO | 0600);
        ASSERT_COPIED(&w, "tree/fifo", "/fifo");
        ASSERT_TRUE(S_ISFIFO(stat_of(w.image, "fifo").st_mode));
        ASSERT_REFUSED(&w, "tree/socket", "/x", "copy tree/socket: is a socket");
        ASSERT_REFUSED(&w, "devices/null", "/x", "copy devices/null: devices are not copied from the host");
        ASSERT_LT(copy(&w, "devices", "/x"), 0);
        ASSERT_EQ(w.error.code, ERROR_UNSUPPORTED);

        w.as_stage = true;
        ASSERT_COPIED(&w, "devices", "/stage");
        ASSERT_EQ(stat_of(w.image, "stage/null").st_mode, S_IFCHR | 0666);
        ASSERT_EQ(stat_of(w.image, "stage/null").st_rdev, makedev(1, 3));
        ASSERT_EQ(stat_of(w.image, "stage/disk").st_mode, S_IFBLK | 0660);
}

/* In a child, as its rights do not come back. */
static int copy_without_mknod(World *w) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        if (syscall(SYS_capget, &header, data) < 0)
                return 1;
        data[CAP_TO_INDEX(CAP_MKNOD)].effective &= ~CAP_TO_MASK(CAP_MKNOD);
        if (syscall(SYS_capset, &header, data) < 0)
                return 2;
        if (copy(w, "fifo", "/fifo") < 0) /* which needs no right */
                return 3;
        if (copy(w, "null", "/null") != -EOPNOTSUPP)
                return 4;
        return strcmp(error_message(&w->error),
                      "create /null: making a device takes CAP_MKNOD, which cruxd does not have") == 0
                       ? 0
                       : 5;
}

TEST(without_the_right_to_make_devices_it_says_so) {
        need_root();
        _cleanup_(world_clear) World w = new_world();
        int status;

        w.as_stage = true;
        put_node(w.host, "src/null", S_IFCHR | 0666, makedev(1, 3));
        put_node(w.host, "src/fifo", S_IFIFO | 0644, 0);
        pid_t pid = fork();
        if (pid == 0)
                _exit(copy_without_mknod(&w));
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_EQ(status, 0);
}

TEST(procfs_is_not_copied) {
        Identity client;
        _cleanup_(error_clear) Error error = {};
        int image = scratch_new();
        static const char *const paths[] = { "/proc/self/maps", "/proc/self/status",  "/proc/self/task",
                                             "/proc/self/fd/0", "/proc/self/environ", "/proc/1/root",
                                             "/proc/sys/kernel" };

        ASSERT_EQ(identity_init_self(&client, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                const CopySource source = { .root_fd = client.root_fd,
                                            .path = paths[i],
                                            .identity = &client };
                const CopyDestination destination = { .root_fd = image, .path = "/x" };
                int r = copy_tree(&source, &destination, NULL, NULL, NULL, &error);
                if (r != -EACCES && r != -ELOOP)
                        test_fail(__FILE__, __LINE__, "%s: %i", paths[i], r);
                ASSERT_FALSE(exists(image, "x/status"));
        }
        identity_clear(&client);
}

TEST(no_path_leads_out_of_the_source) {
        _cleanup_(world_clear) World w = new_world();

        put_file(w.host, "secret", "outside", 0644);
        put_directory(w.host, "outside", 0755);
        put_file(w.host, "outside/secret", "outside", 0644);
        put_symlink(w.host, "src/up", "../secret");
        put_symlink(w.host, "src/down", "../outside");
        put_symlink(w.host, "src/tree/dir", "../../outside");
        _cleanup_free_ char *target = format_string("%s/secret", scratch_path(w.host));
        put_symlink(w.host, "src/absolute", target);

        ASSERT_REFUSED(&w, "../secret", "/x", "stat ../secret: no such file or directory");
        ASSERT_REFUSED(&w, "up", "/x", "stat up: no such file or directory");
        ASSERT_REFUSED(&w, "absolute", "/x", "stat absolute: no such file or directory");
        ASSERT_REFUSED(&w, "down/secret", "/x", "stat down/secret: no such file or directory");
        ASSERT_COPIED(&w, "tree", "/tree"); /* as it is, not what it points to */
        ASSERT_STREQ(target_of(w.image, "tree/dir"), "../../outside");
}

TEST(a_directory_is_not_copied_into_itself) {
        _cleanup_(world_clear) World w = new_world();
        _cleanup_close_ int root = openat(w.host, "src", O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(error_clear) Error error = {};

        put_file(w.host, "src/a/file", "x", 0644);
        const CopySource source = { .root_fd = root, .path = "a" };
        CopyDestination destination = { .root_fd = root, .path = "/a/b/c" };
        ASSERT_EQ(copy_tree(&source, &destination, NULL, NULL, NULL, &error), -EINVAL);
        ASSERT_STREQ(error.message, "copy a to /a/b/c: a/b/c is in what it would be copied to");
        destination.path = "/a";
        ASSERT_EQ(copy_tree(&source, &destination, NULL, NULL, NULL, &error), -EINVAL);

        /* Where the destination is written to, when it is seen by another inode. */
        _cleanup_free_ char *upper = format_string("%s/src/a/upper", scratch_path(w.host));
        put_directory(w.host, "src/a/upper", 0755);
        destination = (CopyDestination) { .root_fd = w.image, .path = "/x", .upper = upper };
        ASSERT_EQ(copy_tree(&source, &destination, NULL, NULL, NULL, &error), -EINVAL);
        ASSERT_STREQ(error.message, "copy a to /x: a/upper is in what it would be copied to");
}

/* Makes a directory and goes into it. */
static int enter(int fd, const char *name) {
        ASSERT_OK(mkdirat(fd, name, 0755));
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        return next;
}

TEST(trees_may_be_deep_up_to_the_length_of_a_path) {
        _cleanup_(world_clear) World w = new_world();
        int fd = enter(openat(w.host, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "deep");
        char path[4096] = "deep", name[200];

        for (unsigned i = 0; i < 800; i++) {
                fd = enter(fd, "d");
                strcat(path, "/d");
        }
        ASSERT_COPIED(&w, "deep", "/deep");
        ASSERT_TRUE(exists(w.image, path));

        memset(name, 'd', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        for (unsigned i = 0; i < 20; i++)
                fd = enter(fd, name);
        close(fd);
        ASSERT_EQ(copy(&w, "deep", "/deeper"), -ENAMETOOLONG);
        ASSERT_CONTAINS(error_message(&w.error), "file name too long");
}

TEST(what_is_still_to_be_done_is_bounded) {
        _cleanup_(world_clear) World w = new_world();
        int fd = enter(openat(w.host, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "deep");
        char name[200];

        memset(name, 'd', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        for (unsigned i = 0; i < 19; i++)
                fd = enter(fd, name);
        for (unsigned i = 0; i < COPY_PENDING_MAX / (19 * sizeof(name)) + 10; i++) {
                snprintf(name, sizeof(name), "%u", i);
                ASSERT_OK(mkdirat(fd, name, 0755));
        }
        close(fd);
        ASSERT_EQ(copy(&w, "deep", "/deep"), -EINVAL);
        ASSERT_CONTAINS(error_message(&w.error), "the paths of its directories take more than");
}

typedef struct Limit {
        uint64_t bytes, entries;
        unsigned calls;
} Limit;

static int stop_at_limit(void *userdata, const CopyStatistics *so_far) {
        Limit *limit = userdata;

        limit->calls++;
        return so_far->bytes >= limit->bytes || so_far->entries >= limit->entries ? -ECANCELED : 0;
}

TEST(a_copy_can_be_cancelled) {
        _cleanup_(world_clear) World w = new_world();
        Limit limit = { .bytes = MIB(20), .entries = UINT64_MAX };
        char name[64];

        _cleanup_close_ int fd = openat(w.host, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        put_directory(fd, "big", 0755);
        _cleanup_close_ int big = openat(fd, "big/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        ASSERT_OK(fallocate(big, 0, 0, (off_t) MIB(64)));
        ASSERT_OK(fchmod(big, 0644));
        _cleanup_free_ char *data = calloc(1, MIB(64));
        ASSERT_OK(write_all(big, data, MIB(64)));
        ASSERT_EQ(copy_with(&w, "big", "/x", stop_at_limit, &limit), -ECANCELED);
        ASSERT_EQ(w.error.code, ERROR_CANCELLED);
        ASSERT_LT(w.statistics.bytes, MIB(30));

        for (unsigned i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "many/%u", i);
                put_file(fd, name, "x", 0644);
        }
        limit = (Limit) { .bytes = UINT64_MAX, .entries = 10 };
        ASSERT_EQ(copy_with(&w, "many", "/y", stop_at_limit, &limit), -ECANCELED);
        ASSERT_EQ(w.statistics.entries, 10);
}

TEST(an_overlay_is_a_destination_like_any) {
        need_mounts();
        _cleanup_(world_clear) World w = new_world();
        int dir = scratch_new(), fd;
        put_file(dir, "lower/etc/old", "old", 0644);
        put_file(dir, "lower/etc/gone", "old", 0644);
        put_directory(dir, "upper", 0755);
        put_directory(dir, "work", 0755);
        _cleanup_free_ char *lower = format_string("lowerdir=%s/lower", scratch_path(dir));
        _cleanup_free_ char *upper = format_string("upperdir=%s/upper", scratch_path(dir));
        _cleanup_free_ char *work = format_string("workdir=%s/work", scratch_path(dir));
        const char *const options[] = { lower, upper, work, NULL };
        const RootfsMount mount = { .type = "overlay", .source = "overlay", .options = options };

        ASSERT_EQ(rootfs_mount(&mount, 1, 0, &fd, NULL), 0);
        int plain = w.image;
        w.image = fd;
        put_file(w.host, "src/etc/old", "new", 04755);
        put_file(w.host, "src/etc/new", "new", 0644);
        ASSERT_OK(linkat(w.host, "src/etc/new", w.host, "src/etc/linked", 0));
        put_node(w.host, "src/etc/fifo", S_IFIFO | 0644, 0);
        ASSERT_OK(unlinkat(fd, "etc/gone", 0));
        put_file(w.host, "src/etc/gone", "back", 0644);
        ASSERT_COPIED(&w, "etc", "/etc");
        ASSERT_STREQ(content_of(fd, "etc/old"), "new");
        ASSERT_EQ(stat_of(fd, "etc/old").st_mode & 07777, 04755);
        ASSERT_STREQ(content_of(fd, "etc/gone"), "back");
        ASSERT_EQ(stat_of(fd, "etc/linked").st_nlink, 2);
        ASSERT_STREQ(content_of(dir, "lower/etc/old"), "old");
        ASSERT_STREQ(content_of(dir, "upper/etc/old"), "new");

        /* From there to another stage. */
        World other = new_world();
        ASSERT_EQ(renameat(other.host, "src", other.host, "away"), 0);
        const CopySource source = { .root_fd = fd, .path = "/etc", .keep_owners = true };
        const CopyDestination destination = { .root_fd = plain, .path = "/etc" };
        ASSERT_EQ(copy_tree(&source, &destination, NULL, NULL, NULL, NULL), 0);
        ASSERT_EQ(stat_of(plain, "etc/linked").st_nlink, 2);
        ASSERT_EQ(count_entries(plain, "etc"), 5);
        world_clear(&other);
        close(fd);
}
