/* SPDX-License-Identifier: Apache-2.0 */
#include "build/base-image.h"

#include "base/fd-util.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/leases.h"
#include "runtime/pull.h"

/* The name keeps the unpacked image for the next build; it says by itself what it points at, so that an
 * archive which changed is another image. */
static int keep_image(Runtime *runtime, const Import *import, Error *error) {
        _cleanup_free_ char *name = format_string(BASE_IMAGE_PREFIX "%s", import->target.digest.string);
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        char expire[TIMESTAMP_MAX];
        int r;

        r = runtime_labels(runtime, /* temporary= */ false, &labels, error);
        if (r < 0)
                return r;
        format_timestamp(expire, now_usec(CLOCK_REALTIME) + BASE_IMAGE_KEEP_USEC);
        if (!name || ctr_labels_set(&labels, LABEL_BASE, "file") < 0 ||
            ctr_labels_set(&labels, CTR_LABEL_EXPIRE, expire) < 0)
                return error_oom(error);
        return image_store_put(runtime, name, &import->target, &labels, error);
}

static int from_file(Runtime *runtime, const StageInputs *inputs, const Stage *stage, Import *ret,
                     Error *error) {
        _cleanup_close_ int fd = identity_open_file(inputs->client, inputs->root_fd, stage->from, error);
        int r;

        if (fd < 0)
                return fd;
        r = image_import(runtime, fd, inputs->platform, ret, error);
        return r < 0 ? r : keep_image(runtime, ret, error);
}

static int from_registry(Runtime *runtime, const StageInputs *inputs, const Stage *stage, Import *ret,
                         Error *error) {
        _cleanup_(reference_clear) Reference reference = {};
        int r;

        r = reference_parse(stage->from, &reference, error);
        if (r < 0)
                return r;
        return image_pull(runtime, &reference, inputs->platform, &ret->image, &ret->chain, error);
}

int base_image_get(Runtime *runtime, const StageInputs *inputs, const Stage *stage, Import *ret,
                   Error *error) {
        switch (stage->from_kind) {
        case FROM_FILE:
                return from_file(runtime, inputs, stage, ret, error);
        case FROM_OCI:
                return from_registry(runtime, inputs, stage, ret, error);
        }
        return error_set(error, ERROR_INTERNAL, "unknown kind of base image");
}
