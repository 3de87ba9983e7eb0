/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All of the daemon's state. One thread, one event loop; nothing in here blocks. */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "broker/access.h"
#include "broker/bus.h"
#include "broker/client.h"
#include "broker/job.h"
#include "broker/listener.h"
#include "broker/options.h"
#include "broker/pool.h"
#include "broker/scheduler.h"
#include "broker/settings.h"
#include "broker/state.h"
#include "broker/sweeper.h"
#include "broker/watcher.h"

typedef struct Manager {
        sd_event *event;
        const Options *options; /* borrowed */
        Settings settings;
        bool by_systemd; /* sockets came from systemd: we may leave and are started again */

        Listener *listeners;
        ClientTable clients;
        UserTable users;
        Scheduler scheduler;
        Job *jobs;
        unsigned n_jobs;                 /* those that keep the daemon: without endless ones */
        const JobObserver *job_observer; /* NULL: nobody looks */
        void *job_observer_data;
        Pool pool;
        Sweeper sweeper;
        Watcher watcher;
        Access access;
        Bus bus;
        State state;
        int lock_fd;       /* the instance's */
        char *linked;      /* our socket, which SOCKET_PATH_OLD leads to; NULL: not by us */
        bool has_pid_file; /* ours, to be removed */

        bool leaving;              /* idle, and on the way out: what still comes by the bus is served */
        bool stopping;             /* no command is taken any more */
        bool hurried;              /* nothing is waited for any more either */
        sd_event_source *dispatch; /* defer: jobs may start */
        sd_event_source *idle_timer;
        sd_event_source *status_timer; /* STATUS= is to be sent */
        sd_event_source *stop_timer;
        uint64_t busy_usec; /* when there was something to do last, CLOCK_MONOTONIC */
} Manager;

/* Reads the settings and makes what needs no outer world. The options must outlive the manager. */
int manager_new(const Options *options, Manager **ret, Error *error);
Manager *manager_free(Manager *manager);
DEFINE_CLEANUP(Manager *, manager_free);

/* Reads the settings again and applies them. On failure all is as before. */
int manager_configure(Manager *manager, Error *error);

/* Sets the level of messages until the next reload, the workers' too. */
int manager_set_log_level(Manager *manager, int level);

/* Takes or makes the sockets, and tells everyone who waits that clients can come. */
int manager_start(Manager *manager, Error *error);

/* Until it is told to stop, or has been idle for long. Negative errno when the loop itself fails. */
int manager_run(Manager *manager);

/* Something may have become possible: a job to start, or the end. Does nothing before the loop runs again. */
void manager_wake(Manager *manager);

/* A connection has been closed. */
void manager_client_ended(Manager *manager);

/* A job is over; it is still there. */
void manager_job_ended(Manager *manager, const Job *job);

/* No new clients and commands; ends the loop once nothing is under way any more. `why` is for the log. */
void manager_stop(Manager *manager, const char *why);

/* Nothing is to do: ends the loop, so that whoever comes next starts another daemon, without losing anybody
 * who is on the way. */
void manager_leave(Manager *manager);

typedef struct Status {
        const char *version;
        pid_t pid;
        uint64_t uptime_usec;
        uint64_t builds;
} Status;

Status manager_status(const Manager *manager);

/* Appends the line that answers `status` on a socket. */
int manager_write_status(const Manager *manager, Buffer *line, Error *error);
