/* SPDX-License-Identifier: Apache-2.0 */

/* What is not containerd, or not as it should be: a clear error, in bounded time. Needs neither root nor
 * containerd. */

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time-util.h"
#include "containerd/containers.h"
#include "containerd/content-writer.h"
#include "containerd/content.h"
#include "containerd/events.h"
#include "containerd/images.h"
#include "containerd/snapshots.h"
#include "containerd/tasks.h"
#include "containerd/transfer.h"
#include "containerd/version.h"
#include "tests/containerd/fake.h"
#include "tests/containerd/fixture.h"

static char directory[] = "/tmp/cruxd-test-XXXXXX";

__attribute__((__constructor__)) static void make_directory(void) {
        if (!mkdtemp(directory))
                abort();
}

__attribute__((__destructor__)) static void remove_directory(void) {
        rmdir(directory);
}

static const char *socket_path(const char *name) {
        static char path[64];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

TEST(addresses) {
        CtrClient *client = NULL;
        char path[200];

        ASSERT_ERROR(ctr_client_new("relative", "test", &client, e), EINVAL, "relative");
        ASSERT_ERROR(ctr_client_new("tcp://localhost:1", "test", &client, e), EINVAL, "tcp://localhost:1");
        memset(path, 'x', sizeof(path));
        path[0] = '/';
        path[108] = '\0';
        ASSERT_ERROR(ctr_client_new(path, "test", &client, e), EINVAL, "107 bytes");
        ASSERT_SUCCESS(ctr_client_new("unix:///run/x.sock", "test", &client, e));
        ASSERT_STREQ(ctr_client_get_address(client), "/run/x.sock");
        client = ctr_client_free(client);
        ASSERT_SUCCESS(ctr_client_new(NULL, "test", &client, e));
        ASSERT_STREQ(ctr_client_get_address(client), CTR_DEFAULT_ADDRESS);
        ctr_client_free(client);
}

/* These take their time, so they take it together. */
typedef struct Attempt {
        char path[64];
        int result;
        uint64_t took;
        Error error;
        pthread_t thread;
} Attempt;

static void *attempt(void *userdata) {
        Attempt *a = userdata;
        CtrClient *client = NULL;
        const uint64_t began = now_usec(CLOCK_MONOTONIC);

        a->result = ctr_client_new(a->path, "test", &client, &a->error);
        if (a->result >= 0)
                a->result = ctr_version_check(client, &a->error);
        a->took = now_usec(CLOCK_MONOTONIC) - began;
        ctr_client_free(client);
        return NULL;
}

TEST(nobody_or_somebody_else) {
        static const char *const names[] = { "none", "silent", "closing", "garbage", "stale" };
        static const char *const words[] = { "no such socket", "does not answer as containerd",
                                             "does not answer as containerd", "does not answer as containerd",
                                             "connection refused" };
        Attempt attempts[ELEMENTSOF(names)] = {};
        Fake *fakes[] = {
                fake_new(socket_path("silent"), FAKE_SILENT, NULL, 0, NULL),
                fake_new(socket_path("closing"), FAKE_CLOSING, NULL, 0, NULL),
                fake_new(socket_path("garbage"), FAKE_GARBAGE, NULL, 0, NULL),
        };

        fake_free(fake_new(socket_path("stale"), FAKE_SILENT, NULL, 0, NULL));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                strcpy(attempts[i].path, socket_path(names[i]));
                ASSERT_EQ(pthread_create(&attempts[i].thread, NULL, attempt, &attempts[i]), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                Attempt *a = &attempts[i];

                pthread_join(a->thread, NULL);
                ASSERT_EQ(a->result, -EHOSTDOWN);
                ASSERT_CONTAINS(error_message(&a->error), a->path);
                ASSERT_CONTAINS(error_message(&a->error), words[i]);
                ASSERT_LT(a->took, CTR_CONNECT_TIMEOUT_USEC + 2 * USEC_PER_SEC);
                error_clear(&a->error);
                unlink(a->path);
        }
        for (size_t i = 0; i < ELEMENTSOF(fakes); i++)
                fake_free(fakes[i]);
}

TEST(socket_that_may_not_be_used) {
        CtrClient *client = NULL;

        if (geteuid() == 0)
                test_skip("root may use all");
        Fake *fake = fake_new(socket_path("mine"), FAKE_SILENT, NULL, 0, NULL);
        ASSERT_EQ(chmod(socket_path("mine"), 0), 0);
        ASSERT_SUCCESS(ctr_client_new(socket_path("mine"), "test", &client, e));
        const uint64_t began = now_usec(CLOCK_MONOTONIC);
        ASSERT_ERROR(ctr_version_check(client, e), EHOSTDOWN, "permission denied");
        ASSERT_LT(now_usec(CLOCK_MONOTONIC) - began, USEC_PER_SEC);
        ctr_client_free(client);
        fake_free(fake);
        unlink(socket_path("mine"));
}

/* A client of one that answers everything so. */
static CtrClient *client_of(Fake **ret, const void *body, size_t n, const char *status) {
        CtrClient *client = NULL;

        *ret = fake_new(socket_path("fake"), FAKE_ANSWERING, body, n, status);
        ASSERT_SUCCESS(ctr_client_new(socket_path("fake"), "test", &client, e));
        return client;
}

static void part(CtrClient *client, Fake *fake) {
        ctr_client_free(client);
        fake_free(fake);
        unlink(socket_path("fake"));
}

/* A message as gRPC frames it: not compressed, its length, itself. */
#define MESSAGE(n, bytes) "\0\0\0\0" n bytes
#define BODY(literal) literal, sizeof(literal) - 1

static int ignore_data(const void *data, size_t n, void *userdata, Error *error) {
        return 0;
}

static int ignore_content(const CtrContentInfo *info, void *userdata, Error *error) {
        return 0;
}

static int ignore_snapshot(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        return 0;
}

/* All kinds of calls must end; how is another matter. */
static void call_everything(CtrClient *client) {
        CtrVersion version = {};
        CtrImages images = {};
        CtrImage image = {};
        CtrContainers containers = {};
        CtrContainer container = {};
        CtrProcesses processes = {};
        CtrMounts mounts = {};
        CtrWriter *writer = NULL;
        CtrEvents *events = NULL;
        CtrEvent event = {};
        CtrExit exit = {};
        CtrPull pull = { .reference = "localhost/x:1" };

        (void) ctr_version_get(client, &version, NULL);
        ctr_version_clear(&version);
        (void) ctr_image_list(client, NULL, &images, NULL);
        ctr_images_clear(&images);
        (void) ctr_image_get(client, "x", &image, NULL);
        ctr_image_clear(&image);
        (void) ctr_container_list(client, NULL, &containers, NULL);
        ctr_containers_clear(&containers);
        (void) ctr_container_get(client, "x", &container, NULL);
        ctr_container_clear(&container);
        (void) ctr_task_list(client, &processes, NULL);
        ctr_processes_clear(&processes);
        (void) ctr_task_wait(client, "x", NULL, &exit, NULL);
        (void) ctr_snapshot_mounts(client, "x", "y", &mounts, NULL);
        ctr_mounts_clear(&mounts);
        (void) ctr_snapshot_walk(client, "x", NULL, ignore_snapshot, NULL, NULL);
        (void) ctr_content_walk(client, NULL, ignore_content, NULL, NULL);
        (void) ctr_content_read(client, "x", 0, 0, ignore_data, NULL, NULL);
        if (ctr_writer_new(client, "x", NULL, 0, &writer, NULL) == 0) {
                (void) ctr_writer_write(writer, "x", 1, NULL);
                (void) ctr_writer_commit(writer, NULL, 0, NULL, NULL, NULL);
        }
        ctr_writer_free(writer);
        if (ctr_events_subscribe(client, NULL, &events, NULL) >= 0)
                while (ctr_events_next(events, 100000, &event, NULL) > 0)
                        ctr_event_clear(&event);
        ctr_events_free(events);
        (void) ctr_pull(client, &pull, NULL);
}

TEST(answers_that_are_none) {
        CtrVersion version = {};
        Fake *fake;
        CtrClient *client;

        /* Trailers and no message. */
        client = client_of(&fake, NULL, 0, "0");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EIO, "");
        call_everything(client);
        part(client, fake);

        /* A status that is none. */
        client = client_of(&fake, NULL, 0, "99999");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EIO, "");
        call_everything(client);
        part(client, fake);

        /* Not found, without words. */
        client = client_of(&fake, NULL, 0, "5");
        ASSERT_ERROR(ctr_version_get(client, &version, e), ENOENT, "status 5");
        call_everything(client);
        part(client, fake);

        /* The statuses of a server that goes: repeated, and then told. */
        client = client_of(&fake, NULL, 0, "14");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EHOSTDOWN, socket_path("fake"));
        call_everything(client);
        part(client, fake);
        client = client_of(&fake, NULL, 0, "1");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EHOSTDOWN, socket_path("fake"));
        part(client, fake);
}

