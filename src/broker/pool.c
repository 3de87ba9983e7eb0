/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/pool.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/manager.h"

/* What systemd says to us is not for a worker. */
static int make_environment(char ***ret) {
        static const char *const ours[] = { "LISTEN_",       "NOTIFY_SOCKET=",  "WATCHDOG_",
                                            "MAINPID=",      "MANAGERPID=",     "FDSTORE=",
                                            "SYSTEMD_EXEC_", "MEMORY_PRESSURE_" };
        _cleanup_strv_ char **environment = new0(char *, 1);

        if (!environment)
                return -ENOMEM;
        for (char **e = environ; e && *e; e++) {
                bool keep = true;
                for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                        keep = keep && !startswith(*e, ours[i]);
                if (keep && strv_extend(&environment, *e) < 0)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(environment);
        return 0;
}

static int make_argv(const WorkerOptions *options, char ***ret) {
        _cleanup_strv_ char **argv = NULL;
        int r;

        r = strv_extend(&argv, options->program);
        if (r >= 0)
                r = strv_consume(&argv, format_string("--instance=%s", options->instance));
        if (r >= 0)
                r = strv_consume(&argv, format_string("--namespace=%s", options->namespace));
        if (r >= 0)
                r = strv_consume(&argv,
                                 format_string("--containerd-address=%s", options->containerd_address));
        if (r >= 0)
                r = strv_consume(&argv, format_string("--archive-unpacked-max=%" PRIu64,
                                                      options->archive_unpacked_max));
        if (r >= 0)
                r = strv_consume(&argv,
                                 format_string("--log-level=%s", log_level_to_string(options->log_level)));
        if (r >= 0)
                *ret = TAKE_PTR(argv);
        return r;
}

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm_idle_timer(Pool *pool) {
        Worker *oldest = pool->idle.last;
        int r = 0;

        /* One that is armed comes early at worst, and then looks again: no timer is set for each command. */
        if (!oldest || (pool->idle_timer && sd_event_source_get_enabled(pool->idle_timer, NULL) > 0))
                return;
        uint64_t due = oldest->idle_usec + pool->idle_max_usec;
        if (!pool->idle_timer)
                r = sd_event_add_time(pool->event, &pool->idle_timer, CLOCK_MONOTONIC, due, 0, on_idle_timer,
                                      pool);
        else {
                r = sd_event_source_set_time(pool->idle_timer, due);
                if (r >= 0)
                        r = sd_event_source_set_enabled(pool->idle_timer, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                log_warning_errno(r, "timer for idle workers: %m, ignoring");
}

static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Pool *pool = userdata;

        for (Worker *oldest; (oldest = pool->idle.last);) {
                if (oldest->idle_usec + pool->idle_max_usec > usec)
                        break;
                worker_dismiss(oldest);
        }
        arm_idle_timer(pool);
        return 0;
}

int pool_init(Pool *pool, Manager *manager) {
        *pool = (Pool) { .manager = manager, .event = sd_event_ref(manager->event) };
        pool->scratch = malloc(POOL_SCRATCH_SIZE);
        return pool->scratch ? make_environment(&pool->environment) : -ENOMEM;
}

void pool_clear(Pool *pool) {
        while (pool->workers)
                worker_free(pool->workers);
        sd_event_source_disable_unref(pool->idle_timer);
        sd_event_unref(pool->event);
        strv_free(pool->argv);
        strv_free(pool->environment);
        free(pool->scratch);
        *pool = (Pool) {};
}

int pool_configure(Pool *pool, const WorkerOptions *options, Error *error) {
        _cleanup_strv_ char **argv = NULL;

        if (make_argv(options, &argv) < 0)
                return error_oom(error);
        strv_free(pool->argv);
        pool->argv = TAKE_PTR(argv);

        LIST_FOREACH (workers, worker, pool->workers) {
                worker->dedicated = true;
                if (worker->is_idle)
                        worker_dismiss(worker);
        }
        return 0;
}

int pool_run(Pool *pool, Job *job, bool dedicated, Error *error) {
        Worker *worker;
        int r;

        /* Those that wait are for commands. One that died while it was idle does not take the job, which is
         * nobody's fault: the next one may. */
        while (!command_info(job->command)->endless && (worker = pool->idle.first))
                if (worker_send(worker, job) >= 0) {
                        worker->dedicated = dedicated;
                        job->worker = worker;
                        return 0;
                }

        r = worker_new(pool, &worker, error);
        if (r < 0)
                return r;
        worker->dedicated = dedicated;
        r = worker_send(worker, job);
        if (r < 0) {
                (void) error_set_errno(error, r, "send the request to a worker");
                return error_recode(error, ERROR_INTERNAL);
        }
        job->worker = worker;
        return 0;
}

static void make_idle(Pool *pool, Worker *worker) {
        worker->is_idle = true;
        if (sd_event_now(pool->event, CLOCK_MONOTONIC, &worker->idle_usec) < 0)
                worker->idle_usec = now_usec(CLOCK_MONOTONIC);
        QUEUE_PREPEND(idle, pool->idle, worker);
        arm_idle_timer(pool);
}

/* A worker takes longer to start than most commands. Where one has just ended with its job the next is as
 * good as asked for: builds come in rows. */
static void start_spare(Pool *pool) {
        _cleanup_(error_clear) Error error = {};
        Worker *worker;

        if (pool->idle.first)
                return;
        if (worker_new(pool, &worker, &error) < 0)
                log_debug("Failed to start a spare worker, ignoring: %s", error_message(&error));
        else
                make_idle(pool, worker);
}

void pool_put(Pool *pool, Worker *worker) {
        bool keep = !pool->closing && pool->idle_max_usec > 0, internal = worker->internal;

        if (worker->dedicated || worker->doomed || !keep) {
                worker_dismiss(worker);
                if (keep && !internal) /* what ends of ours is no command either */
                        start_spare(pool);
                return;
        }
        answer_clear(&worker->answer);
        worker_continue(worker);
        make_idle(pool, worker);
}

void pool_close(Pool *pool) {
        pool->closing = true;
        for (Worker *worker; (worker = pool->idle.first);)
                worker_dismiss(worker);
}
