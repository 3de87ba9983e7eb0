/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/job.h"

#include <string.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/job-log.h"
#include "broker/manager.h"
#include "protocol/bus-text.h"

/* What of a resource's name goes into the journal and the job's title. */
#define RESOURCE_MAX 256U

/* A longer error is told to the client whole, and to the journal not. */
#define ERROR_LINE_MAX ((size_t) KIB(64))

const char *job_state_to_string(JobState state) {
        static const char *const words[_JOB_STATE_MAX] = {
                [JOB_WAITING] = "waiting",
                [JOB_RUNNING] = "running",
                [JOB_CANCELLING] = "cancelling",
                [JOB_ENDED] = "ended",
        };
        return words[state];
}

const char *job_result(const Job *job) {
        if (job->state != JOB_ENDED)
                return "";
        return error_is_set(&job->result) ? error_code_to_string(job->result.code) : "done";
}

static void set_state(Job *job, JobState state) {
        const Manager *manager = job->manager;

        job->state = state;
        if (manager->job_observer && !command_info(job->command)->internal)
                manager->job_observer->changed(job, manager->job_observer_data);
}

void job_request_add_fd(JobRequest *request, const char *name, int fd) {
        request->fds[request->n_fds++] = (JobFd) { .name = name, .fd = fd };
}

int job_request_set_line(JobRequest *request, const char *line, size_t length) {
        int fd = memfd_new_sealed("cruxd-request", line, length);

        if (fd < 0)
                return fd;
        job_request_add_fd(request, "request", fd);
        request->size = length;
        return 0;
}

void job_request_clear(JobRequest *request) {
        peer_clear(&request->peer);
        for (size_t i = 0; i < request->n_fds; i++)
                safe_close(request->fds[i].fd);
        *request = (JobRequest) { .peer = PEER_NULL };
}

/* The user may have another one in its place. */
static void give_place_up(Job *job) {
        Manager *manager = job->manager;

        if (job->charged > 0)
                user_discharge_bytes(&manager->users, job->ticket.user, TAKE(job->charged, 0));
        scheduler_remove(&manager->scheduler, &job->ticket);
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;
        if (job->worker)
                job->worker->job = NULL;
        give_place_up(job);
        LIST_REMOVE(jobs, job->manager->jobs, job);
        if (!command_info(job->command)->endless)
                job->manager->n_jobs--;
        peer_clear(&job->peer);
        for (size_t i = 0; i < job->n_fds; i++)
                safe_close(job->fds[i].fd);
        error_clear(&job->result);
        buffer_clear(&job->error_line);
        job_place_clear(&job->place);
        free(job->resource);
        free(job);
        return NULL;
}

