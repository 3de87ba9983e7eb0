/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call with one message each way, on any queue: call_unary() waits for it, pending.h is told. Inside of
 * this layer.
 *
 * A call's status does not come while messages of it are unread, whatever its deadline and however it is
 * cancelled. So the messages are read until there are no more, though one is all that there may be, or a peer
 * that sends two would never be got rid of. */

#include "containerd/call.h"

struct Unary;

/* What is under way; its address is the tag. */
typedef struct UnaryOp {
        struct Unary *unary;
        bool done;
} UnaryOp;

typedef struct Unary {
        Call call;
        grpc_byte_buffer *sent, *reply, *excess;
        UnaryOp messages, status;
        bool received; /* the first message, or that there is none */
        bool violated; /* more than one message came */
} Unary;

/* Begins a call with this request. The object must stay where it is until both operations are done; on
 * failure nothing is under way. */
int unary_start(Unary *unary, CtrClient *client, const Method *method, grpc_slice request,
                grpc_completion_queue *queue, Error *error);

/* Takes an event of the queue: its tag is the operation. Gives true when the call is over. */
bool unary_handle(UnaryOp *op);

/* The reply of a call that is over, for grpc_byte_buffer_destroy(); or how it failed. */
int unary_result(Unary *unary, grpc_byte_buffer **ret, Error *error);

/* Both operations must be done. Takes one that was never started (zeroed). */
void unary_end(Unary *unary);
static inline void unary_endp(Unary *unary) {
        unary_end(unary);
}

/* Calls, waits and reads the reply. `ret_reply` is NULL, or a pointer to a pointer to the reply's type, for
 * message_freep(). */
int call_unary(CtrClient *client, const Method *method, const ProtobufCMessage *request, void *ret_reply,
               Error *error);
