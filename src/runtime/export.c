/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/export.h"

#include <fcntl.h>
#include <unistd.h>

#include "archive/layer.h"
#include "archive/oci-archive-writer.h"
#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/content.h"
#include "containerd/diff.h"

static int write_to_sink(const void *data, size_t n, void *userdata, Error *error) {
        const Sink *sink = userdata;

        return sink->write(sink->userdata, data, n, error);
}

/* From the content store's file where it can be read, which the kernel copies; else from the service. */
static int add_blob(Runtime *runtime, ArchiveWriter *writer, const Descriptor *blob, Error *error) {
        int r;

        if (archive_writer_has(writer, &blob->digest))
                return 0;
        _cleanup_close_ int fd = runtime_open_blob(runtime, blob->digest.string);
        if (fd >= 0)
                return archive_writer_add_file(writer, blob, fd, runtime->cancelled, error);

        r = archive_writer_begin(writer, blob, error);
        if (r < 0)
                return r;
        Sink sink = archive_writer_sink(writer);
        r = ctr_content_read(runtime->client, blob->digest.string, 0, 0, write_to_sink, &sink, error);
        if (r < 0) {
                (void) archive_writer_abort(writer, NULL);
                return r;
        }
        return archive_writer_end(writer, &blob->digest, blob->size, error);
}

/* What was found out about the new layer. */
typedef struct NewLayer {
        Descriptor descriptor;
        Digest diff_id;
        bool empty;
} NewLayer;

static void new_layer_clear(NewLayer *layer) {
        descriptor_clear(&layer->descriptor);
}

/* The base's own files, to compare with: a view of its snapshot, for as long as the layer is made. */
typedef struct Lower {
        Runtime *runtime;
        char *key;
        CtrMounts mounts;
        int fd; /* -EBADF where the base is empty */
} Lower;

static void lower_clear(Lower *lower) {
        CTR_SHIELD();

        safe_close(lower->fd);
        if (lower->key)
                (void) snapshot_remove(lower->runtime, lower->key, NULL);
        ctr_mounts_clear(&lower->mounts);
        free(lower->key);
}

static int lower_open(Lower *lower, const Export *export, Error *error) {
        int r;

        lower->key = runtime_random_name("cruxd-view");
        if (!lower->key)
                return error_oom(error);
        r = ctr_snapshot_view(lower->runtime->client, DEFAULT_SNAPSHOTTER, lower->key,
                              digest_is_set(export->chain) ? export->chain->string : NULL, NULL,
                              &lower->mounts, error);
        if (r < 0 || !digest_is_set(export->chain))
                return r;
        return snapshot_open(&lower->mounts, /* read_only= */ true, &lower->fd, error);
}

/* Only what looks at both sides can tell what changed, where the upper directory says "as below, but …". */
static int diff_by_containerd(Runtime *runtime, ArchiveWriter *writer, const Export *export,
                              const Lower *lower, NewLayer *ret, Error *error) {
        static const char uncompressed[] = "containerd.io/uncompressed";
        _cleanup_(ctr_descriptor_clear) CtrDescriptor layer = {};
        _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
        const char *media_type = media_type_of_layer(export->compression);
        Digest digest;
        int r;

        r = ctr_diff_create(runtime->client, &lower->mounts, export->mounts, media_type, NULL, NULL, &layer,
                            error);
        if (r >= 0)
                r = digest_parse(strempty(layer.digest), &digest, error);
        if (r >= 0)
                r = ctr_content_info(runtime->client, layer.digest, &info, error);
        if (r < 0)
                return r;
        const char *diff_id = ctr_labels_get(&info.labels, uncompressed) ?: layer.digest;
        r = digest_parse(diff_id, &ret->diff_id, error);
        if (r < 0)
                return r;
        if (descriptor_init(&ret->descriptor, media_type, &digest, (uint64_t) info.size) < 0)
                return error_oom(error);
        return add_blob(runtime, writer, &ret->descriptor, error);
}

