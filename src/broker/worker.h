/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One process of cruxd-worker: see "Between broker and worker" in ARCHITECTURE.md.
 *
 * A worker carries out one job at a time. It is gone when its socket is at its end and its process is reaped,
 * in whichever order; only then is a job that it has not answered given up, so that an answer which was sent
 * before the death still counts. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/queue.h"
#include "broker/answer.h"

typedef struct Job Job;
typedef struct Pool Pool;
typedef struct Worker Worker;

struct Worker {
        Pool *pool;
        pid_t pid;
        int pidfd; /* the child source's */
        int fd;    /* -EBADF at its end */
        sd_event_source *io, *child, *kill_timer;
        Answer answer;
        Job *job;
        bool dedicated; /* ends with its job */
        bool reused;    /* was idle before its job */
        bool doomed;    /* cancelled or out of order: gets no other job */
        bool cancelled; /* told to give its job up */
        bool internal;  /* has been given a job of the daemon's own */
        bool is_idle;
        bool reaped;
        int exit_code, exit_status; /* CLD_… of waitid(2), and the status or signal */
        const char *complaint;      /* what it did wrong; NULL: nothing; static */
        uint64_t idle_usec;         /* since when */
        LIST_FIELDS(Worker, idle);
        LIST_FIELDS(Worker, workers);
};

/* Starts the process. ERROR_INTERNAL. */
int worker_new(Pool *pool, Worker **ret, Error *error);

/* Ends the process by SIGKILL if it is still there. */
Worker *worker_free(Worker *worker);

/* Hands an idle worker a job: 0, or a negative errno when it does not take it, and then it is doomed. */
int worker_send(Worker *worker, Job *job);

/* Reads on, after the job's sink had no room. */
void worker_continue(Worker *worker);

/* SIGINT, and SIGKILL when it still runs after so long. */
void worker_cancel(Worker *worker, uint64_t kill_usec);

/* Closes the connection, which ends the worker; it is killed when that takes too long. */
void worker_dismiss(Worker *worker);

#define WORKER_END_MAX 96

/* How it ended: "was killed by signal KILL", "exited with status 3". Gives `buffer`. */
const char *worker_describe_end(const Worker *worker, char buffer[static WORKER_END_MAX]);
