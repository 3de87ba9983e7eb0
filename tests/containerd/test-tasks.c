/* SPDX-License-Identifier: Apache-2.0 */

/* Tasks, processes and events, against a real containerd and an OCI runtime. */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/events.h"
#include "containerd/snapshots.h"
#include "tests/containerd/container.h"

#define SLEEP "[\"/bin/sleep\",\"1000\"]"

TEST(life) {
        CtrClient *client = fixture_client();
        CtrProcess process = {};
        CtrProcesses list = {};
        CtrExit exit = {};
        CtrWait *wait = NULL;
        uint32_t pid = 0, *pids = NULL;
        size_t n = 0;

        ASSERT_ERROR(ctr_task_get(client, "life", NULL, &process, e), ENOENT, "life");
        ASSERT_ERROR(ctr_task_start(client, "life", NULL, NULL, e), ENOENT, "life");
        ASSERT_ERROR(ctr_task_create(client, "life", NULL, NULL, NULL, NULL, e), ENOENT, "life");
        ASSERT_ERROR(ctr_task_wait(client, "life", NULL, &exit, e), ENOENT, "life");
        container_make(client, "life", "[\"/bin/sh\",\"-c\",\"trap 'exit 7' TERM; sleep 1000 & wait\"]",
                       NULL);
        ASSERT_ERROR(ctr_task_create(client, "life", NULL, NULL, NULL, NULL, e), EEXIST, "life");
        ASSERT_SUCCESS(ctr_task_get(client, "life", NULL, &process, e));
        ASSERT_EQ(process.status, CTR_PROCESS_CREATED);
        ctr_process_clear(&process);

        ASSERT_SUCCESS(ctr_task_wait_begin(client, "life", NULL, &wait, e));
        ASSERT_SUCCESS(ctr_task_start(client, "life", NULL, &pid, e));
        ASSERT_GT(pid, 0);
        ASSERT_SUCCESS(ctr_task_get(client, "life", NULL, &process, e));
        ASSERT_EQ(process.status, CTR_PROCESS_RUNNING);
        ASSERT_EQ(process.pid, pid);
        ctr_process_clear(&process);
        ASSERT_SUCCESS(ctr_task_list(client, &list, e));
        ASSERT_EQ(list.count, 1);
        ctr_processes_clear(&list);
        /* The shell takes a moment to start its child. */
        for (unsigned i = 0; i < 100 && n != 2; i++) {
                usleep(50000);
                free(pids);
                ASSERT_SUCCESS(ctr_task_list_pids(client, "life", &pids, &n, e));
        }
        ASSERT_EQ(n, 2);
        ASSERT_TRUE(pids[0] == pid || pids[1] == pid);
        free(pids);
        ASSERT_LT(ctr_task_delete(client, "life", NULL, NULL), 0);

        ASSERT_EQ(ctr_wait_finish(wait, 0, &exit, NULL), 0);
        ASSERT_EQ(ctr_wait_finish(wait, 20000, &exit, NULL), 0);
        ASSERT_SUCCESS(ctr_task_kill(client, "life", NULL, SIGTERM, false, e));
        ASSERT_EQ(ctr_wait_finish(wait, 10 * USEC_PER_SEC, &exit, NULL), 1);
        ASSERT_EQ(exit.status, 7);
        ASSERT_EQ(ctr_wait_finish(wait, 0, &exit, NULL), 1);
        ctr_wait_free(wait);
        ASSERT_SUCCESS(ctr_task_wait(client, "life", NULL, &exit, e));
        ASSERT_EQ(exit.status, 7);
        ASSERT_SUCCESS(ctr_task_get(client, "life", NULL, &process, e));
        ASSERT_EQ(process.status, CTR_PROCESS_STOPPED);
        ASSERT_EQ(process.exit_status, 7);
        ctr_process_clear(&process);
        ASSERT_ERROR(ctr_task_kill(client, "life", NULL, SIGTERM, false, e), ENOENT, "");
        container_remove(client, "life");
        ASSERT_ERROR(ctr_task_delete(client, "life", NULL, e), ENOENT, "life");
}

