/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time-util.h"
#include "broker/state.h"
#include "test.h"

static char directory[] = "/tmp/test-state-XXXXXX";

static void remove_all(void) {
        char path[128];

        snprintf(path, sizeof(path), "%s/state", directory);
        unlink(path);
        rmdir(directory);
        strcpy(directory, "/tmp/test-state-XXXXXX");
}

TEST(it_outlives_the_process) {
        State state;

        ASSERT_NOT_NULL(mkdtemp(directory));
        ASSERT_OK(state_init(&state, directory));
        ASSERT_EQ(state.builds, 0);
        ASSERT_EQ(state_next_job(&state), 1);
        ASSERT_EQ(state_next_job(&state), 2);
        state_count_build(&state);
        state_count_build(&state);
        uint64_t start = state.start_usec, real = state.start_real_usec;
        state_clear(&state);

        ASSERT_OK(state_init(&state, directory));
        ASSERT_EQ(state.builds, 2);
        ASSERT_EQ(state.start_usec, start);
        ASSERT_EQ(state.start_real_usec, real);
        ASSERT_EQ(state_next_job(&state), 3);
        ASSERT_LT(state_uptime(&state), 60 * USEC_PER_SEC);
        state_clear(&state);
        remove_all();
}

TEST(a_crash_repeats_no_number) {
        State state;

        ASSERT_NOT_NULL(mkdtemp(directory));
        ASSERT_OK(state_init(&state, directory));
        for (uint64_t i = 1; i <= 300; i++)
                ASSERT_EQ(state_next_job(&state), i);
        free(state.path); /* it dies here */

        ASSERT_OK(state_init(&state, directory));
        ASSERT_GT(state_next_job(&state), 300);
        state_clear(&state);
        remove_all();
}

TEST(garbage_is_as_good_as_nothing) {
        char path[128];
        State state;

        log_set_max_level(LOG_ERR);
        ASSERT_NOT_NULL(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/state", directory);
        FILE *f = fopen(path, "we");
        ASSERT_NOT_NULL(f);
        fputs("[State]\nBuilds=many\nJobs=0\nStartBoottime=18446744073709551615\ngarbage\n", f);
        fclose(f);
        ASSERT_OK(state_init(&state, directory));
        ASSERT_EQ(state.builds, 0);
        ASSERT_EQ(state_next_job(&state), 1);
        ASSERT_LT(state_uptime(&state), 60 * USEC_PER_SEC);
        state_clear(&state);
        remove_all();
}

TEST(without_a_place_it_lives_as_long_as_the_process) {
        State state;

        ASSERT_OK(state_init(&state, NULL));
        state_count_build(&state);
        ASSERT_EQ(state.builds, 1);
        ASSERT_EQ(state_next_job(&state), 1);
        state_clear(&state);
}
