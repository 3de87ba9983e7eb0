/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/manager.h"

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "base/version.h"
#include "broker/job-bus.h"
#include "broker/life.h"
#include "broker/socket-path.h"
#include "config.h"
#include "protocol/envelope.h"

/* Jobs may start, or the daemon may end. In one place and not where it becomes possible, so that nothing is
 * freed under the hands of who calls. */
static int on_dispatch(sd_event_source *source, void *userdata) {
        Manager *manager = userdata;

        for (Ticket *ticket; !manager->stopping && (ticket = scheduler_next(&manager->scheduler));) {
                job_start(container_of(ticket, Job, ticket));
                life_status_changed(manager);
        }
        life_check_end(manager);
        return 0;
}

void manager_wake(Manager *manager) {
        (void) sd_event_source_set_enabled(manager->dispatch, SD_EVENT_ONESHOT);
}

static void set_busy(Manager *manager) {
        (void) sd_event_now(manager->event, CLOCK_MONOTONIC, &manager->busy_usec);
}

void manager_client_ended(Manager *manager) {
        set_busy(manager);
        if (manager->stopping || manager->leaving)
                manager_wake(manager);
}

void manager_job_ended(Manager *manager, const Job *job) {
        if (command_info(job->command)->endless)
                return;
        set_busy(manager);
        life_status_changed(manager);
        if (job->command == COMMAND_BUILD && !error_is_set(&job->result))
                state_count_build(&manager->state);
}

static void apply_limits(Manager *manager) {
        const Settings *s = &manager->settings;
        LaneState *lanes = manager->scheduler.lanes;

        manager->users.connections.max = s->connections_max;
        manager->users.connections.per_user_max = s->connections_per_user_max;
        manager->users.request_bytes.max = s->request_memory_max;
        manager->users.request_bytes.per_user_max = s->request_memory_per_user_max;
        lanes[LANE_SHORT].max = s->commands_max;
        lanes[LANE_SHORT].per_user_max = s->commands_per_user_max;
        lanes[LANE_LONG].max = s->builds_max;
        lanes[LANE_LONG].per_user_max = s->builds_per_user_max;
        lanes[LANE_SESSION].max = s->sessions_max;
        lanes[LANE_SESSION].per_user_max = s->sessions_per_user_max;
        manager->scheduler.queue_max = s->queue_max;
        manager->scheduler.queue_per_user_max = s->queue_per_user_max;
        manager->pool.idle_max_usec = s->worker_idle_usec;
}

/* What the command line says goes before the settings. */
static int override(Settings *settings, const Options *options) {
        int r = 0;

        if (options->log_level >= 0)
                settings->log_level = options->log_level;
        if (options->containerd_address)
                r = free_and_strdup(&settings->containerd_address, options->containerd_address);
        if (r >= 0 && options->namespace)
                r = free_and_strdup(&settings->namespace, options->namespace);
        if (r >= 0 && !settings->namespace) {
                settings->namespace = streq(options->instance, DEFAULT_INSTANCE)
                                              ? strdup("cruxd")
                                              : format_string("cruxd-%s", options->instance);
                r = settings->namespace ? 0 : -ENOMEM;
        }
        return r;
}

static int configure_pool(Manager *manager, const Settings *settings, Error *error) {
        const Options *options = manager->options;
        const WorkerOptions worker_options = {
                .program = options->worker ?: CRUXD_LIBEXECDIR "/cruxd-worker",
                .containerd_address = settings->containerd_address,
                .namespace = settings->namespace,
                .instance = options->instance,
                .archive_unpacked_max = settings->archive_unpacked_max,
                .log_level = settings->log_level,
        };

        return pool_configure(&manager->pool, &worker_options, error);
}

int manager_set_log_level(Manager *manager, int level) {
        manager->settings.log_level = level;
        log_set_max_level(level);
        int r = configure_pool(manager, &manager->settings, NULL);
        if (r >= 0)
                watcher_restart(&manager->watcher);
        return r;
}

int manager_configure(Manager *manager, Error *error) {
        _cleanup_(settings_clear) Settings settings = {};
        const Options *options = manager->options;
        int r;

        r = settings_load(options->config, options->instance, &settings, error);
        if (r < 0)
                return r;
        if (override(&settings, options) < 0)
                return error_oom(error);

        r = configure_pool(manager, &settings, error);
        if (r < 0)
                return r;

        settings_clear(&manager->settings);
        manager->settings = settings;
        settings = (Settings) {};
        log_set_max_level(manager->settings.log_level);
        apply_limits(manager);
        access_load(&manager->access);
        watcher_restart(&manager->watcher);
        manager_wake(manager);
        return 0;
}

