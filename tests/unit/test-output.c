/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/output.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "scratch.h"
#include "test.h"

#define CLIENT 65534

static uid_t client_uid(void) {
        return geteuid() == 0 ? CLIENT : geteuid();
}

/* A home that a client has, in a root of its own. */
static Identity new_client(int *ret_dir) {
        Identity client;
        int dir = scratch_new();

        put_directory(dir, "home", 0755);
        ASSERT_OK(fchownat(dir, "home", client_uid(), (gid_t) -1, 0));
        ASSERT_EQ(identity_init(&client, client_uid(), geteuid() == 0 ? CLIENT : getegid(), NULL, 0, dup(dir),
                                NULL),
                  0);
        *ret_dir = dir;
        return client;
}

static void write_and_commit(const Identity *client, const char *content, OutputFlags flags) {
        _cleanup_(output_freep) Output *output = NULL;
        mode_t before = umask(077);

        ASSERT_EQ(output_open(client, -EBADF, "/home/out", "image.tar", flags, &output, NULL), 0);
        umask(before);
        ASSERT_EQ(write(output_fd(output), content, strlen(content)), strlen(content));
        ASSERT_EQ(output_commit(output, NULL), 0);
}

TEST(appears_whole_and_belongs_to_the_client) {
        for (OutputFlags flags = 0; flags <= OUTPUT_NAMED; flags++) {
                int dir;
                _cleanup_(identity_clear) Identity client = new_client(&dir);

                write_and_commit(&client, "first", flags);
                ASSERT_STREQ(content_of(dir, "home/out/image.tar"), "first");
                struct stat st = stat_of(dir, "home/out/image.tar");
                ASSERT_EQ(st.st_uid, client_uid());
                ASSERT_EQ(st.st_mode, S_IFREG | 0644);
                ASSERT_EQ(st.st_nlink, 1);
                ASSERT_EQ(stat_of(dir, "home/out").st_uid, client_uid());
                ASSERT_EQ(stat_of(dir, "home/out").st_mode & 07777, 0755);

                write_and_commit(&client, "second", flags);
                ASSERT_STREQ(content_of(dir, "home/out/image.tar"), "second");
                ASSERT_EQ(count_entries(dir, "home/out"), 1);
        }
}

TEST(nothing_is_left_of_what_is_not_committed) {
        for (OutputFlags flags = 0; flags <= OUTPUT_NAMED; flags++) {
                int dir;
                _cleanup_(identity_clear) Identity client = new_client(&dir);
                Output *output;

                put_file(dir, "home/image.tar", "old", 0600);
                ASSERT_EQ(output_open(&client, -EBADF, "/home", "image.tar", flags, &output, NULL), 0);
                ASSERT_EQ(write(output_fd(output), "new", 3), 3);
                ASSERT_STREQ(content_of(dir, "home/image.tar"), "old");
                ASSERT_EQ(count_entries(dir, "home"), flags & OUTPUT_NAMED ? 2 : 1);
                output = output_free(output);
                ASSERT_NULL(output);
                ASSERT_EQ(count_entries(dir, "home"), 1);
                ASSERT_STREQ(content_of(dir, "home/image.tar"), "old");
        }
}

TEST(nothing_is_left_by_a_killed_process) {
        int dir, status;
        _cleanup_(identity_clear) Identity client = new_client(&dir);

        pid_t pid = fork();
        if (pid == 0) {
                Output *output;
                if (output_open(&client, -EBADF, "/home", "image.tar", 0, &output, NULL) < 0 ||
                    write(output_fd(output), "x", 1) != 1)
                        _exit(1);
                kill(getpid(), SIGKILL);
        }
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        ASSERT_TRUE(WIFSIGNALED(status));
        ASSERT_EQ(count_entries(dir, "home"), 0);
}

TEST(a_directory_is_not_replaced) {
        for (OutputFlags flags = 0; flags <= OUTPUT_NAMED; flags++) {
                int dir;
                _cleanup_(identity_clear) Identity client = new_client(&dir);
                _cleanup_(error_clear) Error error = {};
                Output *output;

                put_directory(dir, "home/image.tar", 0755);
                ASSERT_EQ(output_open(&client, -EBADF, "/home", "image.tar", flags, &output, NULL), 0);
                ASSERT_EQ(output_commit(output, &error), -EISDIR);
                ASSERT_STREQ(error.message, "create /home/image.tar: is a directory");
                output_free(output);
                ASSERT_EQ(count_entries(dir, "home"), 1);
        }
}

TEST(a_symlink_in_its_place_is_replaced_and_not_followed) {
        int dir;
        _cleanup_(identity_clear) Identity client = new_client(&dir);

        put_file(dir, "precious", "kept", 0666);
        put_symlink(dir, "home/out/image.tar", "/precious");
        ASSERT_OK(fchownat(dir, "home/out", client_uid(), (gid_t) -1, 0));
        write_and_commit(&client, "new", 0);
        ASSERT_STREQ(content_of(dir, "home/out/image.tar"), "new");
        ASSERT_STREQ(content_of(dir, "precious"), "kept");
}

TEST(others_directories_are_refused) {
        need_root();
        int dir;
        _cleanup_(identity_clear) Identity client = new_client(&dir);
        _cleanup_(error_clear) Error error = {};
        Output *output = NULL;

        put_directory(dir, "etc", 0755);
        put_symlink(dir, "home/trick", "../../../etc");
        ASSERT_EQ(output_open(&client, -EBADF, "/etc", "image.tar", 0, &output, &error), -EACCES);
        ASSERT_STREQ(error.message, "create /etc/image.tar: permission denied");
        ASSERT_EQ(output_open(&client, -EBADF, "/home/trick", "image.tar", 0, &output, &error), -EACCES);
        ASSERT_EQ(output_open(&client, -EBADF, "/etc/new", "image.tar", 0, &output, &error), -EACCES);
        ASSERT_STREQ(error.message, "mkdir /etc/new: permission denied");
        ASSERT_EQ(count_entries(dir, "etc"), 0);
        ASSERT_NULL(output);
}

TEST(names_are_one_component) {
        int dir;
        _cleanup_(identity_clear) Identity client = new_client(&dir);
        static const char *const names[] = { "", ".", "..", "a/b", "/a" };
        Output *output;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ASSERT_EQ(output_open(&client, -EBADF, "/home", names[i], 0, &output, NULL), -EINVAL);
}
