/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/containers.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/stream.h"
#include "containerd/unary.h"
#include "proto/containers.pb-c.h"

#define SPEC_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Spec"

static const Method create = {
        .path = "/containerd.services.containers.v1.Containers/Create",
        .request = &containers__create_container_request__descriptor,
        .reply = &containers__create_container_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method get = {
        .path = "/containerd.services.containers.v1.Containers/Get",
        .request = &containers__get_container_request__descriptor,
        .reply = &containers__get_container_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

/* Not List: all containers with their specs soon are more than one message holds. */
static const Method list_stream = {
        .path = "/containerd.services.containers.v1.Containers/ListStream",
        .request = &containers__list_containers_request__descriptor,
        .reply = &containers__list_container_message__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method update = {
        .path = "/containerd.services.containers.v1.Containers/Update",
        .request = &containers__update_container_request__descriptor,
        .reply = &containers__update_container_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method delete = {
        .path = "/containerd.services.containers.v1.Containers/Delete",
        .request = &containers__delete_container_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_DELETE,
};

void ctr_container_clear(CtrContainer *container) {
        free(container->id);
        ctr_labels_clear(&container->labels);
        free(container->image);
        free(container->runtime);
        ctr_runc_options_clear(&container->runc_options);
        free(container->spec);
        free(container->snapshotter);
        free(container->snapshot_key);
        *container = (CtrContainer) {};
}

void ctr_containers_clear(CtrContainers *containers) {
        for (size_t i = 0; i < containers->count; i++)
                ctr_container_clear(&containers->items[i]);
        free(containers->items);
        *containers = (CtrContainers) {};
}

/* A container as a request has it, borrowing but for what is freed below. */
typedef struct WrittenContainer {
        Containers__Container container;
        Containers__Container__Runtime runtime;
        Pb__Any options, spec;
        Pb__Label **labels;
} WrittenContainer;

static void written_container_clear(WrittenContainer *written) {
        free(written->options.value.data);
        free(written->labels);
}

static int write_container(const CtrContainer *container, WrittenContainer *ret) {
        containers__container__init(&ret->container);
        ret->container.id = container->id;
        ret->container.image = container->image;
        ret->container.snapshotter = container->snapshotter;
        ret->container.snapshot_key = container->snapshot_key;
        if (write_labels(&container->labels, &ret->labels, &ret->container.n_labels) < 0)
                return -ENOMEM;
        ret->container.labels = ret->labels;

        if (container->runtime) {
                containers__container__runtime__init(&ret->runtime);
                ret->runtime.name = container->runtime;
                ret->container.runtime = &ret->runtime;
                if (container->has_runc_options) {
                        if (write_runc_options(&container->runc_options, &ret->options) < 0)
                                return -ENOMEM;
                        ret->runtime.options = &ret->options;
                }
        }
        if (container->spec) {
                pb__any__init(&ret->spec);
                ret->spec.type_url = (char *) SPEC_TYPE;
                ret->spec.value.data = (uint8_t *) container->spec;
                ret->spec.value.len = container->spec_length;
                ret->container.spec = &ret->spec;
        }
        return 0;
}

int ctr_container_create(CtrClient *client, const CtrContainer *container, Error *error) {
        Containers__CreateContainerRequest request = CONTAINERS__CREATE_CONTAINER_REQUEST__INIT;
        _cleanup_(written_container_clear) WrittenContainer written = {};

        if (write_container(container, &written) < 0)
                return error_oom(error);
        request.container = &written.container;
        return call_unary(client, &create, &request.base, NULL, error);
}

static int read_spec(const Pb__Any *spec, CtrContainer *ret) {
        if (!spec)
                return 0;
        /* With a NUL behind it that the length does not count. */
        ret->spec = malloc(spec->value.len + 1);
        if (!ret->spec)
                return -ENOMEM;
        if (spec->value.len > 0)
                memcpy(ret->spec, spec->value.data, spec->value.len);
        ret->spec[spec->value.len] = '\0';
        ret->spec_length = spec->value.len;
        return 0;
}

static int read_container(const Containers__Container *container, CtrContainer *ret, Error *error) {
        int r = 0;

        ret->created_usec = read_timestamp(container->created_at);
        ret->updated_usec = read_timestamp(container->updated_at);
        if (read_string(&ret->id, container->id) < 0 || read_string(&ret->image, container->image) < 0 ||
            read_string(&ret->snapshotter, container->snapshotter) < 0 ||
            read_string(&ret->snapshot_key, container->snapshot_key) < 0 ||
            read_labels(container->labels, container->n_labels, &ret->labels) < 0 ||
            read_spec(container->spec, ret) < 0)
                return error_oom(error);
        if (container->runtime) {
                if (read_string(&ret->runtime, container->runtime->name) < 0)
                        return error_oom(error);
                r = read_runc_options(container->runtime->options, &ret->runc_options, error);
        }
        if (r < 0)
                return r;
        ret->has_runc_options = r > 0;
        return 0;
}

int ctr_container_get(CtrClient *client, const char *id, CtrContainer *ret, Error *error) {
        Containers__GetContainerRequest request = CONTAINERS__GET_CONTAINER_REQUEST__INIT;
        _cleanup_message_ Containers__GetContainerResponse *reply = NULL;
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        int r;

        request.id = (char *) id;
        r = call_unary(client, &get, &request.base, &reply, error);
        if (r < 0)
                return r;
        if (!reply->container)
                return error_set(error, ERROR_INTERNAL, "containerd tells nothing about the container %s",
                                 id);
        r = read_container(reply->container, &container, error);
        if (r < 0)
                return r;
        *ret = TAKE(container, (CtrContainer) {});
        return 0;
}

static int append_container(CtrContainers *list, const Containers__Container *container, Error *error) {
        if (list->count >= CTR_LIST_MAX)
                return error_set(error, ERROR_INTERNAL, "containerd lists more than %u containers",
                                 CTR_LIST_MAX);

        CtrContainer *grown = reallocarray(list->items, list->count + 1, sizeof(CtrContainer));
        if (!grown)
                return error_oom(error);
        list->items = grown;
        grown[list->count] = (CtrContainer) {};
        return read_container(container, &grown[list->count++], error);
}

int ctr_container_list(CtrClient *client, char *const *filters, CtrContainers *ret, Error *error) {
        Containers__ListContainersRequest request = CONTAINERS__LIST_CONTAINERS_REQUEST__INIT;
        _cleanup_(stream_freep) Stream *stream = NULL;
        _cleanup_(ctr_containers_clear) CtrContainers list = {};
        int r;

        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = stream_call(client, &list_stream, &request.base, &stream, error);
        while (r >= 0) {
                _cleanup_message_ Containers__ListContainerMessage *reply = NULL;

                r = stream_receive_message(stream, &reply, error);
                if (r == 0) {
                        *ret = TAKE(list, (CtrContainers) {});
                        return 0;
                }
                if (r > 0 && reply->container)
                        r = append_container(&list, reply->container, error);
        }
        return r;
}

int ctr_container_update(CtrClient *client, const CtrContainer *container, CtrContainerFields fields,
                         Error *error) {
        Containers__UpdateContainerRequest request = CONTAINERS__UPDATE_CONTAINER_REQUEST__INIT;
        Pb__FieldMask mask = PB__FIELD_MASK__INIT;
        _cleanup_(written_container_clear) WrittenContainer written = {};
        const char *paths[4];

        if (write_container(container, &written) < 0)
                return error_oom(error);
        if (fields & CTR_CONTAINER_LABELS)
                paths[mask.n_paths++] = "labels";
        if (fields & CTR_CONTAINER_IMAGE)
                paths[mask.n_paths++] = "image";
        if (fields & CTR_CONTAINER_SPEC)
                paths[mask.n_paths++] = "spec";
        if (fields & CTR_CONTAINER_SNAPSHOT_KEY)
                paths[mask.n_paths++] = "snapshotkey";
        /* An empty mask would mean all. */
        if (mask.n_paths == 0)
                return 0;
        mask.paths = (char **) paths;
        request.container = &written.container;
        request.update_mask = &mask;
        return call_unary(client, &update, &request.base, NULL, error);
}

int ctr_container_delete(CtrClient *client, const char *id, Error *error) {
        Containers__DeleteContainerRequest request = CONTAINERS__DELETE_CONTAINER_REQUEST__INIT;

        request.id = (char *) id;
        return call_unary(client, &delete, &request.base, NULL, error);
}
