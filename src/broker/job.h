/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A command that somebody asked for, from its acceptance to its answer.
 *
 *        job_new()            scheduler              worker
 *     ───────────────▶ WAITING ───────▶ RUNNING ───────────────▶ answered, gone
 *                         │                │                        ▲
 *                         │ job_cancel()   │ job_cancel(): SIGINT    │
 *                         │                ▼                        │
 *                         │            CANCELLING ──────────────────┤
 *                         └─────────────────────────────────────────┘
 *
 * A job knows nothing of the surface that it came by: who asked gives a JobSink, which takes the answer's
 * lines as they come. Every job ends by one call of the sink's ended(), unless the sink was taken off before.
 */

#include <stdint.h>

#include "base/list.h"
#include "broker/answer.h"
#include "broker/job-place.h"
#include "broker/peer.h"
#include "broker/scheduler.h"
#include "protocol/command.h"

typedef struct Job Job;
typedef struct Manager Manager;
typedef struct Worker Worker;

typedef enum JobState {
        JOB_WAITING,
        JOB_RUNNING,
        JOB_CANCELLING,
        JOB_ENDED, /* seen by observers alone */
        _JOB_STATE_MAX,
} JobState;

/* "waiting", "running", "cancelling", "ended". */
const char *job_state_to_string(JobState state) _const_;

/* Fds that go to the worker with a request. */
#define JOB_FDS_MAX 8U

typedef struct JobFd {
        const char *name; /* static */
        int fd;           /* owned */
} JobFd;

/* What is asked for. */
typedef struct JobRequest {
        Command command;
        const char *resource; /* what it is about, for people and the journal; may be NULL; borrowed */
        Lane lane;            /* in any but LANE_SHORT it has a worker to itself */
        bool progress;        /* the sink wants the progress lines as well */
        bool authorised;      /* polkit lets the peer, so that access.h need not */
        Peer peer;            /* who asks; owned */
        JobFd fds[JOB_FDS_MAX];
        size_t n_fds;
        size_t size; /* bytes of the line, which the user is charged for as long as the job is there */
} JobRequest;

typedef struct JobSink {
        /* Takes a part of the answer, all of it. A positive value: there is room for more; 0: not before
         * job_continue(); negative: nobody is there any more, and nothing more is told to him. Must not free
         * the job. */
        int (*part)(const AnswerPart *part, void *userdata);
        /* The job has ended and is freed after this. `whole`: the last line has been passed on to its end. */
        void (*ended)(Job *job, bool whole, void *userdata);
} JobSink;

struct Job {
        Manager *manager;
        uint64_t id;
        Command command;
        char *resource;
        bool progress;
        Peer peer;
        JobFd fds[JOB_FDS_MAX];
        size_t n_fds;

        JobState state;
        Ticket ticket;  /* idle for the daemon's own jobs */
        size_t charged; /* to the ticket's user */
        Worker *worker;
        uint64_t created_usec, started_usec; /* CLOCK_MONOTONIC; 0: not started */
        uint64_t created_real_usec;          /* CLOCK_REALTIME */

        const JobSink *sink;
        void *userdata;
        bool blocked;    /* the sink takes no more for now */
        bool partial;    /* the sink has part of a line, not its end */
        const char *why; /* it is being cancelled; static */

        Error result;      /* clear: it went well, or goes on */
        Buffer error_line; /* the worker's, for the journal */

        JobPlace place; /* kept by the observer */
        LIST_FIELDS(Job, jobs);
};

/* Whoever looks at all jobs, by whichever surface they came. */
typedef struct JobObserver {
        void (*created)(Job *job, void *userdata);
        void (*changed)(Job *job, void *userdata);                          /* its state */
        void (*progress)(Job *job, const AnswerPart *part, void *userdata); /* a progress line */
        void (*ended)(Job *job, void *userdata);                            /* it is freed after this */
} JobObserver;

/* "" while it goes on; then "done", or the word of the error. */
const char *job_result(const Job *job);

/* Adds an fd to a request, which takes it over. At most JOB_FDS_MAX. */
void job_request_add_fd(JobRequest *request, const char *name, int fd);

/* The sealed memfd "request" with the client's line: 0 or a negative errno. Must be the first fd. */
int job_request_set_line(JobRequest *request, const char *line, size_t length);

void job_request_clear(JobRequest *request);

/* Makes a job and lines it up. The sink may be NULL. It takes what it needs out of the request, which the
 * caller clears in any case. The job does not start and the sink is not called before the event loop runs
 * again. ERROR_BUSY, ERROR_PERMISSION_DENIED, ERROR_UNAVAILABLE (the daemon is stopping). */
int job_new(Manager *manager, JobRequest *request, const JobSink *sink, void *userdata, Job **ret,
            Error *error);

/* The same for a job of the daemon itself, which waits for nobody and which no limit counts: it starts at
 * once. */
int job_new_internal(Manager *manager, JobRequest *request, const JobSink *sink, void *userdata, Job **ret,
                     Error *error);

/* Its turn has come. */
void job_start(Job *job);

/* Ends it as soon as it can be. A waiting one is gone when this returns. `why` is for people; static. */
void job_cancel(Job *job, const char *why);

/* Takes the sink off: nothing is told to it any more. */
void job_detach(Job *job);

/* The sink has room again. */
void job_continue(Job *job);

/* From the worker: a part of the answer (1 when the job has ended by it, then it is gone); its death; its
 * death before it had even read the request, which another one then gets. */
int job_answer(Job *job, const AnswerPart *part);
void job_worker_ended(Job *job, const char *how);
void job_not_taken(Job *job);

/* Frees a job without a word. For the manager's end. */
Job *job_free(Job *job);
