/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/identity.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "scratch.h"
#include "test.h"

#define CLIENT 65534

static Identity client_in(int root_fd, const gid_t *groups, size_t n_groups) {
        Identity identity;

        ASSERT_EQ(identity_init(&identity, CLIENT, CLIENT, groups, n_groups, dup(root_fd), NULL), 0);
        return identity;
}

/* A line of this thread's status: "CapEff". */
static const char *status_line(const char *name, char buffer[static 256]) {
        FILE *f = fopen("/proc/thread-self/status", "re");

        while (fgets(buffer, 256, f))
                if (strncmp(buffer, name, strlen(name)) == 0)
                        break;
        fclose(f);
        return buffer;
}

TEST(opens_with_the_clients_rights) {
        need_root();
        int dir = scratch_new();
        _cleanup_(identity_clear) Identity client = client_in(dir, NULL, 0);
        _cleanup_(error_clear) Error error = {};

        put_file(dir, "secret", "s", 0600);
        put_file(dir, "public", "p", 0644);
        put_file(dir, "closed/file", "c", 0644);
        put_directory(dir, "closed", 0700);

        ASSERT_EQ(identity_open_file(&client, -EBADF, "secret", &error), -EACCES);
        ASSERT_STREQ(error.message, "open secret: permission denied");
        ASSERT_EQ(error.code, ERROR_PERMISSION_DENIED);
        ASSERT_EQ(identity_open_file(&client, -EBADF, "closed/file", NULL), -EACCES);
        ASSERT_EQ(identity_open_directory(&client, -EBADF, "closed", NULL), -EACCES);
        ASSERT_EQ(identity_open_file(&client, -EBADF, "nothing", &error), -ENOENT);
        ASSERT_STREQ(error.message, "open nothing: no such file or directory");

        _cleanup_close_ int fd = identity_open_file(&client, -EBADF, "/public", NULL);
        ASSERT_OK(fd);
        _cleanup_close_ int ours = openat(dir, "secret", O_RDONLY | O_CLOEXEC);
        ASSERT_OK(ours); /* we are ourselves again */
}

TEST(groups_are_the_clients_and_not_ours) {
        need_root();
        int dir = scratch_new();
        static const gid_t groups[] = { 4711, 4712 };
        _cleanup_(identity_clear) Identity member = client_in(dir, groups, 2),
                                           other = client_in(dir, NULL, 0);

        put_file(dir, "shared", "s", 0640);
        ASSERT_OK(fchownat(dir, "shared", 0, 4712, 0));
        put_file(dir, "ours", "s", 0640);

        _cleanup_close_ int fd = identity_open_file(&member, -EBADF, "shared", NULL);
        ASSERT_OK(fd);
        ASSERT_EQ(identity_open_file(&other, -EBADF, "shared", NULL), -EACCES);
        ASSERT_EQ(identity_open_file(&member, -EBADF, "ours", NULL), -EACCES);
}

TEST(a_turn_lowers_everything_and_gives_it_back) {
        need_root();
        int dir = scratch_new();
        static const gid_t groups[] = { 4711 };
        _cleanup_(identity_clear) Identity client = client_in(dir, groups, 1);
        static const char *const lines[] = { "CapEff:", "CapPrm:", "Uid:", "Gid:", "Groups:" };
        char before[ELEMENTSOF(lines)][256], buffer[256];
        IdentityTurn turn = {};

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                status_line(lines[i], before[i]);
        ASSERT_EQ(identity_enter(&client, &turn, NULL), 0);
        ASSERT_STREQ(status_line("CapEff:", buffer), "CapEff:\t0000000000000000\n");
        ASSERT_STREQ(status_line("CapPrm:", buffer), before[1]);
        ASSERT_STREQ(status_line("Uid:", buffer), "Uid:\t0\t0\t0\t65534\n");
        ASSERT_STREQ(status_line("Gid:", buffer), "Gid:\t0\t0\t0\t65534\n");
        ASSERT_CONTAINS(status_line("Groups:", buffer), "4711");
        errno = ENOTTY;
        identity_leave(&turn);
        ASSERT_EQ(errno, ENOTTY);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                ASSERT_STREQ(status_line(lines[i], buffer), before[i]);
        identity_leave(&turn); /* there is none any more */
}

static pthread_barrier_t barrier;

/* Waits for the other's turn, and reads who it is itself. */
static void *bystander(void *userdata) {
        char(*seen)[256] = userdata;

        pthread_barrier_wait(&barrier);
        status_line("Uid:", seen[0]);
        status_line("Groups:", seen[1]);
        pthread_barrier_wait(&barrier);
        return NULL;
}

