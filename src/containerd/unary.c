/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/unary.h"

#include <semaphore.h>
#include <unistd.h>

#include "base/log.h"

/* How often a call is repeated whose connection was lost, and how long gRPC has to notice that it was, in
 * microseconds (twice as long the second time): a call that comes too early gets the same dead connection. */
#define REPEATS_MAX 2
#define REPEAT_PAUSE_USEC 20000

/* One of the two is over: nothing may be touched after the second. */
static void unary_op_over(Unary *unary) {
        if (--unary->left == 0)
                unary->over(unary);
}

/* gRPC does not start what it should, for which it has no reason: the status is still to come. */
static void unary_refused(Unary *unary) {
        call_abandon(&unary->call);
        unary_op_over(unary);
}

int unary_start(Unary *unary, CtrClient *client, const Method *method, grpc_slice request,
                void (*over)(Unary *unary), Error *error) {
        int r;

        *unary = (Unary) {
                .messages = { .unary = unary }, .status = { .unary = unary }, .left = 2, .over = over
        };
        r = call_begin(&unary->call, client, method, client->pump, error);
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
static void handle_message(Unary *unary) {
        const bool first = !unary->received;
        grpc_byte_buffer **message = first ? &unary->reply : &unary->excess;

        unary->received = true;
        if (!*message) {
                unary_op_over(unary);
                return;
        }
        if (!first) {
                grpc_byte_buffer_destroy(TAKE_PTR(*message));
                unary->violated = true;
                call_abandon(&unary->call);
        }
        receive_more(unary);
}

void unary_handle(void *tag) {
        UnaryOp *op = tag;

        if (op == &op->unary->status)
                unary_op_over(op->unary);
        else
                handle_message(op->unary);
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
        *unary = (Unary) {};
}

typedef struct Waiter {
        Unary unary;
        sem_t over; /* unlike a condition it may be freed as soon as its waiter is awake: sem_post(3) */
} Waiter;

static void wake(Unary *unary) {
        (void) sem_post(&container_of(unary, Waiter, unary)->over);
}

static void waiter_clear(Waiter *waiter) {
        unary_end(&waiter->unary);
        (void) sem_destroy(&waiter->over);
}

/* One attempt. */
static int call_attempt(CtrClient *client, const Method *method, grpc_slice request,
                        grpc_byte_buffer **ret_reply, bool *ret_lost, Error *error) {
        _cleanup_(waiter_clear) Waiter waiter = {};
        int r;

        *ret_lost = false;
        (void) sem_init(&waiter.over, /* pshared= */ 0, 0);
        r = unary_start(&waiter.unary, client, method, request, wake, error);
        if (r < 0)
                return r;
        while (sem_wait(&waiter.over) < 0)
                ; /* EINTR */
        *ret_lost = waiter.unary.call.status == GRPC_STATUS_UNAVAILABLE;
        return unary_result(&waiter.unary, ret_reply, error);
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

        r = call_attempt(client, method, packed, &reply, &lost, &e);
        for (unsigned i = 1; lost && i <= REPEATS_MAX && method->repeat != REPEAT_NEVER; i++) {
                if (r == -ECANCELED)
                        break;
                log_debug("Repeating %s: %s", method->path, error_message(&e));
                usleep(i * REPEAT_PAUSE_USEC);
                r = call_attempt(client, method, packed, &reply, &lost, &e);
                if (r == -ENOENT && method->repeat == REPEAT_DELETE)
                        return 0;
        }
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        return ret_reply ? message_read(method->reply, reply, ret_reply, error) : 0;
}
