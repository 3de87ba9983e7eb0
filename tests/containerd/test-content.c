/* SPDX-License-Identifier: Apache-2.0 */

/* The content store, against a real containerd. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/content-writer.h"
#include "containerd/content.h"
#include "containerd/introspection.h"
#include "containerd/leases.h"
#include "tests/containerd/fixture.h"

/* The digests of "hello", of nothing, of BIG zeros, and of words that are written once: what was deleted can
 * still be there for containerd, which then lets nobody write it again. */
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ONCE "sha256:200651a8b2d5912f692db89468a7d47d86a3ed6844f48f1b15f2be1d9c9a7e5e"
#define NEVER "sha256:6497e4b3d7bed16979a343a7db4efa6d57725529f5ac3cec45c1f08fabcbdafc"
#define TWICE "sha256:dc8ffdbf2736dbdf39508017ac594e0d069f3eee9b0f29ece256aa7d831f9ef6"
#define BIG MIB(256)
#define BIG_DIGEST "sha256:a6d72ac7690f53be6ae46ba88506bd97302a093f7108472bd9efc3cefda06484"

/* Makes sure that nothing is collected while these tests run. */
static CtrClient *leased_client(void) {
        CtrClient *client = fixture_client();

        (void) ctr_lease_create(client, "content-tests", USEC_INFINITY, NULL, NULL);
        ASSERT_EQ(ctr_client_set_lease(client, "content-tests"), 0);
        return client;
}

TEST(small_blob) {
        CtrClient *client = leased_client();
        CtrContentInfo info = {};
        CtrLabels labels = {};
        Buffer buffer = {};
        char *root = NULL, *path = NULL;

        ASSERT_EQ(ctr_labels_set(&labels, "one", "1"), 0);
        ASSERT_EQ(ctr_labels_set(&labels, "containerd.io/gc.ref.content.0", EMPTY), 0);
        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, &labels, NULL), 0);
        ASSERT_SUCCESS(ctr_content_info(client, HELLO, &info, e));
        ASSERT_STREQ(info.digest, HELLO);
        ASSERT_EQ(info.size, 5);
        ASSERT_STREQ(ctr_labels_get(&info.labels, "one"), "1");
        ctr_content_info_clear(&info);

        /* Once more, with other labels. */
        ctr_labels_clear(&labels);
        ASSERT_EQ(ctr_labels_set(&labels, "one", ""), 0);
        ASSERT_EQ(ctr_labels_set(&labels, "two", "2"), 0);
        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, &labels, NULL), 1);
        ASSERT_SUCCESS(ctr_content_info(client, HELLO, &info, e));
        ASSERT_NULL(ctr_labels_get(&info.labels, "one"));
        ASSERT_STREQ(ctr_labels_get(&info.labels, "two"), "2");
        ASSERT_STREQ(ctr_labels_get(&info.labels, "containerd.io/gc.ref.content.0"), EMPTY);
        ctr_content_info_clear(&info);
        ctr_labels_clear(&labels);

        ASSERT_EQ(buffer_append_string(&buffer, "<"), 0);
        ASSERT_ERROR(ctr_content_read_all(client, HELLO, 4, &buffer, e), EINVAL, "4 that are allowed");
        ASSERT_SUCCESS(ctr_content_read_all(client, HELLO, 5, &buffer, e));
        ASSERT_EQ(buffer.length, 6);
        ASSERT_EQ(memcmp(buffer.data, "<hello", 6), 0);
        buffer_clear(&buffer);
        ASSERT_ERROR(ctr_content_read_all(client, EMPTY, 5, &buffer, e), ENOENT, EMPTY);
        ASSERT_ERROR(ctr_content_read_all(client, "sha256:7", 5, &buffer, e), EINVAL, "sha256:7");

        /* And as a file. */
        ASSERT_SUCCESS(ctr_introspection_content_root(client, &root, e));
        ASSERT_OK(asprintf(&path, "%s/blobs/sha256/%s", root, &HELLO[strlen("sha256:")]));
        ASSERT_EQ(access(path, R_OK), 0);
        free(path);
        free(root);

        ASSERT_SUCCESS(ctr_content_delete(client, HELLO, e));
        ASSERT_ERROR(ctr_content_delete(client, HELLO, e), ENOENT, HELLO);
}

