/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Jobs as objects on the bus, /xyz/cruciblehq/cruxd1/job/ID, and the signals that tell of them. */

#include "broker/bus.h"
#include "broker/job.h"

#define JOB_PATH BUS_PATH "/job"
#define JOB_PATH_MAX 64

/* Gives `buffer`. */
const char *job_bus_path(const Job *job, char buffer[static JOB_PATH_MAX]);

/* "uid" may cancel what is its own, root everything: 0 or ERROR_PERMISSION_DENIED. */
int job_bus_may_cancel(const Job *job, uid_t uid, Error *error);

/* The job of a number or of an object's path, or NULL. */
Job *job_bus_find(Manager *manager, uint64_t id);
Job *job_bus_find_path(Manager *manager, const char *path);

/* For manager->job_observer; its data is the Bus. */
extern const JobObserver job_bus_observer;