TEST(messages_that_are_none) {
        CtrVersion version = {};
        Fake *fake;
        CtrClient *client;

        /* No protobuf. */
        client = client_of(&fake, BODY(MESSAGE("\x04", "\xff\xff\xff\xff")), "0");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EIO, "no readable");
        call_everything(client);
        part(client, fake);

        /* A string that ends behind the message. */
        client = client_of(&fake, BODY(MESSAGE("\x03", "\x0a\x7f!")), "0");
        ASSERT_ERROR(ctr_version_get(client, &version, e), EIO, "no readable");
        call_everything(client);
        part(client, fake);

        /* An empty message: all fields are absent. */
        client = client_of(&fake, BODY(MESSAGE("\x00", "")), "0");
        ASSERT_SUCCESS(ctr_version_check(client, e));
        call_everything(client);
        part(client, fake);

        /* One that is cut off, and one that promises four gigabytes. */
        client = client_of(&fake, BODY("\0\xff\xff\xff\xff"), "0");
        ASSERT_LT(ctr_version_get(client, &version, NULL), 0);
        call_everything(client);
        part(client, fake);
        client = client_of(&fake, BODY(MESSAGE("\x04", "ab")), "0");
        ASSERT_LT(ctr_version_get(client, &version, NULL), 0);
        call_everything(client);
        part(client, fake);

        /* One that says that it is compressed. */
        client = client_of(&fake, BODY("\1\0\0\0\2\xff\xff"), "0");
        ASSERT_LT(ctr_version_get(client, &version, NULL), 0);
        call_everything(client);
        part(client, fake);

        /* Two where one is wanted. */
        client = client_of(&fake, BODY(MESSAGE("\x00", "") MESSAGE("\x00", "")), "0");
        (void) ctr_version_check(client, NULL);
        call_everything(client);
        part(client, fake);
}

