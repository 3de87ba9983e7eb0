/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/unary.h"

#include <unistd.h>

#include "base/log.h"

/* How often a call is repeated whose connection was lost, and how long gRPC has to notice that it was, in
 * microseconds (twice as long the second time): a call that comes too early gets the same dead connection. */
#define REPEATS_MAX 2
#define REPEAT_PAUSE_USEC 20000

/* gRPC does not start what it should, for which it has no reason: the status is still to come. */
static void unary_refused(Unary *unary) {
        unary->messages.done = true;
        call_abandon(&unary->call);
}

int unary_start(Unary *unary, CtrClient *client, const Method *method, grpc_slice request,
                grpc_completion_queue *queue, Error *error) {
        int r;

        *unary = (Unary){ .messages = { .unary = unary }, .status = { .unary = unary } };
        r = call_begin(&unary->call, client, method, queue, error);
        if (r < 0)
                return r;

        const grpc_op status = op_receive_status(&unary->call);
        r = call_start(&unary->call, &status, 1, &unary->status, error);
        if (r < 0) {
                unary_end(unary);
                return r;
        }
        unary->sent = grpc_raw_byte_buffer_create(&request, 1);
        const grpc_op ops[] = {
                op_send_metadata(&unary->call),
                { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = unary->sent },
                op_send_end(),
                op_receive_metadata(&unary->call),
                { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &unary->reply },
        };
        if (call_start(&unary->call, ops, ELEMENTSOF(ops), &unary->messages, NULL) < 0)
                unary_refused(unary);
        return 0;
}

static void receive_more(Unary *unary) {
        const grpc_op op = { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &unary->excess };

        if (call_start(&unary->call, &op, 1, &unary->messages, NULL) < 0)
                unary_refused(unary);
}

/* The first message, or one that there should not be, or the end. */
static void handle_message(Unary *unary, bool first) {
        grpc_byte_buffer **message = first ? &unary->reply : &unary->excess;

        if (!*message) {
                unary->messages.done = true;
                return;
        }
        if (!first) {
                grpc_byte_buffer_destroy(TAKE_PTR(*message));
                unary->violated = true;
                call_abandon(&unary->call);
        }
        receive_more(unary);
}

bool unary_handle(UnaryOp *op) {
        Unary *unary = op->unary;

        if (op == &unary->status)
                op->done = true;
        else {
                handle_message(unary, !unary->received);
                unary->received = true;
        }
        return unary->status.done && unary->messages.done;
}

int unary_result(Unary *unary, grpc_byte_buffer **ret, Error *error) {
        Call *call = &unary->call;
        int r;

        if (unary->violated)
                return error_set(error, ERROR_INTERNAL, "containerd at %s gave several replies to %s",
                                 call->client->address, call->method->path);
        r = call_result(call, error);
        if (r < 0)
                return r;
        if (!unary->reply && call_is_cancelled(call))
                return error_set(error, ERROR_CANCELLED, "cancelled");
        if (!unary->reply)
                return error_set(error, ERROR_INTERNAL, "containerd at %s gave no reply to %s",
                                 call->client->address, call->method->path);
        *ret = TAKE_PTR(unary->reply);
        return 0;
}

void unary_end(Unary *unary) {
        call_end(&unary->call);
        if (unary->sent)
                grpc_byte_buffer_destroy(unary->sent);
        if (unary->reply)
                grpc_byte_buffer_destroy(unary->reply);
        *unary = (Unary){};
}

/* One attempt. */
static int call_once(CtrClient *client, const Method *method, grpc_slice request,
                     grpc_byte_buffer **ret_reply, bool *ret_lost, Error *error) {
        _cleanup_queue_ grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
        _cleanup_(unary_endp) Unary unary = {};
        int r;

        *ret_lost = false;
        r = unary_start(&unary, client, method, request, queue, error);
        if (r < 0)
                return r;
        for (;;) {
                UnaryOp *next = unary.messages.done ? &unary.status : &unary.messages;

                (void) grpc_completion_queue_pluck(queue, next, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
                if (unary_handle(next))
                        break;
        }
        *ret_lost = unary.call.status == GRPC_STATUS_UNAVAILABLE;
        return unary_result(&unary, ret_reply, error);
}

int call_unary(CtrClient *client, const Method *method, const ProtobufCMessage *request, void *ret_reply,
               Error *error) {
        _cleanup_slice_ grpc_slice packed = grpc_empty_slice();
        _cleanup_byte_buffer_ grpc_byte_buffer *reply = NULL;
        _cleanup_(error_clear) Error e = {};
        bool lost;
        int r;

        r = message_pack(request, &packed, error);
        if (r < 0)
                return r;

        r = call_once(client, method, packed, &reply, &lost, &e);
        for (unsigned i = 1; lost && i <= REPEATS_MAX && method->repeat != REPEAT_NEVER; i++) {
                if (r == -ECANCELED)
                        break;
                log_debug("Repeating %s: %s", method->path, error_message(&e));
                usleep(i * REPEAT_PAUSE_USEC);
                r = call_once(client, method, packed, &reply, &lost, &e);
                if (r == -ENOENT && method->repeat == REPEAT_DELETE)
                        return 0;
        }
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        return ret_reply ? message_read(method->reply, reply, ret_reply, error) : 0;
}
