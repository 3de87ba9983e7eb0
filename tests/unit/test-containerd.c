/* SPDX-License-Identifier: Apache-2.0 */

/* What of the client layer needs no containerd. */

#include <errno.h>
#include <stdlib.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/address.h"
#include "containerd/content-data.h"
#include "containerd/convert.h"
#include "containerd/event-decode.h"
#include "containerd/message.h"
#include "containerd/status.h"
#include "containerd/version.h"
#include "proto/images.pb-c.h"
#include "tests/unit/test.h"

static const StatusContext context = {
        .address = "/run/x.sock",
        .method = "/containerd.services.version.v1.Version/Version",
        .timeout_sec = 10,
};

static void check_status(grpc_status_code status, const char *words, ErrorCode code, const char *expected) {
        Error error = {};

        ASSERT_EQ(status_to_error(status, words, strlen(words), &context, &error), error_code_to_errno(code));
        ASSERT_EQ(error.code, code);
        ASSERT_STREQ(error_message(&error), expected);
        error_clear(&error);
}

TEST(status) {
        Error error = {};

        ASSERT_EQ(status_to_error(GRPC_STATUS_OK, "", 0, &context, &error), 0);
        ASSERT_FALSE(error_is_set(&error));
        check_status(GRPC_STATUS_NOT_FOUND, "container \"x\": not found", ERROR_NOT_FOUND,
                     "container \"x\": not found");
        check_status(GRPC_STATUS_ALREADY_EXISTS, "it", ERROR_ALREADY_EXISTS, "it");
        check_status(GRPC_STATUS_INVALID_ARGUMENT, "it", ERROR_INVALID_ARGUMENT, "it");
        check_status(GRPC_STATUS_OUT_OF_RANGE, "it", ERROR_INVALID_ARGUMENT, "it");
        check_status(GRPC_STATUS_FAILED_PRECONDITION, "it", ERROR_BUSY, "it");
        check_status(GRPC_STATUS_PERMISSION_DENIED, "it", ERROR_PERMISSION_DENIED, "it");
        check_status(GRPC_STATUS_INTERNAL, "it", ERROR_INTERNAL, "it");
        check_status((grpc_status_code) 77, "it", ERROR_INTERNAL, "it");
        check_status(GRPC_STATUS_UNKNOWN, "OCI runtime create failed: x: unknown: unknown", ERROR_INTERNAL,
                     "OCI runtime create failed: x");
        check_status(GRPC_STATUS_UNKNOWN, "unknown", ERROR_INTERNAL, "unknown");
        check_status(GRPC_STATUS_UNKNOWN, "\xff", ERROR_INTERNAL, "\xef\xbf\xbd");
        check_status(GRPC_STATUS_UNKNOWN, "", ERROR_INTERNAL,
                     "containerd failed \"Version\" with status 2 and no words");
        check_status(GRPC_STATUS_UNIMPLEMENTED, "unknown service", ERROR_UNSUPPORTED,
                     "containerd at /run/x.sock cannot do \"Version\": unknown service");
        check_status(GRPC_STATUS_UNAVAILABLE, "Socket closed", ERROR_UNAVAILABLE,
                     "containerd at /run/x.sock is not available: Socket closed");
        check_status(GRPC_STATUS_CANCELLED, "", ERROR_UNAVAILABLE,
                     "containerd at /run/x.sock is not available: no reason given");
        check_status(GRPC_STATUS_DEADLINE_EXCEEDED, "Deadline Exceeded", ERROR_UNAVAILABLE,
                     "containerd at /run/x.sock did not answer \"Version\" within 10 s");
}

TEST(status_of_a_cancelled_call) {
        StatusContext cancelled = context;
        Error error = {};

        cancelled.cancelled = true;
        ASSERT_EQ(status_to_error(GRPC_STATUS_CANCELLED, "", 0, &cancelled, &error), -ECANCELED);
        ASSERT_EQ(error.code, ERROR_CANCELLED);
        error_clear(&error);
        ASSERT_EQ(status_to_error(GRPC_STATUS_OK, "", 0, &cancelled, NULL), 0);
}

TEST(version) {
        unsigned major = 0, minor = 0;

        ASSERT_EQ(ctr_version_parse("1.7.24~ds1", &major, &minor), 0);
        ASSERT_EQ(major, 1);
        ASSERT_EQ(minor, 7);
        ASSERT_EQ(ctr_version_parse("v2.1.9-rc.1+unknown", &major, &minor), 0);
        ASSERT_EQ(major, 2);
        ASSERT_EQ(minor, 1);
        ASSERT_EQ(ctr_version_parse("10.20", &major, &minor), 0);
        ASSERT_EQ(minor, 20);
        ASSERT_EQ(ctr_version_parse("", &major, &minor), -EINVAL);
        ASSERT_EQ(ctr_version_parse("2", &major, &minor), -EINVAL);
        ASSERT_EQ(ctr_version_parse("2.", &major, &minor), -EINVAL);
        ASSERT_EQ(ctr_version_parse("v.1", &major, &minor), -EINVAL);
        ASSERT_EQ(ctr_version_parse("99999999999999.1", &major, &minor), -EINVAL);
}

