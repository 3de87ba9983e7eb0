/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A process under way: the ends of its streams, and the wait for its end. */

#include "containerd/tasks.h"
#include "runtime/given-fd.h"
#include "runtime/process.h"

#define PROCESS_READ_SIZE ((size_t) KIB(128))

/* As large as fcntl(2) F_SETPIPE_SZ gives to everybody: fewer turns for who writes much. */
#define PROCESS_FIFO_SIZE ((int) MIB(1))

/* What is read once a process has ended: more than this it cannot have left in its streams. */
#define PROCESS_DRAIN_MAX ((size_t) _STREAM_MAX * (size_t) PROCESS_FIFO_SIZE)

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
} Process;

/* Whether its end is known, or can never be; without waiting. That the wait's fd is readable does not say so:
 * see there. */
bool process_has_ended(const Process *process);

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
        bool ended;  /* the process has */
        size_t late; /* what was read since then */
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
