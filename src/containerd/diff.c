/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/diff.h"

#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/diff.pb-c.h"

static const Method apply = {
        .path = "/containerd.services.diff.v1.Diff/Apply",
        .request = &diff__apply_request__descriptor,
        .reply = &diff__apply_response__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

static const Method diff = {
        .path = "/containerd.services.diff.v1.Diff/Diff",
        .request = &diff__diff_request__descriptor,
        .reply = &diff__diff_response__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

static int take_descriptor(const Types__Descriptor *descriptor, CtrDescriptor *ret, Error *error) {
        _cleanup_(ctr_descriptor_clear) CtrDescriptor read = {};

        if (!descriptor)
                return error_set(error, ERROR_INTERNAL, "containerd does not tell what the layer is");
        if (read_descriptor(descriptor, &read) < 0)
                return error_oom(error);
        *ret = TAKE(read, (CtrDescriptor) {});
        return 0;
}

int ctr_diff_apply(CtrClient *client, const CtrDescriptor *layer, const CtrMounts *mounts, bool sync_fs,
                   CtrDescriptor *ret, Error *error) {
        Diff__ApplyRequest request = DIFF__APPLY_REQUEST__INIT;
        _cleanup_message_ Diff__ApplyResponse *reply = NULL;
        _cleanup_free_ Types__Mount **written_mounts = NULL;
        _cleanup_free_ Pb__Label **annotations = NULL;
        Types__Descriptor descriptor;
        int r;

        if (write_descriptor(layer, &descriptor, &annotations) < 0 ||
            write_mounts(mounts, &written_mounts, &request.n_mounts) < 0)
                return error_oom(error);
        request.diff = &descriptor;
        request.mounts = written_mounts;
        request.sync_fs = sync_fs;
        r = call_unary(client, &apply, &request.base, &reply, error);
        if (r < 0 || !ret)
                return r;
        return take_descriptor(reply->applied, ret, error);
}

int ctr_diff_create(CtrClient *client, const CtrMounts *lower, const CtrMounts *upper, const char *media_type,
                    const char *reference, const CtrLabels *labels, CtrDescriptor *ret, Error *error) {
        Diff__DiffRequest request = DIFF__DIFF_REQUEST__INIT;
        _cleanup_message_ Diff__DiffResponse *reply = NULL;
        _cleanup_free_ Types__Mount **left = NULL, **right = NULL;
        _cleanup_free_ Pb__Label **written = NULL;
        int r;

        if (write_mounts(lower, &left, &request.n_left) < 0 ||
            write_mounts(upper, &right, &request.n_right) < 0 ||
            write_labels(labels, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.left = left;
        request.right = right;
        request.media_type = (char *) media_type;
        request.ref = (char *) reference;
        request.labels = written;
        r = call_unary(client, &diff, &request.base, &reply, error);
        return r < 0 ? r : take_descriptor(reply->diff, ret, error);
}