/* 1 when it is written, 0 when the upper directory cannot be turned into a layer by itself. */
static int write_layer(Runtime *runtime, ArchiveWriter *writer, const Export *export, int upper_fd,
                       int lower_fd, NewLayer *ret, Error *error) {
        LayerOptions options = LAYER_OPTIONS_DEFAULT;
        LayerResult result;
        int r;

        options.compression = export->compression;
        options.mount_points = export->mount_points;
        options.lower_fd = lower_fd;
        options.cancelled = runtime->cancelled;
        options.progress = export->progress;
        options.userdata = export->userdata;

        r = archive_writer_begin(writer, NULL, error);
        if (r < 0)
                return r;
        Sink sink = archive_writer_sink(writer);
        r = layer_write(upper_fd, &options, &sink, &result, error);
        if (r != LAYER_WRITTEN || result.entries == 0) {
                ret->empty = r == LAYER_WRITTEN;
                int q = archive_writer_abort(writer, r < 0 ? NULL : error);
                return r < 0 ? r : q < 0 ? q : ret->empty;
        }
        r = archive_writer_end(writer, &result.digest, result.size, error);
        if (r < 0)
                return r;
        ret->diff_id = result.diff_id;
        return descriptor_init(&ret->descriptor, media_type_of_layer(export->compression), &result.digest,
                               result.size) < 0
                       ? error_oom(error)
                       : 1;
}

static int add_new_layer(Runtime *runtime, ArchiveWriter *writer, const Export *export, NewLayer *ret,
                         Error *error) {
        _cleanup_(lower_clear) Lower lower = { .runtime = runtime, .fd = -EBADF };
        _cleanup_free_ char *upper = NULL;
        _cleanup_close_ int upper_fd = -EBADF;
        int r;

        r = lower_open(&lower, export, error);
        if (r >= 0)
                r = snapshot_upper(export->mounts, &upper, error);
        if (r < 0)
                return r;
        if (upper) {
                upper_fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (upper_fd < 0)
                        log_debug("Cannot open %s (%s), letting containerd make the layer", upper,
                                  errno_words(errno));
        }
        if (upper_fd >= 0) {
                r = write_layer(runtime, writer, export, upper_fd, lower.fd, ret, error);
                if (r != 0)
                        return MIN(r, 0);
        }
        return diff_by_containerd(runtime, writer, export, &lower, ret, error);
}

static int edit_config(const Export *export, const NewLayer *layer, ImageConfig *config) {
        uint64_t now = now_usec(CLOCK_REALTIME);
        int r;

        r = image_config_set_env(config, export->env);
        if (r >= 0)
                r = image_config_set_workdir(config, export->workdir);
        if (r >= 0 && export->entrypoint)
                r = image_config_set_entrypoint(config, export->entrypoint);
        if (r >= 0)
                r = layer->empty
                            ? image_config_append_empty(config, now, export->created_by)
                            : image_config_append_layer(config, &layer->diff_id, now, export->created_by);
        return r;
}

int image_export(Runtime *runtime, const Export *export, int fd, Error *error) {
        _cleanup_(archive_writer_freep) ArchiveWriter *writer = NULL;
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_(image_config_clear) ImageConfig config = {};
        _cleanup_(new_layer_clear) NewLayer layer = {};
        int r;

        r = archive_writer_new(fd, &writer, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < export->base->manifest.n_layers; i++) {
                r = add_blob(runtime, writer, export->base->manifest.layers + i, error);
                if (r < 0)
                        return error_prefix(error, r, "base layer %zu", i + 1);
        }
        r = add_new_layer(runtime, writer, export, &layer, error);
        if (r < 0)
                return error_prefix(error, r, "layer");

        r = image_config_parse(export->base->config_text.data, export->base->config_text.length, &config,
                               error);
        if (r < 0)
                return r;
        if (edit_config(export, &layer, &config) < 0 ||
            image_manifest_copy(&export->base->manifest, &manifest) < 0)
                return error_oom(error);
        if (!layer.empty) {
                r = image_manifest_append_layer(&manifest, &layer.descriptor);
                if (r < 0)
                        return error_set_errno(error, r, "add a layer to the base's %zu", manifest.n_layers);
        }
        return archive_writer_finish(writer, &manifest, &config, export->name, NULL, error);
}
