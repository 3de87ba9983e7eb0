/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The workers: started when there is none to spare, kept for the next command, ended when idle for a while.
 * Their number is bounded by the commands that run at once, see scheduler.h, and one to spare. */

#include "broker/worker.h"

typedef struct Manager Manager;

/* What a worker may take to end after its connection was closed, before it is killed. */
#define WORKER_DISMISS_USEC UINT64_C(5000000)

struct Pool {
        Manager *manager;
        sd_event *event;
        char **argv;
        char **environment;
        Worker *workers;
        unsigned n_workers;
        QUEUE_HEAD(Worker) idle; /* the last used first: warm caches, and the others grow old */
        uint64_t idle_max_usec;
        sd_event_source *idle_timer;
        char *scratch; /* what is read of an answer passes through here */
        bool closing;  /* nobody is kept */
};

#define POOL_SCRATCH_SIZE ANSWER_HOLD_MAX

typedef struct WorkerOptions {
        const char *program;
        const char *containerd_address;
        const char *namespace;
        const char *instance;
        uint64_t archive_unpacked_max; /* bytes */
        int log_level;
} WorkerOptions;

/* pool_configure() must come before the first job. -ENOMEM. */
int pool_init(Pool *pool, Manager *manager);
void pool_clear(Pool *pool);

/* New settings: workers that are idle end, and those at work do so with their job. */
int pool_configure(Pool *pool, const WorkerOptions *options, Error *error);

/* Finds or starts a worker for the job and hands it over. A `dedicated` one ends with it. */
int pool_run(Pool *pool, Job *job, bool dedicated, Error *error);

/* The worker's job has ended: it waits for the next, or ends and another one waits in its place. */
void pool_put(Pool *pool, Worker *worker);

/* Ends all that have nothing to do, and keeps none from now on. */
void pool_close(Pool *pool);