/* Four megabytes of empty images would be a hundred times that in memory. */
TEST(message_that_grows) {
        const size_t n = MIB(4), framed = n + 5;
        char *body = calloc(1, framed);
        CtrImages images = {};
        struct rusage usage;
        Fake *fake;

        ASSERT_NOT_NULL(body);
        body[2] = 0x40;
        for (size_t i = 0; i < n; i += 2)
                body[5 + i] = 0x0a;
        CtrClient *client = client_of(&fake, body, framed, "0");
        ASSERT_ERROR(ctr_image_list(client, NULL, &images, e), EIO, "no readable");
        ASSERT_EQ(getrusage(RUSAGE_SELF, &usage), 0);
        printf("# resident at most: %ld MB\n", usage.ru_maxrss / 1024);
        part(client, fake);
        free(body);
}

TEST(message_that_is_too_large) {
        const size_t n = CTR_MESSAGE_MAX + 1;
        char *body = calloc(1, n + 5);
        CtrImages images = {};
        Fake *fake;

        ASSERT_NOT_NULL(body);
        body[1] = (char) (n >> 24);
        body[4] = 1;
        CtrClient *client = client_of(&fake, body, n + 5, "0");
        ASSERT_ERROR(ctr_image_list(client, NULL, &images, e), EIO, "larger than max");
        part(client, fake);
        free(body);
}

TEST(no_answer_at_all) {
        Fake *fake;
        CtrClient *client = client_of(&fake, NULL, 0, NULL);
        const uint64_t began = now_usec(CLOCK_MONOTONIC);

        ASSERT_ERROR(ctr_version_check(client, e), EHOSTDOWN, "did not answer \"Version\" within 10 s");
        ASSERT_GE(now_usec(CLOCK_MONOTONIC) - began, 9 * USEC_PER_SEC);
        ASSERT_LT(now_usec(CLOCK_MONOTONIC) - began, 15 * USEC_PER_SEC);
        part(client, fake);
}
