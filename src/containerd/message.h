/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Messages between protobuf-c's structures and gRPC's bytes. Inside of this layer. */

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <protobuf-c/protobuf-c.h>

#include "base/error.h"

/* Bound on the memory that reading one message may take, in bytes: a message of empty items grows forty
 * times. */
#define MESSAGE_MEMORY_MAX MIB(128)

static inline void message_freep(void *p) {
        protobuf_c_message_free_unpacked(*(ProtobufCMessage **) p, NULL);
}
#define _cleanup_message_ _cleanup_(message_freep)

static inline void slice_unrefp(grpc_slice *slice) {
        grpc_slice_unref(*slice);
}
#define _cleanup_slice_ _cleanup_(slice_unrefp)

static inline void byte_bufferp(grpc_byte_buffer **buffer) {
        if (*buffer)
                grpc_byte_buffer_destroy(*buffer);
}
#define _cleanup_byte_buffer_ _cleanup_(byte_bufferp)

/* Writes a message. ERROR_INVALID_ARGUMENT when it is larger than CTR_MESSAGE_MAX. */
int message_pack(const ProtobufCMessage *message, grpc_slice *ret, Error *error);

/* Reads one of this type, to be freed by message_freep(). ERROR_INTERNAL when it is not one, or is too large.
 */
int message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n, void *ret,
                   Error *error);

/* The bytes of a received message in one piece. */
int message_flatten(grpc_byte_buffer *buffer, grpc_slice *ret, Error *error);

/* Both. */
int message_read(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer, void *ret, Error *error);

/* message_unpack() with another bound on memory, for its test. */
int message_unpack_bounded(const ProtobufCMessageDescriptor *type, const void *data, size_t n,
                           size_t memory_max, void *ret, Error *error);
