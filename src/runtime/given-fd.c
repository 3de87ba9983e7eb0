/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/given-fd.h"

#include <fcntl.h>
#include <linux/major.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/resolve.h"

/* What a pipe or terminal that poll(2) calls writable surely takes without blocking: for those that could not
 * be opened anew. */
#define TIMID_WRITE_MAX 256

/* Minor numbers of MEM_MAJOR, as of the kernel's admin-guide/devices.txt. */
enum { MINOR_NULL = 3, MINOR_ZERO = 5, MINOR_FULL = 7, MINOR_RANDOM = 8, MINOR_URANDOM = 9 };

/* ptmx(4) */
static bool is_terminal_master(int fd) {
        unsigned number;

        return ioctl(fd, TIOCGPTN, &number) >= 0;
}

static bool is_harmless_device(int fd, const struct stat *st) {
        if (isatty(fd))
                return !is_terminal_master(fd);
        if (major(st->st_rdev) != MEM_MAJOR)
                return false;
        switch (minor(st->st_rdev)) {
        case MINOR_NULL:
        case MINOR_ZERO:
        case MINOR_FULL:
        case MINOR_RANDOM:
        case MINOR_URANDOM:
                return true;
        default:
                return false;
        }
}

/* What waits for somebody at its other end. */
static bool may_block(const struct stat *st) {
        return S_ISFIFO(st->st_mode) || (S_ISCHR(st->st_mode) && major(st->st_rdev) != MEM_MAJOR);
}

/* -1 where it has none. */
static int socket_option(int fd, int option) {
        int value;
        socklen_t length = sizeof(value);

        return getsockopt(fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

static bool is_of_kind(int fd, const struct stat *st, GivenKind kinds) {
        switch (st->st_mode & S_IFMT) {
        case S_IFREG:
                return kinds & GIVEN_FILE;
        case S_IFIFO:
                return kinds & GIVEN_STREAM;
        case S_IFSOCK:
                return kinds & GIVEN_STREAM && socket_option(fd, SO_TYPE) == SOCK_STREAM;
        case S_IFCHR:
                return kinds & GIVEN_DEVICE && is_harmless_device(fd, st);
        default:
                return false;
        }
}

static int look_at(int fd, const char *name, FileUse use, struct stat *ret, Error *error) {
        const char *judging;

        if (fd < 0)
                return error_set(error, ERROR_INTERNAL, "the fd of \"%s\" did not come with the request",
                                 name);
        int r = fstat(fd, ret) < 0 ? -errno : resolve_judging_file_system(fd, use, &judging);
        if (r < 0)
                return error_set_errno(error, r, "the fd of \"%s\"", name);
        if (judging)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the fd of \"%s\" is of %s, which is not %s",
                                 name, judging, use == FILE_READ ? "read" : "written to");
        return 0;
}

/* Whether it runs as somebody else. For set-group-ID, inode(7). */
static bool has_set_id(const struct stat *st) {
        const mode_t as_group = S_ISGID | S_IXGRP;

        return S_ISREG(st->st_mode) && (st->st_mode & S_ISUID || (st->st_mode & as_group) == as_group);
}

static int check_access(int fd, const char *name, int access, const struct stat *st, Error *error) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return error_set_errno(error, errno, "the fd of \"%s\"", name);
        int mode = flags & O_ACCMODE;
        if (flags & O_PATH || (mode != access && mode != O_RDWR))
                return error_set(error, ERROR_INVALID_ARGUMENT, "the fd of \"%s\" is not open for %s%s", name,
                                 access == O_RDONLY ? "reading" : "writing",
                                 flags & O_PATH ? ": it is O_PATH" : "");
        if (access == O_WRONLY && has_set_id(st))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the fd of \"%s\" is a set-user-ID or set-group-ID file, which is not "
                                 "written to",
                                 name);
        return 0;
}

int given_fd_open(int fd, const char *name, int access, GivenKind kinds, const struct ucred *client,
                  GivenFd *ret, Error *error) {
        GivenFd given = { .fd = -EBADF, .write_max = SIZE_MAX };
        struct stat st;

        int r = look_at(fd, name, access == O_RDONLY ? FILE_READ : FILE_WRITE, &st, error);
        if (r >= 0)
                r = check_access(fd, name, access, &st, error);
        if (r < 0)
                return r;
        if (!is_of_kind(fd, &st, kinds))
                return error_set(error, ERROR_INVALID_ARGUMENT, "the fd of \"%s\" is %s, which is not taken",
                                 name, resolve_type_words(st.st_mode));

        given.is_socket = S_ISSOCK(st.st_mode);
        if (given.is_socket && access == O_WRONLY) {
                given.is_local = socket_option(fd, SO_DOMAIN) == AF_UNIX;
                given.client = *client;
                if (given.client.pid == 0)
                        given.client.pid = getpid();
        }
        if (may_block(&st)) {
                given.fd = resolve_reopen(fd, access | O_NONBLOCK | O_NOCTTY);
                /* A pipe that nobody reads any more is one that cannot be, some consoles are others. */
                if (given.fd < 0)
                        given.write_max = TIMID_WRITE_MAX;
        }
        if (given.fd < 0)
                given.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (given.fd < 0)
                return error_set_errno(error, errno, "the fd of \"%s\"", name);
        *ret = given;
        return 0;
}

int given_fd_check_directory(int fd, const char *name, Error *error) {
        struct stat st;

        int r = look_at(fd, name, FILE_READ, &st, error);
        if (r < 0)
                return r;
        if (!S_ISDIR(st.st_mode))
                return error_set(error, ERROR_INVALID_ARGUMENT, "the fd of \"%s\" is %s, not a directory",
                                 name, resolve_type_words(st.st_mode));
        return 0;
}

static ssize_t result(ssize_t n) {
        return n >= 0 ? n : errno == EINTR ? -EAGAIN : -errno;
}

ssize_t given_fd_read(const GivenFd *given, void *data, size_t n) {
        return result(given->is_socket ? recv(given->fd, data, n, MSG_DONTWAIT) : read(given->fd, data, n));
}

static ssize_t send_for_client(const GivenFd *given, const void *data, size_t n) {
        union {
                char space[CMSG_SPACE(sizeof(struct ucred))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = (void *) data, .iov_len = n };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (given->is_local) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);
                *c = (struct cmsghdr) {
                        .cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_CREDENTIALS,
                        .cmsg_len = CMSG_LEN(sizeof(struct ucred)),
                };
                memcpy(CMSG_DATA(c), &given->client, sizeof(struct ucred));
        }
        return sendmsg(given->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t given_fd_write(const GivenFd *given, const void *data, size_t n) {
        n = MIN(n, given->write_max);
        return result(given->is_socket ? send_for_client(given, data, n) : write(given->fd, data, n));
}

void given_fd_clear(GivenFd *given) {
        safe_close(given->fd);
        *given = (GivenFd) GIVEN_FD_NULL;
}