TEST(blob_of_nothing) {
        CtrClient *client = leased_client();
        CtrWriter *writer = NULL;
        Buffer buffer = {};
        char *digest = NULL;

        ASSERT_EQ(ctr_writer_new(client, "nothing", NULL, 0, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_commit(writer, NULL, 0, NULL, &digest, e));
        ASSERT_STREQ(digest, EMPTY);
        free(digest);
        writer = ctr_writer_free(writer);
        ASSERT_SUCCESS(ctr_content_read_all(client, EMPTY, 0, &buffer, e));
        ASSERT_EQ(buffer.length, 0);
        ASSERT_EQ(ctr_content_write(client, EMPTY, "", 0, NULL, NULL), 1);
        ASSERT_SUCCESS(ctr_content_delete(client, EMPTY, e));
}

static int piece(const void *data, size_t n, void *userdata, Error *error) {
        uint64_t *got = userdata;

        *got += n;
        return 0;
}

static int refuse(const void *data, size_t n, void *userdata, Error *error) {
        return error_set(error, ERROR_BUSY, "stop it");
}

TEST(large_blob) {
        CtrClient *client = leased_client();
        CtrWriter *writer = NULL;
        const size_t n = 3 * MIB(1) + 17; /* no multiple of anything */
        char *zeros = calloc(1, n), *digest = NULL;
        uint64_t got = 0, began;

        ASSERT_NOT_NULL(zeros);
        ASSERT_EQ(ctr_writer_new(client, "large", NULL, 0, &writer, NULL), 0);
        ASSERT_EQ(ctr_writer_get_offset(writer), 0);
        began = now_usec(CLOCK_MONOTONIC);
        while (ctr_writer_get_offset(writer) < BIG)
                ASSERT_SUCCESS(ctr_writer_write(writer, zeros,
                                                MIN(n, (size_t) (BIG - ctr_writer_get_offset(writer))), e));
        ASSERT_SUCCESS(ctr_writer_commit(writer, BIG_DIGEST, BIG, NULL, &digest, e));
        printf("# writing: %.0f MB/s\n", (double) BIG / (double) (now_usec(CLOCK_MONOTONIC) - began));
        ASSERT_STREQ(digest, BIG_DIGEST);
        free(digest);
        writer = ctr_writer_free(writer);

        began = now_usec(CLOCK_MONOTONIC);
        ASSERT_SUCCESS(ctr_content_read(client, BIG_DIGEST, 0, 0, piece, &got, e));
        printf("# reading: %.0f MB/s\n", (double) BIG / (double) (now_usec(CLOCK_MONOTONIC) - began));
        ASSERT_EQ(got, BIG);
        got = 0;
        ASSERT_SUCCESS(ctr_content_read(client, BIG_DIGEST, 1000, MIB(5), piece, &got, e));
        ASSERT_EQ(got, MIB(5));
        ASSERT_ERROR(ctr_content_read(client, BIG_DIGEST, 0, 0, refuse, NULL, e), EBUSY, "stop it");
        ASSERT_ERROR(ctr_content_read(client, BIG_DIGEST, BIG - 10, 20, piece, &got, e), EIO, "10 bytes");
        ASSERT_ERROR(ctr_content_read(client, BIG_DIGEST, BIG + 1, 0, piece, &got, e), EINVAL, "past object");

        /* It is there, so nothing is written. */
        ASSERT_EQ(ctr_writer_new(client, "large-again", BIG_DIGEST, BIG, &writer, NULL), 1);
        ASSERT_NULL(writer);
        ASSERT_SUCCESS(ctr_content_delete(client, BIG_DIGEST, e));
        free(zeros);
}

TEST(read_to_fd) {
        CtrClient *client = leased_client();
        char got[16];

        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, NULL, NULL), 0);
        int fd = open(fixture_directory(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        ASSERT_OK(fd);
        ASSERT_SUCCESS(ctr_content_read_to_fd(client, HELLO, 1, 0, fd, e));
        ASSERT_EQ(pread(fd, got, sizeof(got), 0), 4);
        ASSERT_EQ(memcmp(got, "ello", 4), 0);
        close(fd);
        fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        ASSERT_EQ(ctr_content_read_to_fd(client, HELLO, 0, 0, fd, NULL), -ENOSPC);
        close(fd);
        ASSERT_SUCCESS(ctr_content_delete(client, HELLO, e));
}

TEST(write_is_resumed) {
        CtrClient *client = leased_client();
        CtrWriter *writer = NULL;

        ASSERT_EQ(ctr_writer_new(client, "resumed", NULL, 0, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, "never", 5, e));
        ASSERT_SUCCESS(ctr_writer_truncate(writer, e));
        ASSERT_EQ(ctr_writer_get_offset(writer), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, "on", 2, e));
        ASSERT_EQ(ctr_writer_get_offset(writer), 2);
        writer = ctr_writer_free(writer);

        ASSERT_EQ(ctr_writer_new(client, "resumed", ONCE, 4, &writer, NULL), 0);
        const uint64_t offset = ctr_writer_get_offset(writer);
        printf("# resumes at %" PRIu64 "\n", offset);
        ASSERT_LE(offset, 2);
        ASSERT_SUCCESS(ctr_writer_write(writer, &"once"[offset], 4 - offset, e));
        ASSERT_SUCCESS(ctr_writer_commit(writer, ONCE, 4, NULL, NULL, e));
        writer = ctr_writer_free(writer);
        ASSERT_SUCCESS(ctr_content_delete(client, ONCE, e));
}

