/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/given-fd.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/resolve.h"
#include "scratch.h"
#include "test.h"

#define ANYTHING (GIVEN_FILE | GIVEN_STREAM | GIVEN_DEVICE)

static const struct ucred self = {};

/* What can be read at once, in static memory. */
static const char *read_at_once(int fd) {
        static char data[100];
        struct pollfd p = { .fd = fd, .events = POLLIN };

        ssize_t n = poll(&p, 1, 5000) > 0 ? read(fd, data, sizeof(data) - 1) : 0;
        data[n > 0 ? n : 0] = '\0';
        return data;
}

TEST(a_terminals_master_is_refused) {
        _cleanup_(error_clear) Error error = {};
        GivenFd given = GIVEN_FD_NULL;
        int master, slave;

        ASSERT_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
        ASSERT_EQ(given_fd_open(master, "stdout", O_WRONLY, ANYTHING, &self, &given, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "\"stdout\"");
        ASSERT_EQ(given_fd_open(master, "stdin", O_RDONLY, ANYTHING, &self, &given, NULL), -EINVAL);
        close(master);
        close(slave);
}

TEST(a_terminal_is_used_without_its_flags_changing) {
        _cleanup_(given_fd_clear) GivenFd out = GIVEN_FD_NULL;
        struct termios raw = {};
        int master, slave;

        cfmakeraw(&raw);
        ASSERT_EQ(openpty(&master, &slave, NULL, &raw, NULL), 0);
        ASSERT_EQ(given_fd_open(slave, "stdout", O_WRONLY, ANYTHING, &self, &out, NULL), 0);
        ASSERT_TRUE(fcntl(out.fd, F_GETFL) & O_NONBLOCK);
        ASSERT_FALSE(fcntl(slave, F_GETFL) & O_NONBLOCK);
        ASSERT_EQ(given_fd_write(&out, "there", 5), 5);
        ASSERT_STREQ(read_at_once(master), "there");
        close(master);
        close(slave);
}

TEST(files_with_set_id_bits_are_not_written_to) {
        static const struct {
                mode_t mode;
                bool refused;
        } table[] = {
                { 0644, false },          { 0755, false },       { 01755, false },
                { S_ISUID | 0755, true }, { S_ISUID | 0, true }, { S_ISGID | 02, false },
                { S_ISGID | 010, true },  { 07777, true },
        };
        int dir = scratch_new();

        put_file(dir, "file", "before", 0644);
        _cleanup_close_ int fd = openat(dir, "file", O_RDWR | O_CLOEXEC);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(given_fd_clear) GivenFd out = GIVEN_FD_NULL, in = GIVEN_FD_NULL;
                _cleanup_(error_clear) Error error = {};

                ASSERT_OK(fchmod(fd, table[i].mode));
                ASSERT_EQ(given_fd_open(fd, "stdout", O_WRONLY, ANYTHING, &self, &out, &error),
                          table[i].refused ? -EINVAL : 0);
                if (table[i].refused)
                        ASSERT_STREQ(
                                error.message,
                                "the fd of \"stdout\" is a set-user-ID or set-group-ID file, which is not "
                                "written to");
                ASSERT_EQ(given_fd_open(fd, "stdin", O_RDONLY, ANYTHING, &self, &in, NULL), 0);
        }
}

