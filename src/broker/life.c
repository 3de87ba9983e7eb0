/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/life.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/bus-call.h"
#include "broker/manager.h"

#define STATUS_INTERVAL_USEC USEC_PER_SEC

/* A command and its resource, which is bounded. */
#define STATUS_JOB_MAX 320

/* One of the commands that run, which often is the only one: ": build \"acme/hello\"". The client's words
 * must not become lines of their own. */
static const char *describe_running(Manager *manager, char buffer[static STATUS_JOB_MAX]) {
        buffer[0] = '\0';
        LIST_FOREACH (jobs, job, manager->jobs)
                if (job->state == JOB_RUNNING && job->resource && !command_info(job->command)->internal)
                        snprintf(buffer, STATUS_JOB_MAX, ": %s \"%s\"", command_to_string(job->command),
                                 job->resource);
        for (char *p = buffer; *p; p++)
                if ((unsigned char) *p < ' ')
                        *p = '?';
        return buffer;
}

/* How exact an idle time is, which may be set to nearly nothing. */
#define IDLE_ACCURACY_USEC (20 * USEC_PER_MSEC)

static void send_status(Manager *manager) {
        char job[STATUS_JOB_MAX];

        (void) sd_notifyf(/* unset_environment= */ false,
                          "STATUS=%" PRIu64 " commands running, %" PRIu64 " waiting, %" PRIu64
                          " builds done%s",
                          (uint64_t) manager->n_jobs - manager->scheduler.waiting, manager->scheduler.waiting,
                          manager->state.builds, describe_running(manager, job));
}

static int on_status_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        send_status(userdata);
        return 0;
}

void life_status_changed(Manager *manager) {
        uint64_t now;

        if (sd_event_source_get_enabled(manager->status_timer, NULL) > 0 ||
            sd_event_now(manager->event, CLOCK_MONOTONIC, &now) < 0)
                return;
        (void) sd_event_source_set_time(manager->status_timer, now + STATUS_INTERVAL_USEC);
        (void) sd_event_source_set_enabled(manager->status_timer, SD_EVENT_ONESHOT);
}

static void arm_idle_timer(Manager *manager, uint64_t since) {
        uint64_t after = manager->settings.exit_on_idle_usec, due;

        if (!manager->by_systemd || __builtin_add_overflow(since, after, &due)) {
                (void) sd_event_source_set_enabled(manager->idle_timer, SD_EVENT_OFF);
                return;
        }
        (void) sd_event_source_set_time(manager->idle_timer, due);
        (void) sd_event_source_set_enabled(manager->idle_timer, SD_EVENT_ONESHOT);
}

/* The timer is not set for each command: it looks how long nothing has been done. */
static int on_idle_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *manager = userdata;

        if (manager->clients.n > 0 || manager->n_jobs > 0 || manager->bus.n_calls > 0 ||
            bus_is_joining(&manager->bus))
                arm_idle_timer(manager, usec);
        else if (usec - MIN(usec, manager->busy_usec) < manager->settings.exit_on_idle_usec)
                arm_idle_timer(manager, manager->busy_usec);
        else
                manager_leave(manager);
        return 0;
}

static void reload(Manager *manager) {
        _cleanup_(error_clear) Error error = {};

        log_info("Reloading");
        (void) sd_notifyf(/* unset_environment= */ false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                          now_usec(CLOCK_MONOTONIC));
        if (manager_configure(manager, &error) < 0)
                log_error("Failed to reload, going on as before: %s", error_message(&error));
        else
                arm_idle_timer(manager, now_usec(CLOCK_MONOTONIC));
        (void) sd_notify(/* unset_environment= */ false, "READY=1");
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        reload(userdata);
        return 0;
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        manager_stop(userdata, si->ssi_signo == SIGINT ? "interrupted" : "terminated");
        return 0;
}

