/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The daemon's life as systemd sees it: ready, reloading, what it is doing, idle, stopping. sd_notify(3) and
 * the signals of daemon(7). */

#include "base/error.h"

typedef struct Manager Manager;

/* Signals, watchdog, idle timer. */
int life_init(Manager *manager, Error *error);
void life_clear(Manager *manager);

/* Says that clients can come: to systemd, and on --ready-fd, which is closed. */
void life_ready(Manager *manager);

/* The numbers in STATUS= have changed: it is sent, but not more often than every second. */
void life_status_changed(Manager *manager);

/* Ends the loop when it is stopping and nothing is under way any more. */
void life_check_end(Manager *manager);

/* The process's id in a file, written aside and put in place; removed if it is still ours. */
int pid_file_write(const char *path, Error *error);
void pid_file_remove(const char *path);