static void check_address(const char *address, const char *expected_path, const char *expected_target) {
        char *path = NULL, *target = NULL;

        ASSERT_EQ(address_parse(address, &path, &target, NULL), 0);
        ASSERT_STREQ(path, expected_path);
        ASSERT_STREQ(target, expected_target);
        free(path);
        free(target);
}

TEST(address) {
        char *path = NULL, *target = NULL;

        check_address(NULL, "/run/containerd/containerd.sock", "unix:/run/containerd/containerd.sock");
        check_address("/run/a b%.sock", "/run/a b%.sock", "unix:/run/a%20b%25.sock");
        check_address("unix:///x", "/x", "unix:/x");
        check_address("unix:/x?y#z", "/x?y#z", "unix:/x%3Fy%23z");
        ASSERT_EQ(address_parse("x", &path, &target, NULL), -EINVAL);
        ASSERT_EQ(address_parse("unix://x", &path, &target, NULL), -EINVAL);
        ASSERT_NULL(path);
}

TEST(labels) {
        CtrLabels labels = {};

        ASSERT_NULL(ctr_labels_get(NULL, "a"));
        ASSERT_NULL(ctr_labels_get(&labels, "a"));
        ASSERT_EQ(ctr_labels_set(&labels, "a", "1"), 0);
        ASSERT_EQ(ctr_labels_set(&labels, "b", "2"), 0);
        ASSERT_EQ(ctr_labels_set(&labels, "a", "3"), 0);
        ASSERT_EQ(labels.count, 2);
        ASSERT_STREQ(ctr_labels_get(&labels, "a"), "3");
        ASSERT_STREQ(ctr_labels_get(&labels, "b"), "2");
        ctr_labels_clear(&labels);
        ASSERT_EQ(labels.count, 0);
}

/* All of `message` in a piece of memory of its own, so that a sanitizer sees what is read behind it. */
static int find_data(const char *message, size_t n, char *ret, size_t *ret_n) {
        uint8_t *copy = new0(uint8_t, n > 0 ? n : 1);
        const uint8_t *data;
        int r;

        memcpy(copy, message, n);
        r = content_data_find(copy, n, &data, ret_n);
        if (r >= 0)
                memcpy(ret, data, *ret_n);
        free(copy);
        return r;
}
#define FIND(literal) find_data(literal, sizeof(literal) - 1, data, &n)

