/* SPDX-License-Identifier: Apache-2.0 */

/* Layers into snapshots and out of them, by containerd's own diff service. */

#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd-util.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/content-writer.h"
#include "containerd/content.h"
#include "containerd/diff.h"
#include "containerd/leases.h"
#include "containerd/snapshots.h"
#include "tests/containerd/fixture.h"

#define LAYER "application/vnd.oci.image.layer.v1.tar"
#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static CtrClient *leased_client(void) {
        CtrClient *client = fixture_client();

        (void) ctr_lease_create(client, "layer-tests", USEC_INFINITY, NULL, NULL);
        ASSERT_EQ(ctr_client_set_lease(client, "layer-tests"), 0);
        return client;
}

/* A tar of one file, in the content store. */
static void make_layer(CtrClient *client, const char *name, const char *compression, CtrDescriptor *ret) {
        CtrWriter *writer = NULL;
        Buffer buffer = {};
        char path[128];

        snprintf(path, sizeof(path), "%s/%s.tar", fixture_directory(), name);
        fixture_run("cd %s && mkdir -p layer-%s && echo %s >layer-%s/%s && tar -c %s -f %s -C layer-%s %s",
                    fixture_directory(), name, name, name, name, compression, path, name, name);
        FILE *f = fopen(path, "re");
        ASSERT_NOT_NULL(f);
        ASSERT_EQ(read_to_end(fileno(f), &buffer, MIB(1)), 0);
        fclose(f);
        ASSERT_EQ(ctr_writer_new(client, name, NULL, 0, &writer, NULL), 0);
        ASSERT_SUCCESS(ctr_writer_write(writer, buffer.data, buffer.length, e));
        ASSERT_SUCCESS(ctr_writer_commit(writer, NULL, buffer.length, NULL, &ret->digest, e));
        ctr_writer_free(writer);
        ret->size = (int64_t) buffer.length;
        buffer_clear(&buffer);
}

TEST(apply_and_diff) {
        CtrClient *client = leased_client();
        CtrDescriptor layer = {}, compressed = {}, applied = {}, diff = {};
        CtrContentInfo info = {};
        CtrMounts mounts = {}, lower = {};
        CtrLabels labels = {};
        char path[256];
        struct stat st;

        make_layer(client, "one", "", &layer);
        make_layer(client, "two", "-z", &compressed);
        layer.media_type = strdup(LAYER);
        compressed.media_type = strdup(LAYER "+gzip");
        ASSERT_SUCCESS(ctr_snapshot_prepare(client, "overlayfs", "layers", NULL, NULL, &mounts, e));
        ASSERT_SUCCESS(ctr_diff_apply(client, &layer, &mounts, false, &applied, e));
        ASSERT_STREQ(applied.digest, layer.digest);
        ctr_descriptor_clear(&applied);
        ASSERT_SUCCESS(ctr_diff_apply(client, &compressed, &mounts, false, &applied, e));
        ASSERT_NE(strcmp(applied.digest, compressed.digest), 0);
        ctr_descriptor_clear(&applied);
        snprintf(path, sizeof(path), "%s/two", mounts.items[0].source);
        ASSERT_EQ(stat(path, &st), 0);

        ASSERT_SUCCESS(ctr_snapshot_view(client, "overlayfs", "nothing", NULL, NULL, &lower, e));
        ASSERT_EQ(ctr_labels_set(&labels, "mine", "yes"), 0);
        ASSERT_SUCCESS(ctr_diff_create(client, &lower, &mounts, LAYER "+gzip", NULL, &labels, &diff, e));
        ASSERT_STREQ(diff.media_type, LAYER "+gzip");
        ASSERT_SUCCESS(ctr_content_info(client, diff.digest, &info, e));
        ASSERT_EQ(info.size, diff.size);
        ASSERT_STREQ(ctr_labels_get(&info.labels, "mine"), "yes");
        ASSERT_NOT_NULL(ctr_labels_get(&info.labels, "containerd.io/uncompressed"));
        ctr_content_info_clear(&info);
        ctr_labels_clear(&labels);

        ctr_mounts_clear(&mounts);
        ctr_mounts_clear(&lower);
        ctr_descriptor_clear(&layer);
        ctr_descriptor_clear(&compressed);
        ctr_descriptor_clear(&diff);
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "nothing", e));
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "layers", e));
        ASSERT_SUCCESS(ctr_lease_delete(client, "layer-tests", true, e));
}

TEST(apply_of_what_is_no_layer) {
        CtrClient *client = leased_client();
        CtrDescriptor layer = { .media_type = (char *) LAYER, .digest = (char *) HELLO, .size = 5 };
        CtrMounts mounts = {};

        ASSERT_SUCCESS(ctr_snapshot_prepare(client, "overlayfs", "no-layer", NULL, NULL, &mounts, e));
        ASSERT_ERROR(ctr_diff_apply(client, &layer, &mounts, false, NULL, e), ENOENT, HELLO);
        ASSERT_EQ(ctr_content_write(client, HELLO, "hello", 5, NULL, NULL), 0);
        ASSERT_LT(ctr_diff_apply(client, &layer, &mounts, false, NULL, NULL), 0);
        layer.media_type = (char *) "text/plain";
        ASSERT_ERROR(ctr_diff_apply(client, &layer, &mounts, false, NULL, e), EIO, "text/plain");
        ctr_mounts_clear(&mounts);
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", "no-layer", e));
        ASSERT_SUCCESS(ctr_lease_delete(client, "layer-tests", true, e));
}