TEST(other_threads_stay_who_they_are) {
        need_root();
        int dir = scratch_new();
        static const gid_t groups[] = { 4711 };
        _cleanup_(identity_clear) Identity client = client_in(dir, groups, 1);
        char seen[2][256], expected[2][256];
        IdentityTurn turn = {};
        pthread_t thread;

        status_line("Uid:", expected[0]);
        status_line("Groups:", expected[1]);
        pthread_barrier_init(&barrier, NULL, 2);
        ASSERT_EQ(pthread_create(&thread, NULL, bystander, seen), 0);
        ASSERT_EQ(identity_enter(&client, &turn, NULL), 0);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        identity_leave(&turn);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&barrier);
        ASSERT_STREQ(seen[0], expected[0]);
        ASSERT_STREQ(seen[1], expected[1]);
}

TEST(root_is_served_without_a_turn) {
        need_root();
        int dir = scratch_new();
        Identity root;
        IdentityTurn turn = {};

        ASSERT_EQ(identity_init(&root, 0, 5, NULL, 0, dup(dir), NULL), 0);
        ASSERT_EQ(identity_enter(&root, &turn, NULL), 0);
        ASSERT_FALSE(turn.entered);
        ASSERT_EQ(identity_enter(NULL, &turn, NULL), 0);
        identity_leave(&turn);
        identity_clear(&root);
}

/* In a child: without the rights to become another, nothing changes and it is said. */
static int try_without_rights(int dir) {
        _cleanup_(error_clear) Error error = {};
        IdentityTurn turn = {};
        Identity other;

        if (setgid(CLIENT) < 0 || setuid(CLIENT) < 0)
                return 1;
        if (identity_init(&other, 1, 1, NULL, 0, dup(dir), NULL) < 0)
                return 2;
        if (identity_enter(&other, &turn, &error) != -EPERM || turn.entered)
                return 3;
        return strcmp(error.message, "act as user 1: operation not permitted") == 0 ? 0 : 4;
}

TEST(without_rights_it_is_refused) {
        need_root();
        int dir = scratch_new(), status;

        pid_t pid = fork();
        if (pid == 0)
                _exit(try_without_rights(dir));
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_EQ(status, 0);
}

TEST(no_path_leads_out_of_the_clients_root) {
        int outside = scratch_new();
        put_file(outside, "passwd", "outside", 0644);
        put_file(outside, "jail/passwd", "inside", 0644);
        put_directory(outside, "jail/sub", 0755);
        put_symlink(outside, "jail/absolute", "/passwd");
        put_symlink(outside, "jail/up", "../../../passwd");
        put_symlink(outside, "jail/out", scratch_path(outside));
        int jail = openat(outside, "jail", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Identity client;
        char content[16] = {};

        ASSERT_EQ(identity_init(&client, geteuid(), getegid(), NULL, 0, jail, NULL), 0);
        static const char *const paths[] = { "passwd",   "/passwd", "../passwd", "sub/../../../passwd",
                                             "absolute", "up" };
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_close_ int fd = identity_open_file(&client, -EBADF, paths[i], NULL);
                ASSERT_OK(fd);
                ASSERT_EQ(read(fd, content, sizeof(content)), 6);
                ASSERT_STREQ(content, "inside");
        }
        ASSERT_EQ(identity_open_file(&client, -EBADF, "out/passwd", NULL), -ENOENT);

        /* A directory that was opened is a root of its own. */
        _cleanup_close_ int sub = identity_open_directory(&client, -EBADF, "sub", NULL);
        ASSERT_OK(sub);
        ASSERT_EQ(identity_open_file(&client, sub, "../passwd", NULL), -ENOENT);
        identity_clear(&client);
}

TEST(procfs_and_magic_links_are_closed) {
        static const char *const paths[] = {
                "/proc/self/fd/0",
                "/proc/1/exe",
                "/proc/self/root/etc/passwd",
                "/proc/self/cwd",
                "/proc/1/root",
                "/proc/1/maps",
                "/proc/self/maps",
                "/proc/self/mem",
                "/proc/self/status",
                "/proc/self/environ",
                "/proc/sys/kernel/hostname",
                "/proc/thread-self/fd/0",
        };
        int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (uid_t uid = 0; uid <= CLIENT; uid += CLIENT) {
                Identity client;

                if (geteuid() != 0 && uid != 0)
                        break;
                ASSERT_EQ(identity_init(&client, geteuid() == 0 ? uid : geteuid(), getegid(), NULL, 0,
                                        dup(root_fd), NULL),
                          0);
                for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                        int r = identity_open_file(&client, -EBADF, paths[i], NULL);
                        if (r != -EACCES && r != -ELOOP && r != -EINVAL)
                                test_fail(__FILE__, __LINE__, "%s gives %i", paths[i], r);
                        r = identity_open(&client, -EBADF, paths[i], O_RDONLY, NULL);
                        if (r >= 0)
                                test_fail(__FILE__, __LINE__, "%s can be opened", paths[i]);
                }
                ASSERT_LT(identity_open_directory(&client, -EBADF, "/proc/self/fd", NULL), 0);
                identity_clear(&client);
        }
        close(root_fd);
}

