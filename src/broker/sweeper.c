/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/sweeper.h"

#include <string.h>

#include "base/log.h"
#include "base/time-util.h"
#include "broker/job.h"
#include "broker/manager.h"

#define RETRY_FIRST_USEC (5 * USEC_PER_SEC)
#define RETRY_MAX_USEC (300 * USEC_PER_SEC)

static void sweeper_run(Sweeper *sweeper);

void sweeper_init(Sweeper *sweeper, Manager *manager) {
        *sweeper = (Sweeper) { .manager = manager, .retry_usec = RETRY_FIRST_USEC };
}

void sweeper_clear(Sweeper *sweeper) {
        sd_event_source_disable_unref(sweeper->retry_timer);
        *sweeper = (Sweeper) {};
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Sweeper *sweeper = userdata;

        sweeper->retry_timer = sd_event_source_disable_unref(sweeper->retry_timer);
        sweeper_run(sweeper);
        return 0;
}

/* A daemon that leaves in the meantime leaves it to the next one's start. */
static void retry_later(Sweeper *sweeper) {
        int r;

        sweeper->needed = true;
        if (sweeper->manager->stopping)
                return;
        r = sd_event_add_time_relative(sweeper->manager->event, &sweeper->retry_timer, CLOCK_MONOTONIC,
                                       sweeper->retry_usec, 0, on_retry, sweeper);
        if (r < 0)
                log_warning_errno(r, "timer for the next sweep: %m, ignoring");
        sweeper->retry_usec = MIN(sweeper->retry_usec * 2, RETRY_MAX_USEC);
}

static int on_part(const AnswerPart *part, void *userdata) {
        return 1; /* the job keeps its result */
}

static void on_ended(Job *job, bool whole, void *userdata) {
        Sweeper *sweeper = userdata;

        sweeper->job = NULL;
        if (error_is_set(&job->result)) {
                retry_later(sweeper);
                return;
        }
        sweeper->retry_usec = RETRY_FIRST_USEC;
        sweeper_run(sweeper);
}

static int start_job(Sweeper *sweeper, Error *error) {
        static const JobSink sink = { .part = on_part, .ended = on_ended };
        static const char line[] = "{\"version\":0,\"command\":\"sweep\"}\n";
        _cleanup_(job_request_clear) JobRequest request = { .command = COMMAND_SWEEP, .peer = peer_self() };

        int r = job_request_set_line(&request, line, strlen(line));
        if (r < 0)
                return error_set_errno(error, r, "request for a sweep");
        return job_new_internal(sweeper->manager, &request, &sink, sweeper, &sweeper->job, error);
}

static void sweeper_run(Sweeper *sweeper) {
        _cleanup_(error_clear) Error error = {};

        if (!sweeper->needed || sweeper->job || sweeper->retry_timer)
                return;
        sweeper->needed = false;
        if (start_job(sweeper, &error) < 0) {
                log_warning("Failed to sweep, trying again later: %s", error_message(&error));
                retry_later(sweeper);
        }
}

void sweeper_request(Sweeper *sweeper) {
        sweeper->needed = true;
        sweeper_run(sweeper);
}
