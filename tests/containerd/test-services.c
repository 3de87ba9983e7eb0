/* SPDX-License-Identifier: Apache-2.0 */

/* The services that keep records, against a real containerd. */

#include <stdlib.h>
#include <unistd.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/containers.h"
#include "containerd/content-writer.h"
#include "containerd/content.h"
#include "containerd/images.h"
#include "containerd/introspection.h"
#include "containerd/leases.h"
#include "containerd/namespaces.h"
#include "containerd/snapshots.h"
#include "containerd/version.h"
#include "tests/containerd/fixture.h"

/* The digests of "hello" and of nothing. */
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TEST(version) {
        CtrVersion version = {};

        (void) fixture_directory();
        const uint64_t before = now_usec(CLOCK_MONOTONIC);
        CtrClient *client = fixture_new_client();
        ASSERT_SUCCESS(ctr_version_get(client, &version, e));
        const uint64_t after = now_usec(CLOCK_MONOTONIC);
        printf("# containerd %s, first reply after %.1f ms\n", version.version,
               (double) (after - before) / 1000);
        ASSERT_GE(version.major, 1);
        ASSERT_SUCCESS(ctr_version_check(client, e));
        ctr_version_clear(&version);
        ctr_client_free(client);
}

TEST(latency) {
        CtrClient *client = fixture_client();
        const unsigned n = 500;

        const uint64_t before = now_usec(CLOCK_MONOTONIC);
        for (unsigned i = 0; i < n; i++)
                ASSERT_SUCCESS(ctr_version_check(client, e));
        printf("# a call takes %.0f us\n", (double) (now_usec(CLOCK_MONOTONIC) - before) / n);
        fixture_run("sed -n 's/^VmHWM:/# resident at most:/p;s/^RssAnon:/# anonymous:/p' /proc/%i/status",
                    getpid());
}

TEST(namespaces) {
        CtrClient *client = NULL;

        (void) fixture_directory();
        ASSERT_SUCCESS(ctr_client_new(fixture_address(), "another", &client, e));
        ASSERT_EQ(ctr_namespace_ensure(client, NULL), 1);
        ASSERT_EQ(ctr_namespace_ensure(client, NULL), 0);
        ASSERT_SUCCESS(ctr_namespace_delete(client, e));
        ASSERT_ERROR(ctr_namespace_delete(client, e), ENOENT, "another");
        ctr_client_free(client);
}

TEST(namespace_of_a_bad_name) {
        CtrClient *client = NULL;

        (void) fixture_directory();
        ASSERT_SUCCESS(ctr_client_new(fixture_address(), "not/good", &client, e));
        ASSERT_ERROR(ctr_namespace_ensure(client, e), EINVAL, "not/good");
        ctr_client_free(client);
        ASSERT_ERROR(ctr_client_new(fixture_address(), "a\nb", &client, e), EINVAL, "namespace");
        ASSERT_ERROR(ctr_client_new(fixture_address(), "", &client, e), EINVAL, "namespace");
}

TEST(introspection) {
        CtrClient *client = fixture_client();
        CtrServer server = {};
        CtrPlugins plugins = {};
        char *root = NULL;

        ASSERT_SUCCESS(ctr_introspection_server(client, &server, e));
        ASSERT_EQ(strlen(server.uuid), 36);
        ASSERT_GT(server.pid, 0);
        ctr_server_clear(&server);

        ASSERT_SUCCESS(ctr_introspection_content_root(client, &root, e));
        ASSERT_TRUE(startswith(root, fixture_directory()));
        free(root);
        ASSERT_ERROR(ctr_introspection_root(client, "io.containerd.snapshotter.v1", "none", &root, e), ENOENT,
                     "io.containerd.snapshotter.v1.none");

        ASSERT_SUCCESS(ctr_introspection_plugins(client, NULL, &plugins, e));
        ASSERT_GT(plugins.count, 10);
        ctr_plugins_clear(&plugins);
}

