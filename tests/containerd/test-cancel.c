/* SPDX-License-Identifier: Apache-2.0 */

/* Cancelling, threads, and a containerd that goes and comes, for real. */

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time-util.h"
#include "containerd/content-writer.h"
#include "containerd/events.h"
#include "containerd/version.h"
#include "tests/containerd/container.h"

#define SLEEP "[\"/bin/sleep\",\"1000\"]"

static void *cancel_soon(void *userdata) {
        usleep(100000);
        ctr_client_cancel(userdata);
        return NULL;
}

/* Runs the statement while another thread cancels the client, and checks that it does not take long after
 * that. */
#define CANCELLED_DURING(client, statement) \
        do { \
                pthread_t _thread; \
                const uint64_t _began = now_usec(CLOCK_MONOTONIC); \
                ctr_client_uncancel(client); \
                ASSERT_EQ(pthread_create(&_thread, NULL, cancel_soon, client), 0); \
                statement; \
                const uint64_t _took = now_usec(CLOCK_MONOTONIC) - _began; \
                pthread_join(_thread, NULL); \
                ASSERT_GE(_took, 90000); \
                ASSERT_LT(_took, USEC_PER_SEC); /* mostly a millisecond; the machine may be busy */ \
        } while (false)

static bool is_readable(int fd) {
        struct pollfd pollfd = { .fd = fd, .events = POLLIN };
        return poll(&pollfd, 1, 0) == 1;
}

TEST(cancel_a_wait) {
        CtrClient *client = fixture_client();
        CtrProcess process = {};
        CtrWait *wait = NULL;
        CtrExit exit;

        container_make(client, "wait", SLEEP, NULL);
        ASSERT_SUCCESS(ctr_task_start(client, "wait", NULL, NULL, e));
        ASSERT_FALSE(is_readable(ctr_client_get_cancel_fd(client)));
        CANCELLED_DURING(client,
                         ASSERT_ERROR(ctr_task_wait(client, "wait", NULL, &exit, e), ECANCELED, "cancelled"));
        ASSERT_TRUE(is_readable(ctr_client_get_cancel_fd(client)));
        ASSERT_TRUE(ctr_client_is_cancelled(client));

        /* And so is everything after, but for those who clean up. */
        ASSERT_ERROR(ctr_version_check(client, e), ECANCELED, "cancelled");
        ASSERT_ERROR(ctr_task_wait(client, "wait", NULL, &exit, e), ECANCELED, "cancelled");
        {
                CTR_SHIELD();
                CTR_SHIELD();
                ASSERT_SUCCESS(ctr_version_check(client, e));
                ASSERT_SUCCESS(ctr_task_wait_begin(client, "wait", NULL, &wait, e));
                ctr_client_cancel(client);
                ASSERT_EQ(ctr_wait_finish(wait, 100000, &exit, NULL), 0);
                ctr_wait_free(wait);
                ASSERT_SUCCESS(ctr_task_get(client, "wait", NULL, &process, e));
                ctr_process_clear(&process);
                container_remove(client, "wait");
        }
        ASSERT_ERROR(ctr_version_check(client, e), ECANCELED, "cancelled");
        ctr_client_uncancel(client);
        ASSERT_FALSE(is_readable(ctr_client_get_cancel_fd(client)));
        ASSERT_SUCCESS(ctr_version_check(client, e));
}

static int write_for_ever(CtrClient *client, Error *error) {
        CtrWriter *writer = NULL;
        char *data = calloc(1, MIB(1));
        int r;

        r = ctr_writer_new(client, "for-ever", NULL, 0, &writer, error);
        while (r >= 0)
                r = ctr_writer_write(writer, data, MIB(1), error);
        ctr_writer_free(writer);
        free(data);
        return r;
}

TEST(cancel_streams) {
        CtrClient *client = fixture_client();
        CtrEvents *events = NULL;
        CtrEvent event;

        ASSERT_SUCCESS(ctr_events_subscribe(client, NULL, &events, e));
        CANCELLED_DURING(client,
                         ASSERT_ERROR(ctr_events_next(events, USEC_INFINITY, &event, e), ECANCELED, ""));
        ctr_events_free(events);
        CANCELLED_DURING(client, ASSERT_ERROR(write_for_ever(client, e), ECANCELED, "cancelled"));
        ctr_client_uncancel(client);
        ASSERT_SUCCESS(ctr_content_abort(client, "for-ever", e));
}

static void *call_often(void *userdata) {
        for (unsigned i = 0; i < 200; i++) {
                int r = ctr_version_check(userdata, NULL);
                if (r != 0 && r != -ECANCELED)
                        return (void *) "failed";
        }
        return NULL;
}

