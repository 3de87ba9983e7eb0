/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The little that outlives the process: since when the instance has been running, how many builds ended well,
 * and which job numbers were given out. It lies in the unit's RuntimeDirectory=, so that it survives idle
 * exit, restart and crash, and not the machine's. Without systemd there is no such place: then it lives as
 * long as the process. */

#include <stdint.h>

#include "base/macro.h"

typedef struct State {
        char *path;               /* NULL: nowhere */
        uint64_t start_usec;      /* CLOCK_BOOTTIME */
        uint64_t start_real_usec; /* CLOCK_REALTIME */
        uint64_t builds;
        uint64_t next_job;
        uint64_t reserved_jobs; /* numbers below this are the file's already */
} State;

/* Reads what a former process left in `directory`; NULL for none. A file that does not parse is logged and as
 * good as absent. -ENOMEM. */
int state_init(State *state, const char *directory);

/* A number that no job of this instance had since the machine started, whatever became of the daemon. */
uint64_t state_next_job(State *state);

void state_count_build(State *state);

/* Since when, in microseconds. */
uint64_t state_uptime(const State *state);

void state_clear(State *state);
