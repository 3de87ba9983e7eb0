/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/namespaces.h"

#include "containerd/unary.h"
#include "proto/google.pb-c.h"
#include "proto/namespaces.pb-c.h"

static const Method create = {
        .path = "/containerd.services.namespaces.v1.Namespaces/Create",
        .request = &namespaces__create_namespace_request__descriptor,
        .reply = &namespaces__create_namespace_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        /* That it is there already is what is wanted. */
        .repeat = REPEAT_SAFELY,
};

static const Method delete = {
        .path = "/containerd.services.namespaces.v1.Namespaces/Delete",
        .request = &namespaces__delete_namespace_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_DELETE,
};

int ctr_namespace_ensure(CtrClient *client, Error *error) {
        Namespaces__CreateNamespaceRequest request = NAMESPACES__CREATE_NAMESPACE_REQUEST__INIT;
        Namespaces__Namespace namespace = NAMESPACES__NAMESPACE__INIT;
        _cleanup_(error_clear) Error e = {};
        int r;

        /* Looking first is of no use: containerd finds namespaces that are not there. */
        namespace.name = client->namespace;
        request.namespace_ = &namespace;
        r = call_unary(client, &create, &request.base, NULL, &e);
        if (r == -EEXIST)
                return 0;
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        return 1;
}

int ctr_namespace_delete(CtrClient *client, Error *error) {
        Namespaces__DeleteNamespaceRequest request = NAMESPACES__DELETE_NAMESPACE_REQUEST__INIT;

        request.name = client->namespace;
        return call_unary(client, &delete, &request.base, NULL, error);
}
