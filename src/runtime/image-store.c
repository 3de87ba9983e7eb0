/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image-store.h"

#include <string.h>

#include "base/log.h"
#include "base/string-util.h"
#include "containerd/content.h"
#include "containerd/diff.h"
#include "containerd/snapshots.h"

static int fetch(void *userdata, const Descriptor *descriptor, Buffer *ret, Error *error) {
        Runtime *runtime = userdata;

        return ctr_content_read_all(runtime->client, descriptor->digest.string, descriptor->size, ret, error);
}

int image_store_resolve(Runtime *runtime, const Descriptor *target, const Platform *platform, Image *ret,
                        Error *error) {
        return image_resolve(target, platform, fetch, runtime, ret, error);
}

int image_store_find(Runtime *runtime, const char *name, const Platform *platform, Image *ret, Error *error) {
        _cleanup_(ctr_image_clear) CtrImage image = {};
        _cleanup_(descriptor_clear) Descriptor target = {};
        _cleanup_(error_clear) Error e = {};
        Digest digest;
        int r;

        r = ctr_image_get(runtime->client, name, &image, &e);
        if (r == -ENOENT)
                return error_set(error, ERROR_NOT_FOUND, "image \"%s\": not found", name);
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        r = digest_parse(strempty(image.target.digest), &digest, error);
        if (r < 0)
                return error_prefix(error, r, "image \"%s\"", name);
        if (descriptor_init(&target, strempty(image.target.media_type), &digest,
                            (uint64_t) image.target.size) < 0)
                return error_oom(error);
        r = image_store_resolve(runtime, &target, platform, ret, error);
        return r < 0 ? error_prefix(error, r, "image \"%s\"", name) : 0;
}

static int is_unpacked(Runtime *runtime, const Digest *chain, Error *error) {
        _cleanup_(ctr_snapshot_clear) CtrSnapshot snapshot = {};
        _cleanup_(error_clear) Error e = {};

        int r = ctr_snapshot_stat(runtime->client, DEFAULT_SNAPSHOTTER, chain->string, &snapshot, &e);
        if (r == -ENOENT)
                return false;
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        return snapshot.kind == CTR_SNAPSHOT_COMMITTED;
}

/* What containerd says of a layer that it cannot unpack has no code: it is the layer's fault, unless it is
 * the disk's. */
static int layer_error(Error *error, int r) {
        static const char *const ours[] = { "no space left on device", "disk quota exceeded",
                                            "input/output error", "read-only file system",
                                            "too many open files" };

        if (!error || error->code != ERROR_INTERNAL || r == -ENOMEM)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                if (strstr(error_message(error), ours[i]))
                        return r;
        return error_recode(error, ERROR_INVALID_ARGUMENT);
}

static int apply_layer(Runtime *runtime, const CtrMounts *mounts, const Descriptor *layer,
                       const Digest *diff_id, Error *error) {
        CtrDescriptor blob = {
                .media_type = layer->media_type,
                .digest = (char *) layer->digest.string,
                .size = (int64_t) layer->size,
        };
        _cleanup_(ctr_descriptor_clear) CtrDescriptor applied = {};
        int r;

        r = ctr_diff_apply(runtime->client, &blob, mounts, /* sync_fs= */ false, &applied, error);
        if (r < 0)
                return error_prefix(error, layer_error(error, r), "unpack layer %s", layer->digest.string);
        if (!streq(strempty(applied.digest), diff_id->string))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "layer %s is %s unpacked, but the config says %s", layer->digest.string,
                                 strempty(applied.digest), diff_id->string);
        return 0;
}

/* Two who unpack the same layer at the same time both do the work; one of them finds the name taken, which is
 * as good. */
static int unpack_layer(Runtime *runtime, const Digest *parent, const Digest *chain, const Descriptor *layer,
                        const Digest *diff_id, Error *error) {
        _cleanup_free_ char *key = runtime_random_name("cruxd-unpack");
        _cleanup_(ctr_mounts_clear) CtrMounts mounts = {};
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        if (!key)
                return error_oom(error);
        r = runtime_labels(runtime, /* temporary= */ true, &labels, error);
        if (r < 0)
                return r;
        r = ctr_snapshot_prepare(runtime->client, DEFAULT_SNAPSHOTTER, key,
                                 digest_is_set(parent) ? parent->string : NULL, &labels, &mounts, error);
        if (r < 0)
                return r;
        r = apply_layer(runtime, &mounts, layer, diff_id, &e);
        if (r >= 0)
                r = ctr_snapshot_commit(runtime->client, DEFAULT_SNAPSHOTTER, chain->string, key, NULL, &e);
        if (r >= 0)
                return 0;

        CTR_SHIELD();
        (void) ctr_snapshot_remove(runtime->client, DEFAULT_SNAPSHOTTER, key, NULL);
        if (r == -EEXIST)
                return 0;
        error_move(error, &e);
        return r;
}

/* The config is what every image of these layers refers to, so that the snapshot lives as long as any of
 * them. */
static int keep_snapshot(Runtime *runtime, const Image *image, const Digest *chain, Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};

        if (ctr_labels_set(&labels, LABEL_SNAPSHOT, chain->string) < 0)
                return error_oom(error);
        return ctr_content_update_labels(runtime->client, image->manifest.config.digest.string, &labels,
                                         error);
}

int image_unpack(Runtime *runtime, const Image *image, Digest *ret_chain, Error *error) {
        Digest chain = {}, top;
        int r;

        digest_chain_of(image->config.diff_ids, image->config.n_diff_ids, &top);
        if (image->config.n_diff_ids == 0) {
                *ret_chain = top;
                return 0;
        }
        r = is_unpacked(runtime, &top, error);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < image->config.n_diff_ids; i++) {
                Digest parent = chain;

                digest_chain(&parent, image->config.diff_ids + i, &chain);
                int there = is_unpacked(runtime, &chain, error);
                if (there < 0)
                        return there;
                if (there)
                        continue;
                there = unpack_layer(runtime, &parent, &chain, image->manifest.layers + i,
                                     image->config.diff_ids + i, error);
                if (there < 0)
                        return there;
        }
        if (r == 0) {
                r = keep_snapshot(runtime, image, &top, error);
                if (r < 0)
                        return r;
        }
        *ret_chain = top;
        return 0;
}

int image_store_put(Runtime *runtime, const char *name, const Descriptor *target, const CtrLabels *labels,
                    Error *error) {
        CtrImage image = {
                .name = (char *) name,
                .labels = labels ? *labels : (CtrLabels){},
                .target = {
                        .media_type = target->media_type,
                        .digest = (char *) target->digest.string,
                        .size = (int64_t) target->size,
                },
        };

        return ctr_image_put(runtime->client, &image, error);
}
