/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An fd that a client gave: what it is for, it must be fit for, and nothing that is the client's changes by
 * our using it. It bears the rights that it was opened with, so that no turn as the client is needed; except
 * on file systems that judge the reader or writer anew at each call (resolve_judging_file_system()), which
 * are refused.
 *
 * What somebody else writes to a file costs it its set-ID bits, but not what we write, having CAP_FSETID: who
 * may write to another's program would become him. So files that have the bits are not written to. Whoever
 * sets them later is their owner, and answers for what is in them.
 *
 * Messages of local sockets tell their reader who sent them, SCM_CREDENTIALS of unix(7), which would be us:
 * to journald, for instance, that is the truth about a line. They are sent in the client's name.
 *
 * O_NONBLOCK belongs to the open file description, which the client shares. So pipes and terminals are opened
 * anew, as descriptions of our own that do not block, and sockets are asked not to block each time. The
 * master of a pseudoterminal is not taken: opened anew it is another one's, and as it is, writing to it may
 * block whatever poll(2) says. */

#include <sys/socket.h>

#include "base/error.h"
#include "base/fd-util.h"

/* What it may be. */
typedef enum GivenKind {
        GIVEN_FILE = 1 << 0,   /* a regular file */
        GIVEN_STREAM = 1 << 1, /* a pipe, FIFO or stream socket */
        GIVEN_DEVICE = 1 << 2, /* a terminal, or one of null, zero, full, random, urandom */
} GivenKind;

typedef struct GivenFd {
        int fd; /* owned; -EBADF: none */
        bool is_socket;
        bool is_local;       /* a socket of AF_UNIX, and */
        struct ucred client; /* who its messages are to come from */
        size_t write_max;    /* so much is written at a time */
} GivenFd;

#define GIVEN_FD_NULL { .fd = -EBADF }

/* Makes one of a client's `fd`, which stays the caller's. `access` is O_RDONLY or O_WRONLY; `name` is what
 * the client calls it. `client` is who gave it; for reading it may be NULL. A `pid` of 0, for one that is not
 * visible from here, stands for this process. ERROR_INVALID_ARGUMENT for an fd that is of another kind, not
 * open for this (O_PATH) or refused as above. */
int given_fd_open(int fd, const char *name, int access, GivenKind kinds, const struct ucred *client,
                  GivenFd *ret, Error *error);

/* A directory, be it open as O_PATH: ERROR_INVALID_ARGUMENT for anything else. What the client may do in it
 * is not checked: use it as in identity.h. */
int given_fd_check_directory(int fd, const char *name, Error *error);

/* As read(2) and write(2), with negative errnos; -EAGAIN also for EINTR, and -ESRCH where a local socket is
 * written to for a client that has gone. What poll(2) says is ready does not
 * block, save for a terminal that could not be opened anew and somebody else reads. Never SIGPIPE from a
 * socket; the caller has it blocked or ignored. */
ssize_t given_fd_read(const GivenFd *given, void *data, size_t n);
ssize_t given_fd_write(const GivenFd *given, const void *data, size_t n);

void given_fd_clear(GivenFd *given);