TEST(write_is_resumed_in_the_middle) {
        CtrClient *client = leased_client();
        CtrWriter *writer = NULL;
        const size_t n = MIB(6) + 5;
        char *data = malloc(n), *straight = NULL, *resumed = NULL;
        CtrContentInfo info = {};

        ASSERT_NOT_NULL(data);
        for (size_t i = 0; i < n; i++)
                data[i] = (char) (i * 31 + (i >> 12));
        ASSERT_EQ(ctr_writer_new(client, "middle", NULL, 0, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, data, n, e));
        writer = ctr_writer_free(writer);
        ASSERT_EQ(ctr_writer_new(client, "middle", NULL, 0, &writer, NULL), 0);
        const uint64_t offset = ctr_writer_get_offset(writer);
        printf("# resumes at %" PRIu64 "\n", offset);
        ASSERT_LT(offset, n);
        ASSERT_SUCCESS(ctr_writer_write(writer, data + offset, n - offset, e));
        ASSERT_SUCCESS(ctr_writer_commit(writer, NULL, n, NULL, &resumed, e));
        writer = ctr_writer_free(writer);

        ASSERT_EQ(ctr_writer_new(client, "straight", NULL, n, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, data, n, e));
        ASSERT_SUCCESS(ctr_writer_commit(writer, NULL, 0, NULL, &straight, e));
        writer = ctr_writer_free(writer);
        ASSERT_STREQ(resumed, straight);
        ASSERT_SUCCESS(ctr_content_info(client, straight, &info, e));
        ASSERT_EQ(info.size, n);
        ctr_content_info_clear(&info);
        ASSERT_SUCCESS(ctr_content_delete(client, straight, e));
        free(straight);
        free(resumed);
        free(data);
}

TEST(write_of_the_wrong_thing) {
        CtrClient *client = leased_client();
        CtrWriter *writer = NULL;
        CtrContentInfo info = {};

        ASSERT_EQ(ctr_writer_new(client, "wrong", NEVER, 5, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, "niver", 5, e));
        ASSERT_ERROR(ctr_writer_commit(writer, NEVER, 5, NULL, NULL, e), EINVAL, "digest");
        writer = ctr_writer_free(writer);
        ASSERT_SUCCESS(ctr_content_abort(client, "wrong", e));
        ASSERT_ERROR(ctr_content_abort(client, "wrong", e), ENOENT, "wrong");

        ASSERT_EQ(ctr_writer_new(client, "short", NEVER, 5, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, "neve", 4, e));
        ASSERT_ERROR(ctr_writer_commit(writer, NEVER, 5, NULL, NULL, e), EINVAL, "size");
        writer = ctr_writer_free(writer);
        ASSERT_SUCCESS(ctr_content_abort(client, "short", e));
        ASSERT_ERROR(ctr_content_info(client, NEVER, &info, e), ENOENT, NEVER);
        ASSERT_ERROR(ctr_content_write(client, NEVER, "niver", 5, NULL, e), EINVAL, "digest");
        ASSERT_ERROR(ctr_writer_new(client, "", NULL, 0, &writer, e), EINVAL, "reference");
}