TEST(images) {
        CtrClient *client = fixture_client();
        CtrImage image = { .name = (char *) "acme/hello:1.0.0" }, got = {};
        CtrImages images = {};

        ASSERT_ERROR(ctr_image_get(client, image.name, &got, e), ENOENT, "acme/hello:1.0.0");
        image.target = (CtrDescriptor) {
                .media_type = (char *) "application/vnd.oci.image.manifest.v1+json",
                .digest = (char *) HELLO,
                .size = 5,
        };
        ASSERT_EQ(ctr_labels_set(&image.labels, "one", "1"), 0);
        ASSERT_SUCCESS(ctr_image_create(client, &image, e));
        ASSERT_ERROR(ctr_image_create(client, &image, e), EEXIST, "acme/hello:1.0.0");

        ASSERT_SUCCESS(ctr_image_get(client, image.name, &got, e));
        ASSERT_STREQ(got.target.digest, HELLO);
        ASSERT_EQ(got.target.size, 5);
        ASSERT_STREQ(ctr_labels_get(&got.labels, "one"), "1");
        ASSERT_GT(got.created_usec, UINT64_C(1700000000) * USEC_PER_SEC);
        ctr_image_clear(&got);

        image.target.digest = (char *) EMPTY;
        ctr_labels_clear(&image.labels);
        ASSERT_EQ(ctr_labels_set(&image.labels, "two", "2"), 0);
        ASSERT_SUCCESS(ctr_image_put(client, &image, e));
        ASSERT_SUCCESS(
                ctr_image_list(client, (char *[]) { (char *) "name==acme/hello:1.0.0", NULL }, &images, e));
        ASSERT_EQ(images.count, 1);
        ASSERT_STREQ(images.items[0].target.digest, EMPTY);
        ASSERT_NULL(ctr_labels_get(&images.items[0].labels, "one"));
        ASSERT_STREQ(ctr_labels_get(&images.items[0].labels, "two"), "2");
        ctr_images_clear(&images);
        ctr_labels_clear(&image.labels);

        ASSERT_SUCCESS(ctr_image_delete(client, image.name, true, e));
        ASSERT_ERROR(ctr_image_delete(client, image.name, true, e), ENOENT, "acme/hello:1.0.0");
        ASSERT_ERROR(ctr_image_update(client, &image, e), ENOENT, "acme/hello:1.0.0");
        ASSERT_SUCCESS(ctr_image_put(client, &image, e));
        ASSERT_SUCCESS(ctr_image_delete(client, image.name, false, e));
}

static int count_snapshots(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        unsigned *n = userdata;

        ASSERT_NOT_NULL(snapshot->name);
        (*n)++;
        return 0;
}

static int stop_at_once(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        (*(unsigned *) userdata)++;
        return 1;
}

static int fail_at_once(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        return error_set(error, ERROR_BUSY, "stop it");
}

