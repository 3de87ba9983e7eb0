/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is known of containerd and of what is in it: an endless job of a worker's tells it (worker/
 * watch-reply.h), and it is kept here for the bus.
 *
 *     start ──▶ watch ──"listed"──▶ follows events ──▶ worker or containerd gone ──▶ a pause ──▶ watch …
 *
 * A new watch begins with a list: what differs from what is known is a change, as if it had been seen. While
 * there is no watch, what was known last stays: the containers run on without containerd, as a rule. The
 * watch is no command and keeps the daemon from nothing. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "broker/container.h"
#include "broker/image.h"

typedef struct Job Job;

typedef struct Watcher {
        Manager *manager;
        Job *job; /* the watch that is under way */
        sd_event_source *start_source, *retry_timer, *patience_timer;
        uint64_t retry_usec;
        uint64_t run; /* which watch it is, from 1 */
        bool stopped; /* for good */
        bool ready;   /* all is known, or is not going to be soon */
        bool listed;  /* has been known once */
        bool reachable;
        char *version;   /* containerd's; NULL: not known */
        bool complained; /* it has been said that there is no watch */
        bool full;       /* it has been said that there are too many objects */
        ObjectTable containers, images;
} Watcher;

void watcher_init(Watcher *watcher, Manager *manager);
void watcher_clear(Watcher *watcher);

/* Begins, once the loop has nothing more urgent to do. */
void watcher_start(Watcher *watcher);

/* Begins anew, with other settings. What is known stays until then. */
void watcher_restart(Watcher *watcher);

/* Ends it for good. */
void watcher_stop(Watcher *watcher);

/* A line of the watch's: 0, or what is wrong with it. */
int watcher_take_line(Watcher *watcher, const char *line, size_t length, Error *error);

/* Whether what is known can be told: 0, or ERROR_UNAVAILABLE where nothing has been found out yet. */
int watcher_check(const Watcher *watcher, Error *error);

/* Or NULL. */
Container *watcher_find_container(const Watcher *watcher, const char *id);
Image *watcher_find_image(const Watcher *watcher, const char *name);