TEST(files_that_judge_the_writer_are_not_written_to) {
        static const struct {
                const char *path;
                int flags, access;
                const char *words;
        } table[] = {
                { "/proc/self/status", O_RDONLY, O_RDONLY,
                  "the fd of \"x\" is of procfs, which is not read" },
                { "/proc/self/comm", O_RDWR, O_WRONLY,
                  "the fd of \"x\" is of procfs, which is not written to" },
                { "/sys/kernel/uevent_seqnum", O_RDONLY, O_RDONLY, NULL },
                { "/sys/kernel/uevent_seqnum", O_RDONLY, O_WRONLY,
                  "the fd of \"x\" is of sysfs, which is not written to" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_close_ int fd = open(table[i].path, table[i].flags | O_CLOEXEC);
                _cleanup_(given_fd_clear) GivenFd given = GIVEN_FD_NULL;
                _cleanup_(error_clear) Error error = {};

                ASSERT_OK(fd);
                int r = given_fd_open(fd, "x", table[i].access, ANYTHING, &self, &given, &error);
                ASSERT_EQ(r, table[i].words ? -EINVAL : 0);
                if (table[i].words)
                        ASSERT_STREQ(error.message, table[i].words);
        }
}

/* A mount that is nowhere: fsmount(2). -1 where the kernel has no such file system. */
static int mount_of(const char *type) {
        _cleanup_close_ int context = fsopen(type, FSOPEN_CLOEXEC);

        if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -1;
        return fsmount(context, FSMOUNT_CLOEXEC, 0);
}

TEST(file_systems_that_judge_are_known) {
        static const struct {
                const char *type;
                unsigned judged;
        } table[] = {
                { "proc", FILE_READ | FILE_WRITE },
                { "securityfs", FILE_READ | FILE_WRITE },
                { "selinuxfs", FILE_READ | FILE_WRITE },
                { "smackfs", FILE_READ | FILE_WRITE },
                { "debugfs", FILE_READ | FILE_WRITE },
                { "tracefs", FILE_READ | FILE_WRITE },
                { "bpf", FILE_READ | FILE_WRITE },
                { "efivarfs", FILE_READ | FILE_WRITE },
                { "pstore", FILE_READ | FILE_WRITE },
                { "binfmt_misc", FILE_READ | FILE_WRITE },
                { "sysfs", FILE_WRITE },
                { "cgroup2", FILE_WRITE },

                { "tmpfs", 0 },
                { "ramfs", 0 },
        };
        unsigned known = 0;

        need_mounts();
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_close_ int fd = mount_of(table[i].type);

                if (fd < 0)
                        continue;
                known++;
                for (unsigned use = FILE_READ; use <= FILE_WRITE; use <<= 1) {
                        const char *name = "unset";

                        ASSERT_EQ(resolve_judging_file_system(fd, use, &name), 0);
                        if (!(table[i].judged & use))
                                ASSERT_NULL(name);
                        else
                                ASSERT_STREQ(name, streq(table[i].type, "proc") ? "procfs" : table[i].type);
                }
        }
        ASSERT_GE(known, 4);
}

TEST(messages_are_sent_in_the_clients_name) {
        static const struct ucred client = { .pid = 1, .uid = 65534, .gid = 65533 };
        const int on = 1;
        int pair[2];

        need_root();
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ASSERT_EQ(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
        for (unsigned i = 0; i < 2; i++) {
                const struct ucred *given = i == 0 ? &client : &self;
                _cleanup_(given_fd_clear) GivenFd out = GIVEN_FD_NULL;
                union {
                        char space[CMSG_SPACE(sizeof(struct ucred))];
                        struct cmsghdr align;
                } control = {};
                char data[100];
                struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
                struct msghdr message = { .msg_iov = &iov,
                                          .msg_iovlen = 1,
                                          .msg_control = &control,
                                          .msg_controllen = sizeof(control) };
                struct ucred found;

                ASSERT_EQ(given_fd_open(pair[1], "stdout", O_WRONLY, ANYTHING, given, &out, NULL), 0);
                ASSERT_EQ(given_fd_write(&out, "word", 4), 4);
                ASSERT_EQ(recvmsg(pair[0], &message, MSG_DONTWAIT), 4);
                ASSERT_NOT_NULL(CMSG_FIRSTHDR(&message));
                ASSERT_EQ(CMSG_FIRSTHDR(&message)->cmsg_type, SCM_CREDENTIALS);
                memcpy(&found, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(found));
                ASSERT_EQ(found.pid, i == 0 ? 1 : getpid());
                ASSERT_EQ(found.uid, given->uid);
                ASSERT_EQ(found.gid, given->gid);
        }
        close(pair[0]);
        close(pair[1]);
}