TEST(exec) {
        CtrClient *client = fixture_client();
        char output[4096];
        uint64_t began;

        container_make(client, "exec", SLEEP, NULL);
        ASSERT_SUCCESS(ctr_task_start(client, "exec", NULL, NULL, e));
        ASSERT_EQ(container_exec(client, "exec", "one",
                                 PROCESS("[\"/bin/sh\",\"-c\",\"echo hello; exit 3\"]"), NULL, output,
                                 sizeof(output)),
                  3);
        ASSERT_STREQ(output, "hello\n");
        ASSERT_EQ(container_exec(client, "exec", "two", PROCESS("[\"/bin/cat\"]"), "in and out", output,
                                 sizeof(output)),
                  0);
        ASSERT_STREQ(output, "in and out");
        ASSERT_EQ(container_exec(client, "exec", "three", PROCESS("[\"/bin/sh\",\"-c\",\"kill -9 $$\"]"),
                                 NULL, output, sizeof(output)),
                  128 + SIGKILL);
        began = now_usec(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < 10; i++)
                ASSERT_EQ(container_exec(client, "exec", "again", PROCESS("[\"/bin/true\"]"), NULL, output,
                                         sizeof(output)),
                          0);
        printf("# an exec takes %.0f ms\n", (double) (now_usec(CLOCK_MONOTONIC) - began) / 10000);
        container_remove(client, "exec");
}

TEST(exec_that_cannot_start) {
        CtrClient *client = fixture_client();
        const char *process = PROCESS("[\"/bin/nothing\"]");
        CtrExit exit;

        container_make(client, "nothing", SLEEP, NULL);
        ASSERT_SUCCESS(ctr_task_start(client, "nothing", NULL, NULL, e));
        ASSERT_SUCCESS(ctr_task_exec(client, "nothing", "x", process, strlen(process), NULL, e));
        ASSERT_ERROR(ctr_task_exec(client, "nothing", "x", process, strlen(process), NULL, e), EEXIST, "x");
        ASSERT_ERROR(ctr_task_start(client, "nothing", "x", NULL, e), EIO, "/bin/nothing");
        ASSERT_SUCCESS(ctr_task_delete_process(client, "nothing", "x", &exit, e));
        ASSERT_ERROR(ctr_task_delete_process(client, "nothing", "x", &exit, e), ENOENT, "x");
        ASSERT_ERROR(ctr_task_start(client, "nothing", "x", NULL, e), ENOENT, "x");
        container_remove(client, "nothing");
}

TEST(task_that_cannot_start) {
        CtrClient *client = fixture_client();
        Error error = {};

        /* Where it fails, in create or in start, is the runtime's affair. */
        container_make(client, "bad", "[\"/bin/sh\"]", &(CtrRuncOptions) { .binary_name = (char *) "runc" });
        container_remove(client, "bad");
        CtrMounts mounts = { .count = 1,
                             .items = &(CtrMount) { .type = (char *) "nosuchfs", .source = (char *) "x" } };
        CtrContainer container = {
                .id = (char *) "mount",
                .runtime = (char *) CTR_RUNTIME_RUNC,
                .spec = (char *) "{}",
                .spec_length = 2,
        };
        ASSERT_SUCCESS(ctr_container_create(client, &container, e));
        ASSERT_LT(ctr_task_create(client, "mount", &mounts, NULL, NULL, NULL, &error), 0);
        printf("# %s\n", error_message(&error));
        ASSERT_CONTAINS(error_message(&error), "mount");
        ASSERT_FALSE(endswith(error_message(&error), ": unknown"));
        error_clear(&error);
        container.runtime = (char *) "io.containerd.nosuch.v2";
        ASSERT_SUCCESS(ctr_container_delete(client, "mount", e));
        ASSERT_SUCCESS(ctr_container_create(client, &container, e));
        ASSERT_LT(ctr_task_create(client, "mount", NULL, NULL, NULL, NULL, &error), 0);
        printf("# %s\n", error_message(&error));
        ASSERT_CONTAINS(error_message(&error), "nosuch");
        error_clear(&error);
        ASSERT_SUCCESS(ctr_container_delete(client, "mount", e));
}