TEST(snapshots) {
        CtrClient *client = fixture_client();
        CtrMounts mounts = {};
        CtrSnapshot snapshot = {};
        CtrLabels labels = {};
        CtrUsage usage;
        unsigned n = 0;

        ASSERT_ERROR(ctr_snapshot_stat(client, "overlayfs", "none", &snapshot, e), ENOENT, "none");
        ASSERT_ERROR(ctr_snapshot_stat(client, "nosuch", "none", &snapshot, e), EINVAL, "nosuch");
        ASSERT_EQ(ctr_labels_set(&labels, "containerd.io/gc.root", "yes"), 0);
        ASSERT_SUCCESS(ctr_snapshot_prepare(client, "overlayfs", "base-1", NULL, &labels, &mounts, e));
        ASSERT_EQ(mounts.count, 1);
        ASSERT_STREQ(mounts.items[0].type, "bind");
        ASSERT_TRUE(startswith(mounts.items[0].source, fixture_directory()));
        ctr_mounts_clear(&mounts);
        ASSERT_ERROR(ctr_snapshot_prepare(client, "overlayfs", "base-1", NULL, NULL, &mounts, e), EEXIST,
                     "base-1");
        ASSERT_SUCCESS(ctr_snapshot_commit(client, "overlayfs", "base", "base-1", &labels, e));

        ASSERT_SUCCESS(ctr_snapshot_prepare(client, "overlayfs", "upper", "base", &labels, &mounts, e));
        ctr_mounts_clear(&mounts);
        ASSERT_SUCCESS(ctr_snapshot_mounts(client, "overlayfs", "upper", &mounts, e));
        ASSERT_STREQ(mounts.items[0].type, "overlay");
        ASSERT_GT(strv_length(mounts.items[0].options), 2);
        ctr_mounts_clear(&mounts);
        ASSERT_SUCCESS(ctr_snapshot_view(client, "overlayfs", "look", "base", NULL, &mounts, e));
        ctr_mounts_clear(&mounts);

        ASSERT_SUCCESS(ctr_snapshot_stat(client, "overlayfs", "upper", &snapshot, e));
        ASSERT_STREQ(snapshot.parent, "base");
        ASSERT_EQ(snapshot.kind, CTR_SNAPSHOT_ACTIVE);
        ctr_snapshot_clear(&snapshot);
        ASSERT_SUCCESS(ctr_snapshot_usage(client, "overlayfs", "upper", &usage, e));
        ASSERT_GE(usage.inodes, 1);

        ASSERT_SUCCESS(ctr_snapshot_walk(client, "overlayfs", NULL, count_snapshots, &n, e));
        ASSERT_EQ(n, 3);
        n = 0;
        ASSERT_EQ(ctr_snapshot_walk(client, "overlayfs", NULL, stop_at_once, &n, NULL), 0);
        ASSERT_EQ(n, 1);
        ASSERT_ERROR(ctr_snapshot_walk(client, "overlayfs", NULL, fail_at_once, NULL, e), EBUSY, "stop it");

        ASSERT_ERROR(ctr_snapshot_remove(client, "overlayfs", "base", e), EBUSY, "child");
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "look", e));
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "upper", e));
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "base", e));
        ASSERT_ERROR(ctr_snapshot_remove(client, "overlayfs", "base", e), ENOENT, "base");
        ctr_labels_clear(&labels);
}

TEST(lease_keeps_what_is_made_under_it) {
        CtrClient *client = fixture_client();
        CtrContentInfo info = {};
        CtrLeases leases = {};
        CtrLabels labels = {};

        ASSERT_EQ(ctr_labels_set(&labels, "whose", "mine"), 0);
        ASSERT_SUCCESS(ctr_lease_create(client, "keep", 3600 * USEC_PER_SEC, &labels, e));
        ASSERT_ERROR(ctr_lease_create(client, "keep", USEC_INFINITY, NULL, e), EEXIST, "keep");
        ASSERT_SUCCESS(
                ctr_lease_list(client, (char *[]) { (char *) "labels.whose==mine", NULL }, &leases, e));
        ASSERT_EQ(leases.count, 1);
        ASSERT_STREQ(leases.items[0].id, "keep");
        ASSERT_NOT_NULL(ctr_labels_get(&leases.items[0].labels, CTR_LABEL_EXPIRE));
        ctr_leases_clear(&leases);
        ctr_labels_clear(&labels);

        ASSERT_EQ(ctr_client_set_lease(client, "keep"), 0);
        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, NULL, NULL), 0);
        ASSERT_EQ(ctr_client_set_lease(client, NULL), 0);

        /* Collects what nobody keeps. */
        ASSERT_SUCCESS(ctr_lease_create(client, "brief", USEC_INFINITY, NULL, e));
        ASSERT_SUCCESS(ctr_lease_delete(client, "brief", true, e));
        ASSERT_SUCCESS(ctr_content_info(client, HELLO, &info, e));
        ctr_content_info_clear(&info);
        ASSERT_SUCCESS(ctr_lease_add_resource(client, "keep", "content", HELLO, e));
        ASSERT_SUCCESS(ctr_lease_delete(client, "keep", true, e));
        ASSERT_ERROR(ctr_content_info(client, HELLO, &info, e), ENOENT, HELLO);
        ASSERT_ERROR(ctr_lease_delete(client, "keep", true, e), ENOENT, "keep");
        ASSERT_EQ(ctr_client_set_lease(client, "a\nb"), -EINVAL);
}

