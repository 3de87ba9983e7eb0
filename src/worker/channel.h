/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The worker's end of its connection to the broker: see "Between broker and worker" in ARCHITECTURE.md. */

#include "base/error.h"
#include "base/fd-util.h"
#include "protocol/envelope.h"

/* The broker's fd in a worker. */
#define CHANNEL_FD 3

/* The line that carries a request; the request itself is in the memfd. */
#define CHANNEL_LINE_MAX ((size_t) MIB(1)) /* a user has 65536 groups at most */

/* Fds that one request may bring. */
#define CHANNEL_FDS_MAX 16U

/* A worker ends with this status after an answer when it could not remove all that it had made: the broker
 * sweeps then. */
#define CHANNEL_EXIT_UNCLEAN 75

typedef struct ChannelFd {
        char *name;
        int fd;
} ChannelFd;

typedef struct ChannelRequest {
        Request request;
        char *job; /* NULL: run by hand */
        pid_t pid; /* of the client; 0: not visible from here */
        uid_t uid;
        gid_t gid;
        gid_t *groups;
        size_t n_groups;
        ChannelFd fds[CHANNEL_FDS_MAX];
        size_t n_fds;
} ChannelRequest;

/* Waits for the next request: 1, or 0 at the end of the connection. A request that is whole but bad is an
 * error of the request alone, -EBADMSG: the caller answers it and goes on. Other errors are of the
 * connection. */
int channel_receive(int fd, ChannelRequest *ret, Error *error);

/* One request from a file or pipe, which the caller of the program makes in his own name. */
int channel_read_plain(int fd, ChannelRequest *ret, Error *error);

void channel_request_clear(ChannelRequest *request);

/* The fd of that name, which stays the request's, or -EBADF. */
int channel_request_fd(const ChannelRequest *request, const char *name);
