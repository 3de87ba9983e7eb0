/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/snapshots.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/stream.h"
#include "containerd/unary.h"
#include "proto/snapshots.pb-c.h"

static const Method prepare = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Prepare",
        .request = &snapshots__prepare_snapshot_request__descriptor,
        .reply = &snapshots__prepare_snapshot_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method view = {
        .path = "/containerd.services.snapshots.v1.Snapshots/View",
        .request = &snapshots__view_snapshot_request__descriptor,
        .reply = &snapshots__view_snapshot_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method mounts = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Mounts",
        .request = &snapshots__mounts_request__descriptor,
        .reply = &snapshots__mounts_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method stat_snapshot = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Stat",
        .request = &snapshots__stat_snapshot_request__descriptor,
        .reply = &snapshots__stat_snapshot_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method commit = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Commit",
        .request = &snapshots__commit_snapshot_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method remove_snapshot = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Remove",
        .request = &snapshots__remove_snapshot_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
        .repeat = REPEAT_DELETE,
};

static const Method list = {
        .path = "/containerd.services.snapshots.v1.Snapshots/List",
        .request = &snapshots__list_snapshots_request__descriptor,
        .reply = &snapshots__list_snapshots_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method usage = {
        .path = "/containerd.services.snapshots.v1.Snapshots/Usage",
        .request = &snapshots__usage_request__descriptor,
        .reply = &snapshots__usage_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
        .repeat = REPEAT_SAFELY,
};

void ctr_snapshot_clear(CtrSnapshot *snapshot) {
        free(snapshot->name);
        free(snapshot->parent);
        ctr_labels_clear(&snapshot->labels);
        *snapshot = (CtrSnapshot) {};
}

static int take_mounts(Types__Mount *const *items, size_t count, CtrMounts *ret, Error *error) {
        _cleanup_(ctr_mounts_clear) CtrMounts list_of_mounts = {};

        if (read_mounts(items, count, &list_of_mounts) < 0)
                return error_oom(error);
        *ret = TAKE(list_of_mounts, (CtrMounts) {});
        return 0;
}

int ctr_snapshot_prepare(CtrClient *client, const char *snapshotter, const char *key, const char *parent,
                         const CtrLabels *labels, CtrMounts *ret, Error *error) {
        Snapshots__PrepareSnapshotRequest request = SNAPSHOTS__PREPARE_SNAPSHOT_REQUEST__INIT;
        _cleanup_message_ Snapshots__PrepareSnapshotResponse *reply = NULL;
        _cleanup_free_ Pb__Label **written = NULL;
        int r;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        request.parent = (char *) parent;
        if (write_labels(labels, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.labels = written;
        r = call_unary(client, &prepare, &request.base, &reply, error);
        return r < 0 ? r : take_mounts(reply->mounts, reply->n_mounts, ret, error);
}

int ctr_snapshot_view(CtrClient *client, const char *snapshotter, const char *key, const char *parent,
                      const CtrLabels *labels, CtrMounts *ret, Error *error) {
        Snapshots__ViewSnapshotRequest request = SNAPSHOTS__VIEW_SNAPSHOT_REQUEST__INIT;
        _cleanup_message_ Snapshots__ViewSnapshotResponse *reply = NULL;
        _cleanup_free_ Pb__Label **written = NULL;
        int r;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        request.parent = (char *) parent;
        if (write_labels(labels, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.labels = written;
        r = call_unary(client, &view, &request.base, &reply, error);
        return r < 0 ? r : take_mounts(reply->mounts, reply->n_mounts, ret, error);
}

int ctr_snapshot_mounts(CtrClient *client, const char *snapshotter, const char *key, CtrMounts *ret,
                        Error *error) {
        Snapshots__MountsRequest request = SNAPSHOTS__MOUNTS_REQUEST__INIT;
        _cleanup_message_ Snapshots__MountsResponse *reply = NULL;
        int r;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        r = call_unary(client, &mounts, &request.base, &reply, error);
        return r < 0 ? r : take_mounts(reply->mounts, reply->n_mounts, ret, error);
}

static CtrSnapshotKind read_kind(Snapshots__Kind kind) {
        switch (kind) {
        case SNAPSHOTS__KIND__VIEW:
                return CTR_SNAPSHOT_VIEW;
        case SNAPSHOTS__KIND__ACTIVE:
                return CTR_SNAPSHOT_ACTIVE;
        case SNAPSHOTS__KIND__COMMITTED:
                return CTR_SNAPSHOT_COMMITTED;
        default:
                return CTR_SNAPSHOT_UNKNOWN;
        }
}

static int read_snapshot(const Snapshots__Info *info, CtrSnapshot *ret) {
        ret->kind = read_kind(info->kind);
        ret->created_usec = read_timestamp(info->created_at);
        ret->updated_usec = read_timestamp(info->updated_at);
        if (read_string(&ret->name, info->name) < 0 || read_string(&ret->parent, info->parent) < 0)
                return -ENOMEM;
        return read_labels(info->labels, info->n_labels, &ret->labels);
}

int ctr_snapshot_stat(CtrClient *client, const char *snapshotter, const char *key, CtrSnapshot *ret,
                      Error *error) {
        Snapshots__StatSnapshotRequest request = SNAPSHOTS__STAT_SNAPSHOT_REQUEST__INIT;
        _cleanup_message_ Snapshots__StatSnapshotResponse *reply = NULL;
        _cleanup_(ctr_snapshot_clear) CtrSnapshot snapshot = {};
        int r;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        r = call_unary(client, &stat_snapshot, &request.base, &reply, error);
        if (r < 0)
                return r;
        if (!reply->info)
                return error_set(error, ERROR_INTERNAL, "containerd tells nothing about the snapshot %s",
                                 key);
        if (read_snapshot(reply->info, &snapshot) < 0)
                return error_oom(error);
        *ret = TAKE(snapshot, (CtrSnapshot) {});
        return 0;
}

int ctr_snapshot_commit(CtrClient *client, const char *snapshotter, const char *name, const char *key,
                        const CtrLabels *labels, Error *error) {
        Snapshots__CommitSnapshotRequest request = SNAPSHOTS__COMMIT_SNAPSHOT_REQUEST__INIT;
        _cleanup_free_ Pb__Label **written = NULL;

        request.snapshotter = (char *) snapshotter;
        request.name = (char *) name;
        request.key = (char *) key;
        if (write_labels(labels, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.labels = written;
        return call_unary(client, &commit, &request.base, NULL, error);
}

int ctr_snapshot_remove(CtrClient *client, const char *snapshotter, const char *key, Error *error) {
        Snapshots__RemoveSnapshotRequest request = SNAPSHOTS__REMOVE_SNAPSHOT_REQUEST__INIT;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        return call_unary(client, &remove_snapshot, &request.base, NULL, error);
}

static int walk_reply(const Snapshots__ListSnapshotsResponse *reply, CtrSnapshotCallback callback,
                      void *userdata, Error *error) {
        for (size_t i = 0; i < reply->n_info; i++) {
                _cleanup_(ctr_snapshot_clear) CtrSnapshot snapshot = {};
                int r;

                if (read_snapshot(reply->info[i], &snapshot) < 0)
                        return error_oom(error);
                r = callback(&snapshot, userdata, error);
                if (r != 0)
                        return r;
        }
        return 0;
}

int ctr_snapshot_walk(CtrClient *client, const char *snapshotter, char *const *filters,
                      CtrSnapshotCallback callback, void *userdata, Error *error) {
        Snapshots__ListSnapshotsRequest request = SNAPSHOTS__LIST_SNAPSHOTS_REQUEST__INIT;
        _cleanup_(stream_freep) Stream *stream = NULL;
        int r;

        request.snapshotter = (char *) snapshotter;
        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = stream_call(client, &list, &request.base, &stream, error);
        if (r < 0)
                return r;

        for (;;) {
                _cleanup_message_ Snapshots__ListSnapshotsResponse *reply = NULL;

                r = stream_receive_message(stream, &reply, error);
                if (r <= 0)
                        return r;
                r = walk_reply(reply, callback, userdata, error);
                if (r != 0)
                        return MIN(r, 0);
        }
}

int ctr_snapshot_usage(CtrClient *client, const char *snapshotter, const char *key, CtrUsage *ret,
                       Error *error) {
        Snapshots__UsageRequest request = SNAPSHOTS__USAGE_REQUEST__INIT;
        _cleanup_message_ Snapshots__UsageResponse *reply = NULL;
        int r;

        request.snapshotter = (char *) snapshotter;
        request.key = (char *) key;
        r = call_unary(client, &usage, &request.base, &reply, error);
        if (r < 0)
                return r;
        *ret = (CtrUsage) { .size = reply->size, .inodes = reply->inodes };
        return 0;
}
