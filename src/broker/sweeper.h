/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removes what the dead left in containerd: of a former daemon everything, before the first long command
 * starts; of a worker that died, what its job had made. Where it fails, containerd being away for instance,
 * it is tried again later. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/macro.h"

typedef struct Job Job;
typedef struct Manager Manager;

typedef struct Sweeper {
        Manager *manager;
        bool everything;  /* nothing of ours is there to be spared */
        uint64_t *builds; /* jobs that ended badly, the next first */
        size_t n_builds;
        Job *job; /* the sweep that is under way */
        bool job_is_everything;
        sd_event_source *retry_timer;
        uint64_t retry_usec;
} Sweeper;

void sweeper_init(Sweeper *sweeper, Manager *manager);
void sweeper_clear(Sweeper *sweeper);

/* At the daemon's start. Long commands wait until it is over, well or not. */
void sweeper_start(Sweeper *sweeper);

/* The job's worker has died before its answer. */
void sweeper_add(Sweeper *sweeper, const Job *job);