TEST(containers) {
        CtrClient *client = fixture_client();
        const char *spec = "{\"ociVersion\":\"1.0.2\"}";
        CtrContainer container = {
                .id = (char *) "hello-1",
                .image = (char *) "acme/hello:1.0.0",
                .runtime = (char *) CTR_RUNTIME_RUNC,
                .has_runc_options = true,
                .runc_options = { .binary_name = (char *) "crun", .systemd_cgroup = true, .io_uid = 7 },
                .spec = (char *) spec,
                .spec_length = strlen(spec),
                .snapshotter = (char *) "overlayfs",
                .snapshot_key = (char *) "hello-1",
        };
        CtrContainer got = {};
        CtrContainers list = {};

        ASSERT_EQ(ctr_labels_set(&container.labels, "xyz.cruciblehq.cruxd.build", "7"), 0);
        ASSERT_ERROR(ctr_container_get(client, "hello-1", &got, e), ENOENT, "hello-1");
        ASSERT_SUCCESS(ctr_container_create(client, &container, e));
        ASSERT_ERROR(ctr_container_create(client, &container, e), EEXIST, "hello-1");
        ASSERT_SUCCESS(ctr_container_get(client, "hello-1", &got, e));
        ASSERT_STREQ(got.image, container.image);
        ASSERT_STREQ(got.runtime, CTR_RUNTIME_RUNC);
        ASSERT_TRUE(got.has_runc_options);
        ASSERT_STREQ(got.runc_options.binary_name, "crun");
        ASSERT_TRUE(got.runc_options.systemd_cgroup);
        ASSERT_EQ(got.runc_options.io_uid, 7);
        ASSERT_STREQ(got.spec, spec);
        ASSERT_EQ(got.spec_length, strlen(spec));
        ASSERT_STREQ(got.snapshot_key, "hello-1");
        ctr_container_clear(&got);

        ASSERT_SUCCESS(ctr_container_list(
                client, (char *[]) { (char *) "labels.\"xyz.cruciblehq.cruxd.build\"==7", NULL }, &list, e));
        ASSERT_EQ(list.count, 1);
        ASSERT_STREQ(list.items[0].id, "hello-1");
        ctr_containers_clear(&list);

        container.snapshot_key = (char *) "hello-2";
        container.image = (char *) "acme/hello:2.0.0";
        ASSERT_SUCCESS(ctr_container_update(client, &container, CTR_CONTAINER_SNAPSHOT_KEY, e));
        ASSERT_SUCCESS(ctr_container_get(client, "hello-1", &got, e));
        ASSERT_STREQ(got.snapshot_key, "hello-2");
        ASSERT_STREQ(got.image, "acme/hello:1.0.0");
        ASSERT_STREQ(ctr_labels_get(&got.labels, "xyz.cruciblehq.cruxd.build"), "7");
        ctr_container_clear(&got);
        ctr_labels_clear(&container.labels);
        ASSERT_SUCCESS(ctr_container_update(
                client, &container, CTR_CONTAINER_IMAGE | CTR_CONTAINER_LABELS | CTR_CONTAINER_SPEC, e));
        ASSERT_SUCCESS(ctr_container_get(client, "hello-1", &got, e));
        ASSERT_STREQ(got.image, "acme/hello:2.0.0");
        ASSERT_EQ(got.labels.count, 0);
        ctr_container_clear(&got);

        ASSERT_SUCCESS(ctr_container_delete(client, "hello-1", e));
        ASSERT_ERROR(ctr_container_delete(client, "hello-1", e), ENOENT, "hello-1");
        ASSERT_ERROR(ctr_container_update(client, &container, CTR_CONTAINER_IMAGE, e), ENOENT, "hello-1");
}

TEST(container_of_a_bad_name) {
        CtrClient *client = fixture_client();
        CtrContainer container = { .id = (char *) "no/good", .runtime = (char *) CTR_RUNTIME_RUNC };

        ASSERT_ERROR(ctr_container_create(client, &container, e), EINVAL, "no/good");
}
