/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/call.h"

#include "containerd/status.h"

#define WAIT_FOR_READY \
        (GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET)

static void call_add_metadata(Call *call, const char *key, const char *value) {
        call->sent[call->sent_count++] = (grpc_metadata) {
                .key = grpc_slice_from_static_string(key),
                .value = grpc_slice_from_copied_string(value),
        };
}

int call_begin(Call *call, CtrClient *client, const Method *method, grpc_completion_queue *queue,
               Error *error) {
        gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
        int r;

        *call = (Call) { .client = client, .method = method, .shielded = thread_is_shielded() };
        r = client_connect(client, error);
        if (r < 0)
                return r;

        if (method->timeout_sec != TIMEOUT_NONE)
                deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                        gpr_time_from_seconds(method->timeout_sec, GPR_TIMESPAN));
        grpc_metadata_array_init(&call->received);
        grpc_metadata_array_init(&call->trailing);
        call->details = grpc_empty_slice();
        call->call =
                grpc_channel_create_call(client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                         grpc_slice_from_static_string(method->path), NULL, deadline, NULL);
        call_add_metadata(call, "containerd-namespace", client->namespace);

        CLIENT_LOCK(client);
        if (client->lease)
                call_add_metadata(call, "containerd-lease", client->lease);
        LIST_PREPEND(calls, client->calls, call);
        /* Under the lock: either ctr_client_cancel() finds the call, or the call finds that it was there. */
        if (client->cancelled)
                call_cancel(call);
        return 0;
}

void call_end(Call *call) {
        if (!call->call)
                return;

        {
                CLIENT_LOCK(call->client);
                LIST_REMOVE(calls, call->client->calls, call);
        }
        grpc_call_unref(call->call);
        for (size_t i = 0; i < call->sent_count; i++)
                grpc_slice_unref(call->sent[i].value);
        grpc_metadata_array_destroy(&call->received);
        grpc_metadata_array_destroy(&call->trailing);
        grpc_slice_unref(call->details);
        *call = (Call) {};
}

void call_cancel(Call *call) {
        if (call->shielded || call->cancelled)
                return;
        call->cancelled = true;
        (void) grpc_call_cancel(call->call, NULL);
}

void call_abandon(Call *call) {
        (void) grpc_call_cancel(call->call, NULL);
}

grpc_op op_send_metadata(Call *call) {
        grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };

        /* What has no deadline must not wait for a containerd that never comes: it fails when the connection
         * that call_begin() saw is gone. */
        if (call->method->timeout_sec != TIMEOUT_NONE)
                op.flags = WAIT_FOR_READY;
        op.data.send_initial_metadata.count = call->sent_count;
        op.data.send_initial_metadata.metadata = call->sent;
        return op;
}

grpc_op op_send_end(void) {
        return (grpc_op) { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };
}

grpc_op op_receive_metadata(Call *call) {
        grpc_op op = { .op = GRPC_OP_RECV_INITIAL_METADATA };

        op.data.recv_initial_metadata.recv_initial_metadata = &call->received;
        return op;
}

grpc_op op_receive_status(Call *call) {
        grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };

        op.data.recv_status_on_client.trailing_metadata = &call->trailing;
        op.data.recv_status_on_client.status = &call->status;
        op.data.recv_status_on_client.status_details = &call->details;
        return op;
}

int call_start(Call *call, const grpc_op *ops, size_t count, void *tag, Error *error) {
        grpc_call_error e = grpc_call_start_batch(call->call, ops, count, tag, NULL);

        if (e != GRPC_CALL_OK)
                return error_set(error, ERROR_INTERNAL, "gRPC refuses a call of %s (error %i)",
                                 call->method->path, e);
        return 0;
}

bool call_is_cancelled(Call *call) {
        CLIENT_LOCK(call->client);
        return call->cancelled;
}

int call_result(Call *call, Error *error) {
        const StatusContext context = {
                .address = call->client->address,
                .method = call->method->path,
                .timeout_sec = call->method->timeout_sec,
                .cancelled = call_is_cancelled(call),
        };

        return status_to_error(call->status, (const char *) GRPC_SLICE_START_PTR(call->details),
                               GRPC_SLICE_LENGTH(call->details), &context, error);
}
