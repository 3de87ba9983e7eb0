/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/message.h"

#include <grpc/byte_buffer_reader.h>

#include "containerd/client.h"

int message_pack(const ProtobufCMessage *message, grpc_slice *ret, Error *error) {
        const size_t n = protobuf_c_message_get_packed_size(message);

        if (n > CTR_MESSAGE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "a message of %zu bytes is more than the %llu that containerd takes", n,
                                 (unsigned long long) CTR_MESSAGE_MAX);

        grpc_slice slice = grpc_slice_malloc(n);
        protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
        *ret = slice;
        return 0;
}

/* protobuf-c's allocator with an account: what is freed on the way is not given back, which errs on the safe
 * side. */
static void *account_alloc(void *account, size_t n) {
        size_t *left = account;

        if (n > *left)
                return NULL;
        *left -= n;
        return malloc(n);
}

static void account_free(void *account, void *memory) {
        free(memory);
}

int message_unpack_bounded(const ProtobufCMessageDescriptor *type, const void *data, size_t n,
                           size_t memory_max, void *ret, Error *error) {
        ProtobufCAllocator allocator = {
                .alloc = account_alloc,
                .free = account_free,
                .allocator_data = &memory_max,
        };
        ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, n, data);

        if (!message)
                return error_set(error, ERROR_INTERNAL, "containerd sent no readable %s (%zu bytes)",
                                 type->name, n);
        *(ProtobufCMessage **) ret = message;
        return 0;
}

int message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n, void *ret,
                   Error *error) {
        return message_unpack_bounded(type, data, n, MESSAGE_MEMORY_MAX, ret, error);
}

int message_flatten(grpc_byte_buffer *buffer, grpc_slice *ret, Error *error) {
        grpc_byte_buffer_reader reader;

        if (!grpc_byte_buffer_reader_init(&reader, buffer))
                return error_set(error, ERROR_INTERNAL, "containerd sent a message that does not decompress");
        *ret = grpc_byte_buffer_reader_readall(&reader);
        grpc_byte_buffer_reader_destroy(&reader);
        return 0;
}

int message_read(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer, void *ret, Error *error) {
        grpc_slice slice;
        int r;

        r = message_flatten(buffer, &slice, error);
        if (r < 0)
                return r;
        r = message_unpack(type, GRPC_SLICE_START_PTR(slice), GRPC_SLICE_LENGTH(slice), ret, error);
        grpc_slice_unref(slice);
        return r;
}
