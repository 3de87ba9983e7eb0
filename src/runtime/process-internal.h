/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A process under way: the ends of its streams, and the wait for its end. */

#include <poll.h>

#include "containerd/tasks.h"
#include "runtime/given-fd.h"
#include "runtime/process.h"

#define PROCESS_READ_SIZE ((size_t) KIB(128))

/* As large as fcntl(2) F_SETPIPE_SZ gives to everybody: fewer turns for who writes much. */
#define PROCESS_FIFO_SIZE ((int) MIB(1))

/* What of a stream is read once its process has ended: more than this it cannot have left in the FIFO, in the
 * shim's buffer, and in its own pipe, which it may have made as large as /proc/sys/fs/pipe-max-size. */
#define PROCESS_DRAIN_MAX ((size_t) PROCESS_FIFO_SIZE + (size_t) KIB(64) + (size_t) MIB(1))

typedef struct Process {
        Runtime *runtime;
        const char *container_id;
        char *id;
        char *directory;
        char *paths[_STREAM_MAX];
        char *stdin_path;
        int fds[_STREAM_MAX]; /* to read what it writes; they do not block */
        int stdin_fd;         /* to write what it reads, once it is started; likewise */
        bool added;           /* containerd knows of it and must be told to forget */
        CtrWait *wait;

        bool ended;               /* and since then: */
        size_t late[_STREAM_MAX]; /* what was read */
        uint64_t silent_usec;     /* how long nothing came */
        bool abandoned;           /* whether a stream was closed before its end */
} Process;

/* Whether its end is known, or can never be; without waiting. That the wait's fd is readable does not say so:
 * see there. */
bool process_has_ended(const Process *process);

/* poll(2) without a timeout; but once the process has ended, and unless `patient`, for as long as its streams
 * are waited for. 0 when they are not any more. */
int process_poll(Process *process, struct pollfd *fds, size_t n_fds, bool patient, Error *error);

/* Notes what was read of a stream. */
void process_count(Process *process, Stream stream, size_t n);

/* Whether the process has ended and all was read that it can have left in this stream. */
bool process_is_drained(const Process *process, Stream stream);

/* Closes a stream that something else may hold open. */
void process_abandon(Process *process, Stream stream);

typedef enum RelayStream {
        RELAY_STDIN,
        RELAY_STDOUT,
        RELAY_STDERR,
        _RELAY_MAX,
} RelayStream;

/* One stream between the client's fd and the FIFO, and the piece of it that is on its way. */
typedef struct Flow {
        GivenFd given; /* none: its reader has gone, and what comes is dropped */
        int *fifo;     /* the process's; -EBADF: it has ended */
        char *data;    /* PROCESS_READ_SIZE */
        size_t begin, end;
} Flow;

typedef struct Relay {
        Flow flows[_RELAY_MAX];
} Relay;

#define FLOW_NULL { .given = GIVEN_FD_NULL }
#define RELAY_NULL \
        { \
                .flows = { FLOW_NULL, FLOW_NULL, FLOW_NULL } \
        }

/* Looks at the client's fds: before anything runs. */
int relay_open(Relay *relay, const ProcessStdio *stdio, Error *error);
void relay_clear(Relay *relay);

/* Passes the streams of a started process on, closing the process's ends as they end, until both that it
 * writes have ended, or the process has and all that it wrote has been passed on. */
int relay_run(Relay *relay, Process *process, Error *error);
