/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/leases.h"

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/leases.pb-c.h"

static const Method create = {
        .path = "/containerd.services.leases.v1.Leases/Create",
        .request = &leases__create_request__descriptor,
        .reply = &leases__create_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method delete = {
        .path = "/containerd.services.leases.v1.Leases/Delete",
        .request = &leases__delete_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
        .repeat = REPEAT_DELETE,
};

static const Method list = {
        .path = "/containerd.services.leases.v1.Leases/List",
        .request = &leases__list_request__descriptor,
        .reply = &leases__list_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method add_resource = {
        .path = "/containerd.services.leases.v1.Leases/AddResource",
        .request = &leases__add_resource_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_SAFELY,
};

void ctr_leases_clear(CtrLeases *leases) {
        for (size_t i = 0; i < leases->count; i++) {
                free(leases->items[i].id);
                ctr_labels_clear(&leases->items[i].labels);
        }
        free(leases->items);
        *leases = (CtrLeases) {};
}

static int copy_labels(const CtrLabels *labels, CtrLabels *ret) {
        for (size_t i = 0; labels && i < labels->count; i++)
                if (ctr_labels_set(ret, labels->items[i].key, labels->items[i].value) < 0)
                        return -ENOMEM;
        return 0;
}

int ctr_lease_create(CtrClient *client, const char *id, uint64_t expire_usec, const CtrLabels *labels,
                     Error *error) {
        Leases__CreateRequest request = LEASES__CREATE_REQUEST__INIT;
        _cleanup_(ctr_labels_clear) CtrLabels all = {};
        _cleanup_free_ Pb__Label **written = NULL;

        if (copy_labels(labels, &all) < 0)
                return error_oom(error);
        const uint64_t now = now_usec(CLOCK_REALTIME);
        if (expire_usec < USEC_INFINITY - now) {
                char at[TIMESTAMP_MAX];

                format_timestamp(at, now + expire_usec);
                if (ctr_labels_set(&all, CTR_LABEL_EXPIRE, at) < 0)
                        return error_oom(error);
        }

        request.id = (char *) id;
        if (write_labels(&all, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.labels = written;
        return call_unary(client, &create, &request.base, NULL, error);
}

int ctr_lease_delete(CtrClient *client, const char *id, bool sync, Error *error) {
        Leases__DeleteRequest request = LEASES__DELETE_REQUEST__INIT;

        request.id = (char *) id;
        request.sync = sync;
        return call_unary(client, &delete, &request.base, NULL, error);
}

static int read_lease(const Leases__Lease *lease, CtrLease *ret) {
        ret->created_usec = read_timestamp(lease->created_at);
        if (read_string(&ret->id, lease->id) < 0)
                return -ENOMEM;
        return read_labels(lease->labels, lease->n_labels, &ret->labels);
}

int ctr_lease_list(CtrClient *client, char *const *filters, CtrLeases *ret, Error *error) {
        Leases__ListRequest request = LEASES__LIST_REQUEST__INIT;
        _cleanup_message_ Leases__ListResponse *reply = NULL;
        _cleanup_(ctr_leases_clear) CtrLeases leases = {};
        int r;

        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = call_unary(client, &list, &request.base, &reply, error);
        if (r < 0)
                return r;

        leases.items = new0(CtrLease, reply->n_leases + 1);
        if (!leases.items)
                return error_oom(error);
        for (size_t i = 0; i < reply->n_leases; i++)
                if (read_lease(reply->leases[i], &leases.items[leases.count++]) < 0)
                        return error_oom(error);
        *ret = TAKE(leases, (CtrLeases) {});
        return 0;
}

int ctr_lease_add_resource(CtrClient *client, const char *id, const char *type, const char *resource,
                           Error *error) {
        Leases__AddResourceRequest request = LEASES__ADD_RESOURCE_REQUEST__INIT;
        Leases__Resource written = LEASES__RESOURCE__INIT;

        written.id = (char *) resource;
        written.type = (char *) type;
        request.id = (char *) id;
        request.resource = &written;
        return call_unary(client, &add_resource, &request.base, NULL, error);
}