TEST(content_data) {
        char data[256];
        size_t n;

        ASSERT_EQ(FIND(""), 0);
        ASSERT_EQ(n, 0);
        ASSERT_EQ(FIND("\x08\x96\x01\x12\x05hello"), 0);
        ASSERT_EQ(n, 5);
        ASSERT_EQ(memcmp(data, "hello", 5), 0);
        /* The last one counts, unknown fields do not. */
        ASSERT_EQ(FIND("\x12\x01x\x1a\x02yy\x21\1\2\3\4\5\6\7\x8\x25\1\2\3\4\x12\x02zz"), 0);
        ASSERT_EQ(n, 2);
        ASSERT_EQ(memcmp(data, "zz", 2), 0);
        ASSERT_EQ(FIND("\x08"), -EBADMSG);
        ASSERT_EQ(FIND("\x08\x80"), -EBADMSG);
        ASSERT_EQ(FIND("\x12\x05hell"), -EBADMSG);
        ASSERT_EQ(FIND("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -EBADMSG);
        ASSERT_EQ(FIND("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -EBADMSG);
        ASSERT_EQ(FIND("\x13"), -EBADMSG);
        ASSERT_EQ(FIND("\x21\1\2\3"), -EBADMSG);
        ASSERT_EQ(FIND("\x25\1\2\3"), -EBADMSG);
}

TEST(message_that_is_too_large) {
        Pb__Any any = PB__ANY__INIT;
        grpc_slice slice;
        Error error = {};

        any.value.len = MIB(16);
        any.value.data = calloc(1, any.value.len);
        ASSERT_EQ(message_pack(&any.base, &slice, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "16777216");
        error_clear(&error);
        free(any.value.data);
}

/* Whatever the memory, it is read or not, and nothing is lost. */
TEST(message_with_little_memory) {
        Types__Descriptor target = TYPES__DESCRIPTOR__INIT;
        Pb__Label label = PB__LABEL__INIT, *labels[] = { &label, &label };
        Images__Image image = IMAGES__IMAGE__INIT, *images[] = { &image, &image, &image };
        Images__ListImagesResponse reply = IMAGES__LIST_IMAGES_RESPONSE__INIT;
        bool failed = false, succeeded = false;

        label.key = (char *) "key";
        label.value = (char *) "value";
        target.digest = (char *) "sha256:7";
        image.name = (char *) "name";
        image.labels = labels;
        image.n_labels = ELEMENTSOF(labels);
        image.target = &target;
        reply.images = images;
        reply.n_images = ELEMENTSOF(images);
        const size_t n = protobuf_c_message_get_packed_size(&reply.base);
        uint8_t *packed = malloc(n);
        protobuf_c_message_pack(&reply.base, packed);

        for (size_t memory = 0; memory < 8192; memory += 8) {
                _cleanup_message_ Images__ListImagesResponse *read = NULL;
                int r = message_unpack_bounded(reply.base.descriptor, packed, n, memory, &read, NULL);

                failed = failed || r < 0;
                succeeded = succeeded || r >= 0;
                if (r < 0)
                        ASSERT_EQ(r, -EIO);
                else
                        ASSERT_STREQ(read->images[2]->labels[1]->value, "value");
        }
        free(packed);
        ASSERT_TRUE(failed);
        ASSERT_TRUE(succeeded);
}

TEST(timestamps) {
        Pb__Timestamp timestamp = PB__TIMESTAMP__INIT;

        ASSERT_EQ(read_timestamp(NULL), 0);
        timestamp.seconds = 1700000000;
        timestamp.nanos = 123456789;
        ASSERT_EQ(read_timestamp(&timestamp), UINT64_C(1700000000123456));
        timestamp.seconds = -62135596800; /* Go's zero */
        ASSERT_EQ(read_timestamp(&timestamp), 0);
        timestamp.seconds = INT64_MAX;
        ASSERT_EQ(read_timestamp(&timestamp), 0);
        timestamp.seconds = 1;
        timestamp.nanos = -1;
        ASSERT_EQ(read_timestamp(&timestamp), 0);
}

TEST(runc_options) {
        CtrRuncOptions options = {
                .binary_name = (char *) "crun", .root = (char *) "/run/x", .systemd_cgroup = true, .io_gid = 5
        };
        CtrRuncOptions got = {};
        Pb__Any any = PB__ANY__INIT;

        ASSERT_EQ(write_runc_options(&options, &any), 0);
        ASSERT_STREQ(any.type_url, "containerd.runc.v1.Options");
        ASSERT_EQ(read_runc_options(&any, &got, NULL), 1);
        ASSERT_STREQ(got.binary_name, "crun");
        ASSERT_STREQ(got.root, "/run/x");
        ASSERT_NULL(got.shim_cgroup);
        ASSERT_TRUE(got.systemd_cgroup);
        ASSERT_FALSE(got.no_pivot_root);
        ASSERT_EQ(got.io_gid, 5);
        ctr_runc_options_clear(&got);
        any.type_url = (char *) "types.googleapis.com/containerd.runc.v1.Options";
        ASSERT_EQ(read_runc_options(&any, &got, NULL), 1);
        ctr_runc_options_clear(&got);
        any.type_url = (char *) "runtimeoptions.v1.Options";
        ASSERT_EQ(read_runc_options(&any, &got, NULL), 0);
        ASSERT_EQ(read_runc_options(NULL, &got, NULL), 0);
        any.type_url = (char *) "containerd.runc.v1.Options";
        any.value.len--;
        ASSERT_EQ(read_runc_options(&any, &got, NULL), -EIO);
        free(any.value.data);
}

TEST(events) {
        Events__Envelope envelope = EVENTS__ENVELOPE__INIT;
        Events__TaskExit task_exit = EVENTS__TASK_EXIT__INIT;
        CtrEvent event = {};
        Pb__Any any = PB__ANY__INIT;

        envelope.topic = (char *) "/snapshot/prepare";
        ASSERT_EQ(event_decode(&envelope, &event, NULL), 0);
        ASSERT_EQ(event.type, CTR_EVENT_OTHER);
        ASSERT_STREQ(event.topic, "/snapshot/prepare");
        ctr_event_clear(&event);

        task_exit.container_id = (char *) "c";
        task_exit.id = (char *) "c";
        task_exit.exit_status = 7;
        ASSERT_EQ(write_any("containerd.events.TaskExit", &task_exit.base, &any), 0);
        envelope.topic = (char *) "/tasks/exit";
        envelope.event = &any;
        ASSERT_EQ(event_decode(&envelope, &event, NULL), 0);
        ASSERT_EQ(event.type, CTR_EVENT_TASK_EXIT);
        ASSERT_STREQ(event.id, "c");
        ASSERT_NULL(event.exec_id);
        ASSERT_EQ(event.exit_status, 7);
        ctr_event_clear(&event);
        any.value.len--;
        ASSERT_EQ(event_decode(&envelope, &event, NULL), -EIO);
        free(any.value.data);

        task_exit.id = (char *) "e";
        ASSERT_EQ(write_any("containerd.events.TaskExit", &task_exit.base, &any), 0);
        ASSERT_EQ(event_decode(&envelope, &event, NULL), 0);
        ASSERT_STREQ(event.exec_id, "e");
        ctr_event_clear(&event);
        free(any.value.data);
}
