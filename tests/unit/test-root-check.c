/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/root-check.h"

#include <sys/stat.h>

#include "scratch.h"
#include "test.h"

static void accept_root(int fd) {
        _cleanup_(error_clear) Error error = {};

        ASSERT_OK(root_check(fd, &error));
}

static void refuse_root(int fd, const char *words) {
        _cleanup_(error_clear) Error error = {};

        ASSERT_LT(root_check(fd, &error), 0);
        ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
        ASSERT_CONTAINS(error_message(&error), words);
}

TEST(empty_or_ordinary) {
        int fd = scratch_new();

        accept_root(fd);
        put_directory(fd, "proc", 0755);
        put_directory(fd, "dev", 0755);
        put_directory(fd, "sys", 0);
        put_directory(fd, "run", 0755);
        put_file(fd, "etc/resolv.conf", "nameserver ::1\n", 0644);
        accept_root(fd);
}

TEST(links_inside_of_the_root) {
        int fd = scratch_new();

        put_directory(fd, "var/run", 0755);
        put_symlink(fd, "run", "/var/run");
        put_directory(fd, "usr/etc", 0755);
        put_symlink(fd, "etc", "../../usr/etc");
        put_symlink(fd, "usr/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
        accept_root(fd);
}

TEST(links_instead_of_directories) {
        static const char *const names[] = { "proc", "dev", "sys" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int fd = scratch_new();

                put_directory(fd, "elsewhere", 0755);
                put_symlink(fd, names[i], "elsewhere");
                refuse_root(fd, "a symbolic link");
        }
}

TEST(what_is_no_directory) {
        static const char *const names[] = { "proc", "dev", "sys", "run", "etc" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int fifo = scratch_new(), file = scratch_new();

                put_node(fifo, names[i], S_IFIFO | 0644, 0);
                refuse_root(fifo, names[i]);
                put_file(file, names[i], "x", 0644);
                refuse_root(file, names[i]);
        }
}

TEST(resolv_conf) {
        int fifo = scratch_new(), loop = scratch_new(), hidden = scratch_new();

        put_directory(fifo, "etc", 0755);
        put_node(fifo, "etc/resolv.conf", S_IFIFO | 0644, 0);
        refuse_root(fifo, "/etc/resolv.conf is a FIFO");

        put_directory(loop, "etc", 0755);
        put_symlink(loop, "etc/resolv.conf", "resolv.conf");
        refuse_root(loop, "/etc/resolv.conf");

        put_directory(hidden, "etc", 0755);
        put_node(hidden, "etc/fifo", S_IFIFO | 0644, 0);
        put_symlink(hidden, "etc/resolv.conf", "fifo");
        refuse_root(hidden, "/etc/resolv.conf is a FIFO");
}
