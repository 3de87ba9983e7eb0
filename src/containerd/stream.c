/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/stream.h"

#include "base/time-util.h"

gpr_timespec deadline_in(uint64_t usec) {
        if (usec > INT64_MAX / 2)
                return gpr_inf_future(GPR_CLOCK_MONOTONIC);
        return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros((int64_t) usec, GPR_TIMESPAN));
}

static int stream_start(Stream *stream, StreamOp *op, const grpc_op *ops, size_t count, Error *error) {
        int r;

        *op = (StreamOp) { .pending = true };
        r = call_start(&stream->call, ops, count, op, error);
        if (r < 0)
                op->pending = false;
        return r;
}

int stream_new(CtrClient *client, const Method *method, grpc_completion_queue *queue, Stream **ret,
               Error *error) {
        _cleanup_(stream_freep) Stream *stream = new0(Stream, 1);
        int r;

        if (!stream)
                return error_oom(error);
        stream->owns_queue = !queue;
        stream->queue = queue ? queue : grpc_completion_queue_create_for_next(NULL);
        r = call_begin(&stream->call, client, method, stream->queue, error);
        if (r < 0)
                return r;

        grpc_op ops[] = { op_send_metadata(&stream->call), op_receive_metadata(&stream->call) };
        r = stream_start(stream, &stream->begin, ops, ELEMENTSOF(ops), error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(stream);
        return 0;
}

bool stream_take_event(grpc_completion_queue *queue, gpr_timespec deadline) {
        grpc_event event = grpc_completion_queue_next(queue, deadline, NULL);

        if (event.type != GRPC_OP_COMPLETE)
                return false;
        StreamOp *op = event.tag;
        *op = (StreamOp) { .done = true, .ok = event.success };
        return true;
}

bool stream_wait(Stream *stream, StreamOp *op, gpr_timespec deadline) {
        while (op->pending)
                if (!stream_take_event(stream->queue, deadline))
                        return false;
        return true;
}

int stream_stalled(Stream *stream, Error *error) {
        return error_set(error, ERROR_UNAVAILABLE, "containerd at %s has not gone on for %u s",
                         stream->call.client->address, STREAM_STALL_SEC);
}

static void stream_wait_all(Stream *stream) {
        StreamOp *const ops[] = { &stream->begin, &stream->send, &stream->receive, &stream->finish };

        for (size_t i = 0; i < ELEMENTSOF(ops); i++)
                (void) stream_wait(stream, ops[i], gpr_inf_future(GPR_CLOCK_MONOTONIC));
}

static void forget_buffer(grpc_byte_buffer **buffer) {
        if (*buffer)
                grpc_byte_buffer_destroy(TAKE_PTR(*buffer));
}

Stream *stream_free(Stream *stream) {
        if (!stream)
                return NULL;

        if (stream->call.call && !stream->ended)
                call_abandon(&stream->call);
        stream_wait_all(stream);
        call_end(&stream->call);
        forget_buffer(&stream->sent);
        forget_buffer(&stream->received);
        if (stream->owns_queue)
                queue_free(stream->queue);
        return mfree(stream);
}

/* Waits for the message before to be on its way, so that there is one at a time as gRPC wants it. */
static int stream_sent(Stream *stream, Error *error) {
        const bool any = stream->sent;

        if (!stream_wait(stream, &stream->send, deadline_in(STREAM_STALL_SEC * USEC_PER_SEC)))
                return stream_stalled(stream, error);
        forget_buffer(&stream->sent);
        return any && !stream->send.ok ? -EPIPE : 0;
}

int stream_send(Stream *stream, const ProtobufCMessage *message, Error *error) {
        grpc_slice slice;
        int r;

        r = stream_sent(stream, error);
        if (r < 0)
                return r;
        r = message_pack(message, &slice, error);
        if (r < 0)
                return r;
        stream->sent = grpc_raw_byte_buffer_create(&slice, 1);
        grpc_slice_unref(slice);

        const grpc_op op = { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = stream->sent };
        return stream_start(stream, &stream->send, &op, 1, error);
}

int stream_send_end(Stream *stream, Error *error) {
        int r;

        r = stream_sent(stream, error);
        if (r < 0)
                return r;
        const grpc_op op = op_send_end();
        r = stream_start(stream, &stream->send, &op, 1, error);
        if (r < 0)
                return r;
        if (!stream_wait(stream, &stream->send, deadline_in(STREAM_STALL_SEC * USEC_PER_SEC)))
                return stream_stalled(stream, error);
        return stream->send.ok ? 0 : -EPIPE;
}

int stream_start_receive(Stream *stream, Error *error) {
        if (stream->receive.pending || stream->receive.done)
                return 0;
        const grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
                             .data.recv_message.recv_message = &stream->received };
        return stream_start(stream, &stream->receive, &op, 1, error);
}

/* How the stream ended. The messages must have been read to their end, or the status never comes. */
static int stream_finish(Stream *stream, Error *error) {
        if (!stream->ended) {
                const grpc_op op = op_receive_status(&stream->call);
                int r;

                r = stream_start(stream, &stream->finish, &op, 1, error);
                if (r < 0)
                        return r;
                stream_wait_all(stream);
                stream->ended = true;
        }
        /* Messages may be missing then, whatever the status says. */
        if (call_is_cancelled(&stream->call))
                return error_set(error, ERROR_CANCELLED, "cancelled");
        return call_result(&stream->call, error);
}

int stream_receive(Stream *stream, gpr_timespec deadline, grpc_byte_buffer **ret, Error *error) {
        int r;

        *ret = NULL;
        if (!stream->ended) {
                r = stream_start_receive(stream, error);
                if (r < 0)
                        return r;
                if (!stream_wait(stream, &stream->receive, deadline))
                        return -ETIMEDOUT;
                stream->receive.done = false;
                if (stream->received) {
                        *ret = TAKE_PTR(stream->received);
                        return 1;
                }
        }
        return stream_finish(stream, error);
}

int stream_receive_message(Stream *stream, void *ret, Error *error) {
        _cleanup_byte_buffer_ grpc_byte_buffer *buffer = NULL;
        int r;

        r = stream_receive(stream, deadline_in(STREAM_STALL_SEC * USEC_PER_SEC), &buffer, error);
        if (r == -ETIMEDOUT)
                return stream_stalled(stream, error);
        if (r <= 0)
                return r;
        r = message_read(stream->call.method->reply, buffer, ret, error);
        return r < 0 ? r : 1;
}

int stream_call(CtrClient *client, const Method *method, const ProtobufCMessage *request, Stream **ret,
                Error *error) {
        _cleanup_(stream_freep) Stream *stream = NULL;
        int r;

        r = stream_new(client, method, NULL, &stream, error);
        if (r < 0)
                return r;
        r = stream_send(stream, request, error);
        if (r < 0)
                return r;
        r = stream_send_end(stream, error);
        if (r == -EPIPE)
                /* It has ended already: receiving tells how. */
                r = 0;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(stream);
        return 0;
}