TEST(threads) {
        CtrClient *client = fixture_client();
        pthread_t threads[8];
        void *result;

        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                ASSERT_EQ(pthread_create(&threads[i], NULL, call_often, client), 0);
        for (unsigned i = 0; i < 20; i++) {
                usleep(5000);
                ctr_client_cancel(client);
                ctr_client_uncancel(client);
        }
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                ASSERT_EQ(pthread_join(threads[i], &result), 0);
                ASSERT_NULL(result);
        }
}

static void *start_soon(void *userdata) {
        usleep(500000);
        fixture_start();
        return NULL;
}

static void restart(int signal) {
        CtrClient *client = fixture_client();
        CtrEvents *events = NULL;
        CtrEvent event = {};
        CtrWait *wait = NULL;
        CtrExit exit;
        pthread_t thread;
        char output[64];

        container_make(client, "survivor", SLEEP, NULL);
        ASSERT_SUCCESS(ctr_task_start(client, "survivor", NULL, NULL, e));
        ASSERT_SUCCESS(ctr_task_wait_begin(client, "survivor", NULL, &wait, e));
        ASSERT_SUCCESS(ctr_events_subscribe(client, (char *[]) { (char *) "topic==\"/images/create\"", NULL },
                                            &events, e));
        fixture_stop(signal);
        const uint64_t began = now_usec(CLOCK_MONOTONIC);
        ASSERT_EQ(pthread_create(&thread, NULL, start_soon, NULL), 0);
        /* This one waits for it to come back. */
        ASSERT_SUCCESS(ctr_version_check(client, e));
        printf("# %.0f ms after its start\n", (double) (now_usec(CLOCK_MONOTONIC) - began) / 1000 - 500);
        pthread_join(thread, NULL);
        ASSERT_ERROR(ctr_events_next(events, USEC_INFINITY, &event, e), EHOSTDOWN, fixture_address());
        ASSERT_ERROR(ctr_events_next(events, USEC_INFINITY, &event, e), EHOSTDOWN, fixture_address());
        ctr_events_free(events);

        ASSERT_EQ(ctr_wait_finish(wait, 100000, &exit, NULL), 0);
        ASSERT_FALSE(is_readable(ctr_wait_get_fd(wait)));
        ASSERT_EQ(container_exec(client, "survivor", "after", PROCESS("[\"/bin/echo\",\"x\"]"), NULL, output,
                                 sizeof(output)),
                  0);
        ASSERT_SUCCESS(ctr_task_kill(client, "survivor", NULL, SIGKILL, false, e));
        ASSERT_EQ(ctr_wait_finish(wait, 10 * USEC_PER_SEC, &exit, NULL), 1);
        ASSERT_EQ(exit.status, 128 + SIGKILL);
        ctr_wait_free(wait);
        container_remove(client, "survivor");
}

TEST(restart_of_containerd) {
        restart(SIGTERM);
}

TEST(death_of_containerd) {
        restart(SIGKILL);
}

static void *restart_soon(void *userdata) {
        usleep(100000);
        fixture_stop(SIGKILL);
        fixture_start();
        return NULL;
}

TEST(death_during_a_write) {
        CtrClient *client = fixture_client();
        pthread_t thread;

        ASSERT_EQ(pthread_create(&thread, NULL, restart_soon, NULL), 0);
        ASSERT_ERROR(write_for_ever(client, e), EHOSTDOWN, fixture_address());
        pthread_join(thread, NULL);
        ASSERT_SUCCESS(ctr_content_abort(client, "for-ever", e));
}

TEST(calls_while_containerd_dies_again_and_again) {
        CtrClient *client = fixture_client();
        unsigned calls = 0;

        for (unsigned i = 0; i < 3; i++) {
                pthread_t thread;

                ASSERT_EQ(pthread_create(&thread, NULL, restart_soon, NULL), 0);
                for (const uint64_t until = now_usec(CLOCK_MONOTONIC) + USEC_PER_SEC;
                     now_usec(CLOCK_MONOTONIC) < until; calls++)
                        ASSERT_SUCCESS(ctr_version_check(client, e));
                pthread_join(thread, NULL);
        }
        printf("# %u calls\n", calls);
}

/* The last: nothing is left to end tasks with. */
TEST(no_containerd) {
        CtrClient *client = fixture_new_client();
        CtrExit exit;

        fixture_stop(SIGTERM);
        CANCELLED_DURING(client, ASSERT_ERROR(ctr_version_check(client, e), ECANCELED, "cancelled"));
        ctr_client_uncancel(client);
        const uint64_t began = now_usec(CLOCK_MONOTONIC);
        ASSERT_ERROR(ctr_task_wait(client, "x", NULL, &exit, e), EHOSTDOWN, fixture_address());
        ASSERT_LT(now_usec(CLOCK_MONOTONIC) - began, CTR_CONNECT_TIMEOUT_USEC + USEC_PER_SEC);
        ctr_client_free(client);
}
