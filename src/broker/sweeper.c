/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/sweeper.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/time-util.h"
#include "broker/job.h"
#include "broker/manager.h"

#define RETRY_FIRST_USEC (5 * USEC_PER_SEC)
#define RETRY_MAX_USEC (300 * USEC_PER_SEC)

/* More than this many at once, and the oldest wait for the next daemon's sweep of everything. */
#define BUILDS_MAX 1024U

static void sweeper_run(Sweeper *sweeper);

void sweeper_init(Sweeper *sweeper, Manager *manager) {
        *sweeper = (Sweeper){ .manager = manager, .retry_usec = RETRY_FIRST_USEC };
}

void sweeper_clear(Sweeper *sweeper) {
        sd_event_source_disable_unref(sweeper->retry_timer);
        free(sweeper->builds);
        *sweeper = (Sweeper){};
}

static void hold_long_commands(Sweeper *sweeper, bool hold) {
        sweeper->manager->scheduler.lanes[LANE_LONG].closed = hold;
        if (!hold)
                manager_wake(sweeper->manager);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Sweeper *sweeper = userdata;

        sweeper->retry_timer = sd_event_source_disable_unref(sweeper->retry_timer);
        sweeper_run(sweeper);
        return 0;
}

static void retry_later(Sweeper *sweeper) {
        int r;

        if (sweeper->retry_timer || sweeper->manager->stopping)
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
        hold_long_commands(sweeper, false);
        if (error_is_set(&job->result)) {
                retry_later(sweeper);
                return;
        }
        sweeper->retry_usec = RETRY_FIRST_USEC;
        if (sweeper->job_is_everything)
                sweeper->everything = false;
        else {
                sweeper->n_builds--;
                memmove(sweeper->builds, sweeper->builds + 1, sweeper->n_builds * sizeof(uint64_t));
        }
        sweeper_run(sweeper);
}

static int start_job(Sweeper *sweeper, Error *error) {
        static const JobSink sink = { .part = on_part, .ended = on_ended };
        _cleanup_(job_request_clear) JobRequest request = { .command = COMMAND_SWEEP, .peer = peer_self() };
        _cleanup_(buffer_clear) Buffer line = {};
        int r;

        if (sweeper->everything)
                r = buffer_append_string(&line, "{\"version\":0,\"command\":\"sweep\"}\n");
        else
                r = buffer_printf(&line,
                                  "{\"version\":0,\"command\":\"sweep\",\"payload\":{\"build\":\"%" PRIu64
                                  "\"}}\n",
                                  sweeper->builds[0]);
        if (r >= 0)
                r = job_request_set_line(&request, line.data, line.length);
        if (r < 0)
                return error_set_errno(error, r, "request for a sweep");

        sweeper->job_is_everything = sweeper->everything;
        return job_new_internal(sweeper->manager, &request, &sink, sweeper, &sweeper->job, error);
}

static void sweeper_run(Sweeper *sweeper) {
        _cleanup_(error_clear) Error error = {};

        if (sweeper->job || sweeper->retry_timer || (!sweeper->everything && sweeper->n_builds == 0))
                return;
        if (sweeper->everything) {
                /* It would take what is being built for left over. */
                if (sweeper->manager->scheduler.lanes[LANE_LONG].running > 0) {
                        retry_later(sweeper);
                        return;
                }
                hold_long_commands(sweeper, true);
        }
        if (start_job(sweeper, &error) < 0) {
                log_warning("Failed to sweep: %s, trying again later", error_message(&error));
                hold_long_commands(sweeper, false);
                retry_later(sweeper);
        }
}

void sweeper_start(Sweeper *sweeper) {
        sweeper->everything = true;
        sweeper_run(sweeper);
}

void sweeper_add(Sweeper *sweeper, const Job *job) {
        const CommandInfo *info = command_info(job->command);

        if (info->internal || info->action == ACTION_INSPECT)
                return;
        uint64_t *builds = sweeper->n_builds < BUILDS_MAX
                                   ? reallocarray(sweeper->builds, sweeper->n_builds + 1, sizeof(uint64_t))
                                   : NULL;
        if (!builds) {
                log_warning("Too many jobs to be swept, leaving job %" PRIu64 " to the next start", job->id);
                return;
        }
        builds[sweeper->n_builds++] = job->id;
        sweeper->builds = builds;
        sweeper_run(sweeper);
}
