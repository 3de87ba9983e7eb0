/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/namespaces.h"

#include "containerd/call.h"
#include "proto/google.pb-c.h"
#include "proto/namespaces.pb-c.h"

static const Method get = {
        .path = "/containerd.services.namespaces.v1.Namespaces/Get",
        .request = &namespaces__get_namespace_request__descriptor,
        .reply = &namespaces__get_namespace_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

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
        Namespaces__GetNamespaceRequest look = NAMESPACES__GET_NAMESPACE_REQUEST__INIT;
        Namespaces__CreateNamespaceRequest request = NAMESPACES__CREATE_NAMESPACE_REQUEST__INIT;
        Namespaces__Namespace namespace = NAMESPACES__NAMESPACE__INIT;
        _cleanup_(error_clear) Error e = {};
        int r;

        look.name = client->namespace;
        r = call_unary(client, &get, &look.base, NULL, &e);
        if (r == -ENOENT) {
                error_clear(&e);
                namespace.name = client->namespace;
                request.namespace_ = &namespace;
                r = call_unary(client, &create, &request.base, NULL, &e);
                if (r == 0)
                        return 1;
                if (r == -EEXIST)
                        r = 0; /* by somebody else, meanwhile */
        }
        if (r < 0)
                error_move(error, &e);
        return r;
}

int ctr_namespace_delete(CtrClient *client, Error *error) {
        Namespaces__DeleteNamespaceRequest request = NAMESPACES__DELETE_NAMESPACE_REQUEST__INIT;

        request.name = client->namespace;
        return call_unary(client, &delete, &request.base, NULL, error);
}