TEST(reference_that_is_taken) {
        CtrClient *client = leased_client();
        CtrWriter *first = NULL, *second = NULL;

        ASSERT_EQ(ctr_writer_new(client, "taken", NULL, 0, &first, NULL), 0);
        ASSERT_ERROR(ctr_writer_new(client, "taken", NULL, 0, &second, e), EBUSY, "locked");
        ctr_writer_free(first);
        ASSERT_SUCCESS(ctr_content_abort(client, "taken", e));
}

TEST(two_write_the_same) {
        CtrClient *client = leased_client();
        CtrWriter *first = NULL, *second = NULL;
        CtrContentInfo info = {};
        CtrLabels labels = {};
        char *digest = NULL;

        ASSERT_EQ(ctr_labels_set(&labels, "second", "yes"), 0);
        ASSERT_EQ(ctr_writer_new(client, "first", TWICE, 5, &first, NULL), 0);
        ASSERT_EQ(ctr_writer_new(client, "second", NULL, 0, &second, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(first, "twice", 5, e));
        ASSERT_SUCCESS(ctr_writer_write(second, "twice", 5, e));
        ASSERT_SUCCESS(ctr_writer_commit(first, TWICE, 5, NULL, NULL, e));
        ASSERT_SUCCESS(ctr_writer_commit(second, NULL, 0, &labels, &digest, e));
        ASSERT_STREQ(digest, TWICE);
        free(digest);
        ctr_writer_free(first);
        ctr_writer_free(second);
        ASSERT_SUCCESS(ctr_content_info(client, TWICE, &info, e));
        ASSERT_STREQ(ctr_labels_get(&info.labels, "second"), "yes");
        ctr_content_info_clear(&info);
        ctr_labels_clear(&labels);
        ASSERT_SUCCESS(ctr_content_delete(client, TWICE, e));
}

static int look_for_hello(const CtrContentInfo *info, void *userdata, Error *error) {
        *(unsigned *) userdata += strcmp(info->digest, HELLO) == 0;
        return 0;
}

TEST(walk) {
        CtrClient *client = leased_client();
        CtrLabels labels = {};
        unsigned n = 0;

        ASSERT_EQ(ctr_labels_set(&labels, "a.b/c", "yes"), 0);
        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, &labels, NULL), 0);
        ctr_labels_clear(&labels);
        ASSERT_SUCCESS(ctr_content_walk(client, NULL, look_for_hello, &n, e));
        ASSERT_SUCCESS(ctr_content_walk(client, (char *[]) { (char *) "labels.\"a.b/c\"==yes", NULL },
                                        look_for_hello, &n, e));
        ASSERT_EQ(n, 2);
        ASSERT_SUCCESS(ctr_content_walk(client, (char *[]) { (char *) "labels.\"a.b/c\"==no", NULL },
                                        look_for_hello, &n, e));
        ASSERT_EQ(n, 2);
        ASSERT_ERROR(ctr_content_walk(client, (char *[]) { (char *) "]", NULL }, look_for_hello, &n, e),
                     EINVAL, "");
        ASSERT_SUCCESS(ctr_content_delete(client, HELLO, e));
}

TEST(blob_of_another_namespace) {
        CtrClient *client = leased_client(), *other = NULL;

        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, NULL, NULL), 0);
        ASSERT_SUCCESS(ctr_client_new(fixture_address(), "another", &other, e));
        ASSERT_EQ(ctr_content_write(other, HELLO, "hello", 5, NULL, NULL), 0);
        ASSERT_EQ(ctr_content_write(other, HELLO, "hello", 5, NULL, NULL), 1);
        ASSERT_SUCCESS(ctr_content_delete(other, HELLO, e));
        ASSERT_SUCCESS(ctr_content_delete(client, HELLO, e));
        ctr_client_free(other);
}