static int add_timer(Manager *manager, sd_event_source **ret, uint64_t accuracy,
                     sd_event_time_handler_t handler) {
        int r = sd_event_add_time(manager->event, ret, CLOCK_MONOTONIC, 0, accuracy, handler, manager);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int life_init(Manager *manager, Error *error) {
        static const struct {
                int signal;
                sd_event_signal_handler_t handler;
        } signals[] = { { SIGTERM, on_stop_signal }, { SIGINT, on_stop_signal }, { SIGHUP, on_reload } };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = sd_event_add_signal(manager->event, NULL, signals[i].signal | SD_EVENT_SIGNAL_PROCMASK,
                                        signals[i].handler, manager);
        if (r >= 0)
                r = sd_event_set_watchdog(manager->event, true);
        if (r >= 0)
                r = add_timer(manager, &manager->status_timer, /* accuracy= */ 0, on_status_timer);
        if (r >= 0)
                r = add_timer(manager, &manager->idle_timer, IDLE_ACCURACY_USEC, on_idle_timer);
        return r < 0 ? error_set_errno(error, r, "set up the event loop") : 0;
}

void life_clear(Manager *manager) {
        manager->status_timer = sd_event_source_disable_unref(manager->status_timer);
        manager->idle_timer = sd_event_source_disable_unref(manager->idle_timer);
        manager->stop_timer = sd_event_source_disable_unref(manager->stop_timer);
}

void life_ready(Manager *manager) {
        int fd = manager->options->ready_fd;

        arm_idle_timer(manager, now_usec(CLOCK_MONOTONIC));
        (void) sd_notify(/* unset_environment= */ false, "READY=1");
        send_status(manager);
        if (fd < 0)
                return;
        int r = write_all(fd, "ready\n", strlen("ready\n"));
        if (r < 0)
                log_warning_errno(r, "write to --ready-fd: %m, ignoring");
        safe_close(fd);
}

void life_check_end(Manager *manager) {
        if ((!manager->stopping && !manager->leaving) || (!manager->bus.released && !manager->hurried))
                return;
        if (manager->n_jobs > 0 || manager->bus.n_calls > 0)
                return;
        watcher_stop(&manager->watcher);
        pool_close(&manager->pool);
        if ((manager->clients.n == 0 || manager->hurried) && manager->pool.n_workers == 0)
                (void) sd_event_exit(manager->event, 0);
}

void manager_leave(Manager *manager) {
        if (manager->leaving || manager->stopping)
                return;
        log_info("Nothing to do, leaving");
        manager->leaving = true;
        /* In this order: systemd starts the next daemon for whoever comes from now on; connections wait for
         * it in the socket's backlog; and the bus hands over what it has for us before it takes the name
         * back. */
        (void) sd_notify(/* unset_environment= */ false, "STOPPING=1");
        LIST_FOREACH (listeners, listener, manager->listeners)
                listener_stop(listener);
        bus_release(&manager->bus);
        life_check_end(manager);
}

static void cancel_jobs(Manager *manager, bool all) {
        LIST_FOREACH (jobs, job, manager->jobs)
                if (all || job->state == JOB_WAITING || job->ticket.lane == LANE_SESSION ||
                    command_info(job->command)->action == ACTION_BUILD)
                        job_cancel(job, "the daemon is stopping");
}

/* What could be waited for has been: the rest is cancelled, and after a while the end comes without it. */
static int on_stop_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *manager = userdata;
        int r = 0;

        if (manager->hurried) {
                log_warning("Stopping with %u jobs and %u clients left", manager->n_jobs, manager->clients.n);
                return sd_event_exit(manager->event, 0);
        }
        manager->hurried = true;
        cancel_jobs(manager, true);
        r = sd_event_source_set_time_relative(source,
                                              manager->settings.cancel_timeout_usec + WORKER_DISMISS_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        life_check_end(manager);
        return r;
}

void manager_stop(Manager *manager, const char *why) {
        if (manager->stopping) { /* who says it twice does not want to wait */
                if (!manager->hurried)
                        (void) on_stop_timer(manager->stop_timer, 0, manager);
                return;
        }
        log_info("Stopping: %s", why);
        manager->stopping = true;
        bus_release(&manager->bus);
        (void) sd_notify(/* unset_environment= */ false, "STOPPING=1");

        LIST_FOREACH (listeners, listener, manager->listeners)
                listener_stop(listener);
        cancel_jobs(manager, false);
        client_table_stop(&manager->clients);
        bus_calls_stop(&manager->bus);
        pool_close(&manager->pool);

        int r = sd_event_add_time_relative(manager->event, &manager->stop_timer, CLOCK_MONOTONIC,
                                           manager->settings.stop_timeout_usec, 0, on_stop_timer, manager);
        if (r < 0) {
                log_error_errno(r, "timer for stopping: %m, stopping at once");
                (void) sd_event_exit(manager->event, 0);
        }
        life_check_end(manager);
}

int pid_file_write(const char *path, Error *error) {
        char text[32];

        _cleanup_free_ char *aside = format_string("%s.new", path);
        if (!aside)
                return error_oom(error);
        int n = snprintf(text, sizeof(text), "%i\n", (int) getpid());
        _cleanup_close_ int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
        int r = fd < 0 ? -errno : write_all(fd, text, (size_t) n);
        if (r >= 0 && rename(aside, path) < 0)
                r = -errno;
        return r < 0 ? error_set_errno(error, r, "PID file \"%s\"", path) : 0;
}

void pid_file_remove(const char *path) {
        char text[32] = {};

        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || read_all(fd, text, sizeof(text) - 1) < 0)
                return;
        if (strtol(text, NULL, 10) == getpid() && unlink(path) < 0)
                log_warning_errno(errno, "remove \"%s\": %m, ignoring", path);
}
