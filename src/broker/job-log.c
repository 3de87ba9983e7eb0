/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/job-log.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/message-id.h"
#include "base/time-util.h"

#define FIELD_MAX 320

typedef struct JobFields {
        char job[48], command[64], resource[FIELD_MAX], container[FIELD_MAX], uid[48], pid[48], code[64];
        const char *fields[9];
} JobFields;

/* Whether the job's resource is a container's id. */
static bool is_of_container(const Job *job) {
        const CommandInfo *info = command_info(job->command);

        return job->resource && ((info->required | info->optional) & MEMBER_ID);
}

/* Fills in what every message of a job carries. The pointers are into `f` itself. */
static const char *const *job_fields(const Job *job, const char *message_id, JobFields *f) {
        size_t n = 0;

        snprintf(f->job, sizeof(f->job), "CRUXD_JOB=%" PRIu64, job->id);
        snprintf(f->command, sizeof(f->command), "CRUXD_COMMAND=%s", command_to_string(job->command));
        snprintf(f->uid, sizeof(f->uid), "CRUXD_CLIENT_UID=%u", job->peer.uid);
        snprintf(f->pid, sizeof(f->pid), "CRUXD_CLIENT_PID=%i", (int) job->peer.pid);
        f->fields[n++] = message_id;
        f->fields[n++] = f->job;
        f->fields[n++] = f->command;
        f->fields[n++] = f->uid;
        f->fields[n++] = f->pid;
        if (job->resource) {
                snprintf(f->resource, sizeof(f->resource), "CRUXD_RESOURCE=%s", job->resource);
                f->fields[n++] = f->resource;
        }
        if (is_of_container(job)) {
                snprintf(f->container, sizeof(f->container), "CRUXD_CONTAINER=%s", job->resource);
                f->fields[n++] = f->container;
        }
        if (error_is_set(&job->result)) {
                snprintf(f->code, sizeof(f->code), "CRUXD_ERROR=%s", error_code_to_string(job->result.code));
                f->fields[n++] = f->code;
        }
        f->fields[n] = NULL;
        return f->fields;
}

/* What changes something is told; what only looks, and what the daemon does of its own accord, is for whoever
 * debugs. */
static int job_level(const Job *job) {
        const CommandInfo *info = command_info(job->command);

        return info->action == ACTION_INSPECT || info->internal ? LOG_DEBUG : LOG_INFO;
}

static int failure_level(const Job *job) {
        if (command_info(job->command)->endless) /* whoever looks after it tells when it is news */
                return LOG_DEBUG;
        switch (job->result.code) {
        case ERROR_INTERNAL:
                return LOG_ERR;
        case ERROR_UNAVAILABLE:
                return LOG_WARNING;
        default:
                return job_level(job);
        }
}

#define JOB_FORMAT "Job %" PRIu64 ", %s%s%s%s for user %u"
#define JOB_ARGUMENTS(job) \
        (job)->id, command_to_string((job)->command), (job)->resource ? " \"" : "", \
                strempty((job)->resource), (job)->resource ? "\"" : "", (job)->peer.uid

void job_log_started(const Job *job) {
        JobFields f;

        if (job_level(job) > log_get_max_level())
                return;
        log_struct(job_level(job), job_fields(job, "MESSAGE_ID=" MESSAGE_JOB_STARTED, &f),
                   JOB_FORMAT ", has started", JOB_ARGUMENTS(job));
}

void job_log_ended(const Job *job) {
        JobFields f;
        int level = error_is_set(&job->result) ? failure_level(job) : job_level(job);

        if (level > log_get_max_level())
                return;
        uint64_t ms = (now_usec(CLOCK_MONOTONIC) - job->created_usec) / USEC_PER_MSEC;
        if (!error_is_set(&job->result))
                log_struct(level, job_fields(job, "MESSAGE_ID=" MESSAGE_JOB_FINISHED, &f),
                           JOB_FORMAT ", is done after %" PRIu64 ".%03" PRIu64 " s", JOB_ARGUMENTS(job),
                           ms / 1000, ms % 1000);
        else if (job->result.code == ERROR_CANCELLED)
                log_struct(level, job_fields(job, "MESSAGE_ID=" MESSAGE_JOB_CANCELLED, &f),
                           JOB_FORMAT ", was cancelled: %s", JOB_ARGUMENTS(job),
                           job->why ?: error_message(&job->result));
        else
                log_struct(level, job_fields(job, "MESSAGE_ID=" MESSAGE_JOB_FAILED, &f),
                           JOB_FORMAT ", has failed: %s", JOB_ARGUMENTS(job), error_message(&job->result));
}

void job_log_worker_died(const Job *job, const char *how) {
        JobFields f;

        log_struct(LOG_ERR, job_fields(job, "MESSAGE_ID=" MESSAGE_WORKER_DIED, &f),
                   "The worker of job %" PRIu64 ", %s, %s before it had answered", job->id,
                   command_to_string(job->command), how);
}

void job_log_worker_killed(const Job *job, pid_t pid) {
        static const char *const id[] = { "MESSAGE_ID=" MESSAGE_WORKER_KILLED, NULL };
        JobFields f;

        log_struct(LOG_WARNING, job ? job_fields(job, id[0], &f) : id, "Worker %i does not end, killing it",
                   (int) pid);
}
