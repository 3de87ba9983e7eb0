/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call with one message each way: call_unary() waits for it, pending.h is told. Inside of this layer.
 *
 * All happens on the client's pump, so that one thread alone reads the connection, as often as a call needs,
 * and wakes the one that waits once.
 *
 * A call's status does not come while messages of it are unread, whatever its deadline and however it is
 * cancelled. So the messages are read until there are no more, though one is all that there may be, or a peer
 * that sends two would never be got rid of. */

#include "containerd/call.h"

struct Unary;

/* What is under way; its address is the tag. */
typedef struct UnaryOp {
        struct Unary *unary;
} UnaryOp;

typedef struct Unary {
        Call call;
        grpc_byte_buffer *sent, *reply, *excess;
        UnaryOp messages, status;
        _Atomic(unsigned) left; /* of these two */
        bool received;          /* the first message, or that there is none */
        bool violated;          /* more than one message came */
        void (*over)(struct Unary *unary);
} Unary;

/* Begins a call with this request. When it is over the pump's thread calls `over` and then does not touch the
 * object any more, which must stay where it is until then; on failure nothing is under way, and it is not
 * called. */
int unary_start(Unary *unary, CtrClient *client, const Method *method, grpc_slice request,
                void (*over)(Unary *unary), Error *error);

/* The pump's, for each event of its queue. */
void unary_handle(void *tag);

/* The reply of a call that is over, for grpc_byte_buffer_destroy(); or how it failed. */
int unary_result(Unary *unary, grpc_byte_buffer **ret, Error *error);

/* The call must be over. Takes one that was never started (zeroed). */
void unary_end(Unary *unary);
static inline void unary_endp(Unary *unary) {
        unary_end(unary);
}

/* Calls, waits and reads the reply. `ret_reply` is NULL, or a pointer to a pointer to the reply's type, for
 * message_freep(). */
int call_unary(CtrClient *client, const Method *method, const ProtobufCMessage *request, void *ret_reply,
               Error *error);
