/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/content.h"

#include <inttypes.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "containerd/content-data.h"
#include "containerd/convert.h"
#include "containerd/stream.h"
#include "containerd/unary.h"
#include "proto/content.pb-c.h"

static const Method info_method = {
        .path = "/containerd.services.content.v1.Content/Info",
        .request = &content__info_request__descriptor,
        .reply = &content__info_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method update = {
        .path = "/containerd.services.content.v1.Content/Update",
        .request = &content__update_request__descriptor,
        .reply = &content__update_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method delete = {
        .path = "/containerd.services.content.v1.Content/Delete",
        .request = &content__delete_content_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_DELETE,
};

static const Method list = {
        .path = "/containerd.services.content.v1.Content/List",
        .request = &content__list_content_request__descriptor,
        .reply = &content__list_content_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method read_method = {
        .path = "/containerd.services.content.v1.Content/Read",
        .request = &content__read_content_request__descriptor,
        .reply = &content__read_content_response__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

void ctr_content_info_clear(CtrContentInfo *info) {
        free(info->digest);
        ctr_labels_clear(&info->labels);
        *info = (CtrContentInfo) {};
}

static int read_info(const Content__Info *info, CtrContentInfo *ret) {
        ret->size = info->size;
        ret->created_usec = read_timestamp(info->created_at);
        ret->updated_usec = read_timestamp(info->updated_at);
        if (read_string(&ret->digest, info->digest) < 0)
                return -ENOMEM;
        return read_labels(info->labels, info->n_labels, &ret->labels);
}

int ctr_content_info(CtrClient *client, const char *digest, CtrContentInfo *ret, Error *error) {
        Content__InfoRequest request = CONTENT__INFO_REQUEST__INIT;
        _cleanup_message_ Content__InfoResponse *reply = NULL;
        _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
        int r;

        request.digest = (char *) digest;
        r = call_unary(client, &info_method, &request.base, &reply, error);
        if (r < 0)
                return r;
        if (!reply->info || reply->info->size < 0)
                return error_set(error, ERROR_INTERNAL, "containerd tells nothing about the blob %s", digest);
        if (read_info(reply->info, &info) < 0)
                return error_oom(error);
        *ret = TAKE(info, (CtrContentInfo) {});
        return 0;
}

int ctr_content_update_labels(CtrClient *client, const char *digest, const CtrLabels *labels, Error *error) {
        Content__UpdateRequest request = CONTENT__UPDATE_REQUEST__INIT;
        Content__Info info = CONTENT__INFO__INIT;
        Pb__FieldMask mask = PB__FIELD_MASK__INIT;
        _cleanup_free_ Pb__Label **written = NULL;
        _cleanup_strv_ char **paths = NULL;

        /* An empty mask would mean all. */
        if (!labels || labels->count == 0)
                return 0;
        for (size_t i = 0; i < labels->count; i++)
                if (strv_consume(&paths, format_string("labels.%s", labels->items[i].key)) < 0)
                        return error_oom(error);
        if (write_labels(labels, &written, &info.n_labels) < 0)
                return error_oom(error);

        info.digest = (char *) digest;
        info.labels = written;
        mask.paths = paths;
        mask.n_paths = labels->count;
        request.info = &info;
        request.update_mask = &mask;
        return call_unary(client, &update, &request.base, NULL, error);
}

int ctr_content_delete(CtrClient *client, const char *digest, Error *error) {
        Content__DeleteContentRequest request = CONTENT__DELETE_CONTENT_REQUEST__INIT;

        request.digest = (char *) digest;
        return call_unary(client, &delete, &request.base, NULL, error);
}

static int walk_reply(const Content__ListContentResponse *reply, CtrContentCallback callback, void *userdata,
                      Error *error) {
        for (size_t i = 0; i < reply->n_info; i++) {
                _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
                int r;

                if (read_info(reply->info[i], &info) < 0)
                        return error_oom(error);
                r = callback(&info, userdata, error);
                if (r != 0)
                        return r;
        }
        return 0;
}

int ctr_content_walk(CtrClient *client, char *const *filters, CtrContentCallback callback, void *userdata,
                     Error *error) {
        Content__ListContentRequest request = CONTENT__LIST_CONTENT_REQUEST__INIT;
        _cleanup_(stream_freep) Stream *stream = NULL;
        int r;

        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = stream_call(client, &list, &request.base, &stream, error);
        if (r < 0)
                return r;

        for (;;) {
                _cleanup_message_ Content__ListContentResponse *reply = NULL;

                r = stream_receive_message(stream, &reply, error);
                if (r <= 0)
                        return r;
                r = walk_reply(reply, callback, userdata, error);
                if (r != 0)
                        return MIN(r, 0);
        }
}

/* Hands the data of one message on; gives the number of its bytes. */
static ssize_t read_piece(grpc_byte_buffer *buffer, CtrDataCallback callback, void *userdata, Error *error) {
        _cleanup_slice_ grpc_slice slice = grpc_empty_slice();
        const uint8_t *data;
        size_t n;
        int r;

        r = message_flatten(buffer, &slice, error);
        if (r < 0)
                return r;
        r = content_data_find(GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice), &data, &n);
        if (r < 0)
                return error_set(error, ERROR_INTERNAL, "containerd sent no readable content");
        if (n > 0) {
                r = callback(data, n, userdata, error);
                if (r < 0)
                        return r;
        }
        return (ssize_t) n;
}

int ctr_content_read(CtrClient *client, const char *digest, uint64_t offset, uint64_t size,
                     CtrDataCallback callback, void *userdata, Error *error) {
        Content__ReadContentRequest request = CONTENT__READ_CONTENT_REQUEST__INIT;
        _cleanup_(stream_freep) Stream *stream = NULL;
        uint64_t got = 0;
        int r;

        if (offset > INT64_MAX || size > INT64_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "no blob is as large as that");
        request.digest = (char *) digest;
        request.offset = (int64_t) offset;
        request.size = (int64_t) size;
        r = stream_call(client, &read_method, &request.base, &stream, error);
        if (r < 0)
                return r;

        for (;;) {
                _cleanup_byte_buffer_ grpc_byte_buffer *buffer = NULL;

                r = stream_receive(stream, deadline_in(STREAM_STALL_SEC * UINT64_C(1000000)), &buffer, error);
                if (r == -ETIMEDOUT)
                        return stream_stalled(stream, error);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                /* So that the next one comes while this one is used. */
                r = stream_start_receive(stream, error);
                if (r < 0)
                        return r;

                ssize_t n = read_piece(buffer, callback, userdata, error);
                if (n < 0)
                        return (int) n;
                got += (uint64_t) n;
                if (size > 0 && got > size)
                        break;
        }
        if (size > 0 && got != size)
                return error_set(error, ERROR_INTERNAL,
                                 "containerd gave %" PRIu64 " bytes of the blob %s where %" PRIu64
                                 " were wanted",
                                 got, digest, size);
        return 0;
}

static int write_to_fd(const void *data, size_t n, void *userdata, Error *error) {
        int r;

        r = write_all(*(const int *) userdata, data, n);
        return r < 0 ? error_set_errno(error, r, "cannot write what was read from containerd") : 0;
}

int ctr_content_read_to_fd(CtrClient *client, const char *digest, uint64_t offset, uint64_t size, int fd,
                           Error *error) {
        return ctr_content_read(client, digest, offset, size, write_to_fd, &fd, error);
}

static int append_to_buffer(const void *data, size_t n, void *userdata, Error *error) {
        return buffer_append(userdata, data, n) < 0 ? error_oom(error) : 0;
}

int ctr_content_read_all(CtrClient *client, const char *digest, size_t limit, Buffer *buffer, Error *error) {
        _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
        const size_t before = buffer->length;
        int r;

        r = ctr_content_info(client, digest, &info, error);
        if (r < 0)
                return r;
        if ((uint64_t) info.size > limit)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the blob %s has %" PRId64 " bytes, more than the %zu that are allowed",
                                 digest, info.size, limit);
        if (info.size == 0)
                return 0;
        r = ctr_content_read(client, digest, 0, (uint64_t) info.size, append_to_buffer, buffer, error);
        if (r < 0)
                buffer->length = before;
        return r;
}
