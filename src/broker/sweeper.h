/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Has a worker remove what dead processes left in containerd: those of a former daemon at the start, and our
 * own workers' when one ends otherwise than it should. The worker tells by itself what belongs to the dead
 * (see runtime/sweep.h), so that a sweep is safe at any time. Where it fails, containerd being away for
 * instance, it is tried again later. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/macro.h"

typedef struct Job Job;
typedef struct Manager Manager;

typedef struct Sweeper {
        Manager *manager;
        bool needed;
        Job *job; /* the sweep that is under way */
        sd_event_source *retry_timer;
        uint64_t retry_usec;
} Sweeper;

void sweeper_init(Sweeper *sweeper, Manager *manager);
void sweeper_clear(Sweeper *sweeper);

/* Something may be left: sweeps now, or again when a sweep is under way, which may have passed it by. */
void sweeper_request(Sweeper *sweeper);