TEST(what_is_no_file_is_not_touched) {
        int dir = scratch_new();
        Identity client;
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(identity_init(&client, geteuid(), getegid(), NULL, 0, dup(dir), NULL), 0);
        put_node(dir, "fifo", S_IFIFO | 0644, 0);
        ASSERT_EQ(identity_open_file(&client, -EBADF, "fifo", &error), -EINVAL); /* and does not wait */
        ASSERT_STREQ(error.message, "open fifo: is a FIFO, not a regular file");
        ASSERT_EQ(identity_open_file(&client, -EBADF, ".", &error), -EINVAL);
        ASSERT_STREQ(error.message, "open .: is a directory, not a regular file");
        identity_clear(&client);
}

TEST(stat_follows) {
        int dir = scratch_new();
        Identity client;
        struct stat st;
        _cleanup_(error_clear) Error error = {};

        ASSERT_EQ(identity_init(&client, geteuid(), getegid(), NULL, 0, dup(dir), NULL), 0);
        put_file(dir, "file", "12345", 0644);
        put_symlink(dir, "link", "/file");
        ASSERT_EQ(identity_stat(&client, -EBADF, "link", &st, NULL), 0);
        ASSERT_EQ(st.st_size, 5);
        ASSERT_EQ(identity_stat(&client, -EBADF, "x/y", &st, &error), -ENOENT);
        ASSERT_STREQ(error.message, "stat x/y: no such file or directory");
        identity_clear(&client);
}

TEST(made_directories_are_the_clients) {
        need_root();
        int dir = scratch_new();
        _cleanup_(identity_clear) Identity client = client_in(dir, NULL, 0);
        mode_t before = umask(077);
        _cleanup_(error_clear) Error error = {};

        put_directory(dir, "home", 0755);
        ASSERT_OK(fchownat(dir, "home", CLIENT, CLIENT, 0));
        put_directory(dir, "root", 0755);
        put_symlink(dir, "home/dangling", "/home/there");

        _cleanup_close_ int fd = identity_mkdir_p(&client, -EBADF, "/home/a/../b//c/.", &error);
        umask(before);
        ASSERT_OK(fd);
        ASSERT_EQ(stat_of(dir, "home/b/c").st_uid, CLIENT);
        ASSERT_EQ(stat_of(dir, "home/b/c").st_gid, CLIENT);
        ASSERT_EQ(stat_of(dir, "home/b/c").st_mode & 07777, 0755);
        ASSERT_TRUE(exists(dir, "home/a"));

        _cleanup_close_ int through = identity_mkdir_p(&client, -EBADF, "/home/dangling/deep", NULL);
        ASSERT_OK(through);
        ASSERT_EQ(stat_of(dir, "home/there/deep").st_uid, CLIENT);

        ASSERT_EQ(identity_mkdir_p(&client, -EBADF, "/root/x", &error), -EACCES);
        ASSERT_STREQ(error.message, "mkdir /root/x: permission denied");
        ASSERT_FALSE(exists(dir, "root/x"));
}

TEST(what_is_no_identity_is_refused) {
        int dir = scratch_new();
        Identity identity = IDENTITY_NULL;

        ASSERT_EQ(identity_init(&identity, (uid_t) -1, 0, NULL, 0, dir, NULL), -EINVAL);
        ASSERT_EQ(identity_init(&identity, 0, (gid_t) -1, NULL, 0, dir, NULL), -EINVAL);
        ASSERT_EQ(identity_init(&identity, 0, 0, NULL, 0, -EBADF, NULL), -EBADF);
        put_file(dir, "file", "", 0644);
        _cleanup_close_ int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
        ASSERT_EQ(identity_init(&identity, 0, 0, NULL, 0, fd, NULL), -EINVAL);
        ASSERT_EQ(identity_init_self(&identity, NULL), 0);
        ASSERT_EQ(identity.uid, geteuid());
        identity_clear(&identity);
        identity_clear(&identity);
}