/* As the bus can show it, and systemd the daemon's status. */
static int copy_resource(const char *resource, char **ret) {
        _cleanup_free_ char *copy = NULL;
        const char *text = bus_text(resource, &copy);

        if (!resource)
                return 0;
        *ret = text ? strndup(text, (size_t) utf8_cut(text, RESOURCE_MAX)) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* Makes a job of a request, which still owns everything. */
static int job_allocate(Manager *manager, const JobRequest *request, const JobSink *sink, void *userdata,
                        Job **ret, Error *error) {
        _cleanup_free_ Job *job = new0(Job, 1);

        if (!job || copy_resource(request->resource, &job->resource) < 0)
                return error_oom(error);
        job->manager = manager;
        job->id = state_next_job(&manager->state);
        job->command = request->command;
        job->progress = request->progress;
        job->peer = PEER_NULL;
        job->created_usec = now_usec(CLOCK_MONOTONIC);
        job->created_real_usec = now_usec(CLOCK_REALTIME);
        job->sink = sink;
        job->userdata = userdata;
        LIST_PREPEND(jobs, manager->jobs, job);
        if (!command_info(job->command)->endless)
                manager->n_jobs++;
        *ret = TAKE_PTR(job);
        return 0;
}

static void take_request(Job *job, JobRequest *request) {
        job->peer = TAKE(request->peer, PEER_NULL);
        job->n_fds = request->n_fds;
        memcpy(job->fds, request->fds, sizeof(job->fds));
        request->n_fds = 0;
}

int job_new(Manager *manager, JobRequest *request, const JobSink *sink, void *userdata, Job **ret,
            Error *error) {
        const CommandInfo *info = command_info(request->command);
        Job *job = NULL;
        int r;

        if (manager->stopping)
                return error_set(error, ERROR_UNAVAILABLE, "the daemon is stopping");
        /* systemd would wait for it as for a stop, and nobody is heard meanwhile. */
        if (manager->leaving && request->lane != LANE_SHORT)
                return error_set(error, ERROR_UNAVAILABLE, "the daemon was just leaving: ask again");
        r = request->authorised ? 0 : access_check(&manager->access, &request->peer, info->action, error);
        if (r < 0)
                return r;
        r = job_allocate(manager, request, sink, userdata, &job, error);
        if (r < 0)
                return r;
        r = scheduler_enqueue(&manager->scheduler, &job->ticket, request->peer.uid, request->lane, error);
        if (r >= 0) {
                r = user_charge_bytes(&manager->users, job->ticket.user, request->size, error);
                job->charged = r < 0 ? 0 : request->size;
        }
        if (r < 0) {
                job_free(job);
                return r;
        }
        take_request(job, request);
        if (manager->job_observer)
                manager->job_observer->created(job, manager->job_observer_data);
        manager_wake(manager);
        *ret = job;
        return 0;
}

int job_new_internal(Manager *manager, JobRequest *request, const JobSink *sink, void *userdata, Job **ret,
                     Error *error) {
        Job *job = NULL;
        int r;

        r = job_allocate(manager, request, sink, userdata, &job, error);
        if (r < 0)
                return r;
        take_request(job, request);
        job->state = JOB_RUNNING;
        job->started_usec = job->created_usec;
        r = pool_run(&manager->pool, job, command_info(job->command)->own_worker, error);
        if (r < 0) {
                job_free(job);
                return r;
        }
        *ret = job;
        return 0;
}

/* The job's end, whichever way it came: `result` and all that there is to tell is set. */
static void job_end(Job *job, bool whole) {
        Manager *manager = job->manager;

        job->state = JOB_ENDED;
        job_log_ended(job);
        manager_job_ended(manager, job);
        if (job->worker)
                job->worker->job = NULL;
        job->worker = NULL;
        give_place_up(job);
        if (job->sink)
                job->sink->ended(job, whole, job->userdata);
        if (manager->job_observer && !command_info(job->command)->internal)
                manager->job_observer->ended(job, manager->job_observer_data);
        job_free(job);
        manager_wake(manager);
}

/* Gives a part to the sink, and gives the job up when nobody is there. */
static void job_pass(Job *job, const AnswerPart *part) {
        if (!job->sink)
                return;
        job->partial = !part->last;
        int r = job->sink->part(part, job->userdata);
        if (r < 0) {
                job->sink = NULL;
                job_cancel(job, "the client has gone");
        } else
                job->blocked = r == 0;
}

/* Ends the job by an error of ours, which is told when nothing else has been begun. */
static void job_fail(Job *job, Error *error) {
        _cleanup_(buffer_clear) Buffer line = {};
        bool whole = !job->partial;

        error_move(&job->result, error);
        if (whole && reply_write_error(&job->result, &line) >= 0) {
                AnswerPart part = {
                        .kind = REPLY_ERROR,
                        .data = line.data,
                        .length = line.length,
                        .first = true,
                        .last = true,
                };
                job->state = JOB_CANCELLING; /* nothing is left to be cancelled, should the sink go now */
                job_pass(job, &part);
        }
        job_end(job, whole);
}

void job_start(Job *job) {
        _cleanup_(error_clear) Error error = {};

        job->started_usec = now_usec(CLOCK_MONOTONIC);
        set_state(job, JOB_RUNNING);
        job_log_started(job);
        if (pool_run(&job->manager->pool, job, job->ticket.lane != LANE_SHORT, &error) < 0)
                job_fail(job, &error);
}

void job_not_taken(Job *job) {
        _cleanup_(error_clear) Error error = {};

        job->worker = NULL;
        if (job->state == JOB_CANCELLING)
                (void) error_set(&error, ERROR_CANCELLED, "%s", job->why);
        else if (pool_run(&job->manager->pool, job, job->ticket.lane != LANE_SHORT, &error) >= 0)
                return;
        job_fail(job, &error);
}

void job_cancel(Job *job, const char *why) {
        _cleanup_(error_clear) Error error = {};

        switch (job->state) {
        case JOB_WAITING:
                (void) error_set(&error, ERROR_CANCELLED, "%s", why);
                job_fail(job, &error);
                return;
        case JOB_RUNNING:
                set_state(job, JOB_CANCELLING);
                job->why = why;
                worker_cancel(job->worker, job->manager->settings.cancel_timeout_usec);
                if (!job->sink)
                        job_continue(job);
                return;
        default:
                if (!job->sink)
                        job_continue(job);
                return;
        }
}

void job_detach(Job *job) {
        job->sink = NULL;
        job_continue(job);
}

void job_continue(Job *job) {
        if (!job->blocked)
                return;
        job->blocked = false;
        if (job->worker)
                worker_continue(job->worker);
}

static void keep_error(Job *job, const AnswerPart *part) {
        if (job->error_line.length + part->length <= ERROR_LINE_MAX)
                (void) buffer_append(&job->error_line, part->data, part->length);
}

int job_answer(Job *job, const AnswerPart *part) {
        if (part->kind == REPLY_PROGRESS) {
                const Manager *manager = job->manager;
                if (manager->job_observer && !command_info(job->command)->internal)
                        manager->job_observer->progress(job, part, manager->job_observer_data);
                if (job->progress)
                        job_pass(job, part);
                return 0;
        }

        if (part->kind == REPLY_ERROR)
                keep_error(job, part);
        job_pass(job, part);
        if (!part->last)
                return 0;
        if (part->kind == REPLY_ERROR &&
            reply_decode(job->error_line.data, job->error_line.length, NULL, &job->result, NULL) < 0)
                (void) error_set(&job->result, ERROR_INTERNAL, "an error too long to be shown here");
        job_end(job, true);
        return 1;
}

void job_worker_ended(Job *job, const char *how) {
        _cleanup_(error_clear) Error error = {};

        job->worker = NULL;
        if (job->state == JOB_CANCELLING)
                (void) error_set(&error, ERROR_CANCELLED, "%s", job->why);
        else {
                job_log_worker_died(job, how);
                (void) error_set(&error, ERROR_INTERNAL, "the worker %s", how);
        }
        job_fail(job, &error);
}