int manager_new(const Options *options, Manager **ret, Error *error) {
        _cleanup_(manager_freep) Manager *manager = new0(Manager, 1);
        int r;

        if (!manager)
                return error_oom(error);
        *manager = (Manager) { .options = options, .lock_fd = -EBADF };
        scheduler_init(&manager->scheduler, &manager->users);
        sweeper_init(&manager->sweeper, manager);
        watcher_init(&manager->watcher, manager);

        r = sd_event_default(&manager->event);
        if (r >= 0)
                r = sd_event_add_defer(manager->event, &manager->dispatch, on_dispatch, manager);
        if (r >= 0)
                r = sd_event_source_set_enabled(manager->dispatch, SD_EVENT_OFF);
        if (r >= 0)
                r = client_table_init(&manager->clients, manager);
        if (r >= 0)
                r = pool_init(&manager->pool, manager);
        if (r < 0)
                return error_set_errno(error, r, "set up the daemon");
        r = life_init(manager, error);
        if (r >= 0)
                r = manager_configure(manager, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(manager);
        return 0;
}

Manager *manager_free(Manager *manager) {
        if (!manager)
                return NULL;
        while (manager->listeners)
                listener_free(manager->listeners);
        client_table_clear(&manager->clients);
        bus_clear(&manager->bus);
        while (manager->jobs)
                job_free(manager->jobs);
        sweeper_clear(&manager->sweeper);
        watcher_clear(&manager->watcher);
        pool_clear(&manager->pool);
        life_clear(manager);
        if (manager->linked)
                socket_path_unlink(SOCKET_PATH_OLD, manager->linked);
        free(manager->linked);
        if (manager->has_pid_file)
                pid_file_remove(manager->options->pid_file);
        state_clear(&manager->state);
        settings_clear(&manager->settings);
        sd_event_source_disable_unref(manager->dispatch);
        sd_event_unref(manager->event);
        safe_close(manager->lock_fd);
        free(manager);
        return NULL;
}

/* Our own socket, where systemd gave none. */
static int listen_by_ourselves(Manager *manager, Error *error) {
        const Options *options = manager->options;
        Listener *listener;
        int r;

        _cleanup_free_ char *path =
                options->socket ? strdup(options->socket) : socket_path_of_instance(options->instance);
        if (!path)
                return error_oom(error);
        r = listener_new_at(manager, path, &listener, error);
        if (r < 0)
                return r;
        log_info("Listening on \"%s\"", path);
        if (!options->socket && streq(options->instance, DEFAULT_INSTANCE)) {
                socket_path_link(SOCKET_PATH_OLD, path);
                manager->linked = TAKE_PTR(path);
        }
        return 0;
}

int manager_start(Manager *manager, Error *error) {
        const Options *options = manager->options;
        int r;

        r = instance_lock(options->instance, error);
        if (r < 0 && error_is_set(error))
                return r;
        manager->lock_fd = r;

        if (state_init(&manager->state, getenv("RUNTIME_DIRECTORY")) < 0)
                return error_oom(error);
        r = listeners_from_systemd(manager, error);
        if (r < 0)
                return r;
        manager->by_systemd = r > 0;
        if (!manager->by_systemd) {
                r = listen_by_ourselves(manager, error);
                if (r < 0)
                        return r;
        }
        if (options->pid_file) {
                r = pid_file_write(options->pid_file, error);
                if (r < 0)
                        return r;
                manager->has_pid_file = true;
        }

        if (bus_init(&manager->bus, manager) < 0)
                return error_oom(error);
        manager->job_observer = &job_bus_observer;
        manager->job_observer_data = &manager->bus;

        set_busy(manager);
        life_ready(manager);
        sweeper_request(&manager->sweeper);
        watcher_start(&manager->watcher);
        return 0;
}

int manager_run(Manager *manager) {
        return sd_event_loop(manager->event);
}

Status manager_status(const Manager *manager) {
        return (Status) {
                .version = version_string(),
                .pid = getpid(),
                .uptime_usec = state_uptime(&manager->state),
                .builds = manager->state.builds,
        };
}

int manager_write_status(const Manager *manager, Buffer *line, Error *error) {
        char uptime[SPAN_MAX];
        Status status = manager_status(manager);
        int r;

        r = reply_begin(REPLY_OK, line);
        if (r >= 0)
                r = buffer_append_string(line, "{\"running\":true,\"version\":");
        if (r >= 0)
                r = json_write_string(status.version, strlen(status.version), line);
        if (r >= 0)
                r = buffer_printf(line, ",\"pid\":%i,\"uptime\":\"%s\",\"builds\":%" PRIu64 "}",
                                  (int) status.pid, format_span(uptime, status.uptime_usec), status.builds);
        if (r >= 0)
                r = reply_end(line);
        return r < 0 ? error_oom(error) : 0;
}
