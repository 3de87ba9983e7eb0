/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/config-file.h"

/* Numbers are taken from the file by the dozen, so that it is not written for each job. */
#define JOBS_RESERVED 256U

#define SECTION "State"

static int state_write(const State *state) {
        char text[256];

        _cleanup_free_ char *aside = format_string("%s.new", state->path);
        if (!aside)
                return -ENOMEM;
        int n = snprintf(text, sizeof(text),
                         "[" SECTION "]\nStartBoottime=%" PRIu64 "\nStartRealtime=%" PRIu64
                         "\nBuilds=%" PRIu64 "\nJobs=%" PRIu64 "\n",
                         state->start_usec, state->start_real_usec, state->builds, state->reserved_jobs);

        _cleanup_close_ int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        int r = write_all(fd, text, (size_t) n);
        if (r >= 0 && rename(aside, state->path) < 0)
                r = -errno;
        return r;
}

static void state_save(const State *state) {
        int r = state->path ? state_write(state) : 0;

        if (r < 0)
                log_warning_errno(r, "write \"%s\": %m, ignoring", state->path);
}

static void handle_line(const char *file, unsigned line, const char *section, const char *key,
                        const char *value, void *userdata) {
        State *state = userdata;
        const struct {
                const char *key;
                uint64_t *target;
        } keys[] = {
                { "StartBoottime", &state->start_usec },
                { "StartRealtime", &state->start_real_usec },
                { "Builds", &state->builds },
                { "Jobs", &state->next_job },
        };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (streq(keys[i].key, key) && parse_uint64(value, keys[i].target) < 0)
                        log_warning("%s:%u: %s=%s is no number, ignoring", file, line, key, value);
}

int state_init(State *state, const char *directory) {
        _cleanup_(error_clear) Error error = {};
        uint64_t now = now_usec(CLOCK_BOOTTIME);

        *state = (State) {
                .start_usec = now,
                .start_real_usec = now_usec(CLOCK_REALTIME),
                .next_job = 1,
        };
        if (!directory)
                return 0;
        state->path = format_string("%s/state", directory);
        if (!state->path)
                return -ENOMEM;

        int r = config_read_file(state->path, handle_line, state, &error);
        if (r < 0 && r != -ENOENT)
                log_warning("%s, ignoring", error_message(&error));
        state->start_usec = MIN(state->start_usec, now);
        state->next_job = MAX(state->next_job, UINT64_C(1));
        state->reserved_jobs = state->next_job;
        state_save(state);
        return 0;
}

uint64_t state_next_job(State *state) {
        if (state->next_job >= state->reserved_jobs) {
                state->reserved_jobs = state->next_job + JOBS_RESERVED;
                state_save(state);
        }
        return state->next_job++;
}

void state_count_build(State *state) {
        state->builds++;
        state_save(state);
}

uint64_t state_uptime(const State *state) {
        return now_usec(CLOCK_BOOTTIME) - state->start_usec;
}

void state_clear(State *state) {
        if (state->path) { /* what was reserved and not used is the next one's */
                state->reserved_jobs = state->next_job;
                state_save(state);
        }
        free(state->path);
        *state = (State) {};
}