TEST(crun) {
        CtrClient *client = fixture_client();
        char output[4096];

        if (access("/usr/bin/crun", X_OK) < 0)
                test_skip("crun is not installed");
        container_make(client, "crun", SLEEP, &(CtrRuncOptions) { .binary_name = (char *) "crun" });
        ASSERT_SUCCESS(ctr_task_start(client, "crun", NULL, NULL, e));
        const uint64_t began = now_usec(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < 20; i++)
                ASSERT_EQ(container_exec(client, "crun", "again", PROCESS("[\"/bin/true\"]"), NULL, output,
                                         sizeof(output)),
                          0);
        printf("# an exec takes %.0f ms\n", (double) (now_usec(CLOCK_MONOTONIC) - began) / 20000);
        container_remove(client, "crun");
}

static void next_event(CtrEvents *events, CtrEventType type, const char *id, CtrEvent *ret) {
        for (;;) {
                ASSERT_EQ(ctr_events_next(events, 60 * USEC_PER_SEC, ret, NULL), 1);
                if (ret->type == type && strcmp(strempty(ret->id), id) == 0)
                        return;
                ctr_event_clear(ret);
        }
}

TEST(events) {
        CtrClient *client = fixture_client();
        CtrEvents *events = NULL;
        CtrEvent event = {};
        char output[64];

        ASSERT_SUCCESS(ctr_events_subscribe(client, NULL, &events, e));
        ASSERT_SUCCESS(ctr_events_settle(events, e));
        container_make(client, "watched", SLEEP, NULL);
        next_event(events, CTR_EVENT_CONTAINER_CREATE, "watched", &event);
        ASSERT_STREQ(event.topic, "/containers/create");
        ASSERT_GT(event.time_usec, 0);
        ctr_event_clear(&event);
        next_event(events, CTR_EVENT_TASK_CREATE, "watched", &event);
        ctr_event_clear(&event);
        ASSERT_SUCCESS(ctr_task_start(client, "watched", NULL, NULL, e));
        next_event(events, CTR_EVENT_TASK_START, "watched", &event);
        ASSERT_GT(event.pid, 0);
        ctr_event_clear(&event);
        ASSERT_EQ(container_exec(client, "watched", "beside", PROCESS("[\"/bin/false\"]"), NULL, output,
                                 sizeof(output)),
                  1);
        next_event(events, CTR_EVENT_TASK_EXIT, "watched", &event);
        ASSERT_STREQ(event.exec_id, "beside");
        ASSERT_EQ(event.exit_status, 1);
        ctr_event_clear(&event);
        container_remove(client, "watched");
        bool exited = false, task_gone = false, gone = false;
        while (!exited || !task_gone || !gone) { /* the shim tells of the exit, and may take longer */
                ASSERT_EQ(ctr_events_next(events, 60 * USEC_PER_SEC, &event, NULL), 1);
                if (streq(strempty(event.id), "watched")) {
                        if (event.type == CTR_EVENT_TASK_EXIT && !event.exec_id) {
                                ASSERT_EQ(event.exit_status, 128 + SIGKILL);
                                exited = true;
                        }
                        task_gone = task_gone || event.type == CTR_EVENT_TASK_DELETE;
                        gone = gone || event.type == CTR_EVENT_CONTAINER_DELETE;
                }
                ctr_event_clear(&event);
        }
        ctr_events_free(events);

        /* A filter that cannot be read is told when events are asked for. */
        Error error = {};
        ASSERT_SUCCESS(ctr_events_subscribe(client, (char *[]) { (char *) "]", NULL }, &events, e));
        ASSERT_LT(ctr_events_next(events, 10 * USEC_PER_SEC, &event, &error), 0);
        ASSERT_CONTAINS(error_message(&error), "filter");
        ASSERT_LT(ctr_events_next(events, 10 * USEC_PER_SEC, &event, &error), 0);
        error_clear(&error);
        ctr_events_free(events);
}
