/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call with messages in a row, in one direction or both. Used by one thread at a time. Inside of this
 * layer.
 *
 * Its operations are tagged with a StreamOp, on a queue of the stream's own or on one that several streams
 * share (so that one thread can wait for whichever is first): whoever takes an event marks the operation that
 * it is for. */

#include "containerd/call.h"

typedef struct StreamOp {
        bool pending; /* under way */
        bool done;    /* over, and nobody has looked at it yet */
        bool ok;
} StreamOp;

typedef struct Stream {
        Call call;
        grpc_completion_queue *queue;
        bool owns_queue;
        StreamOp begin, send, receive, finish;
        grpc_byte_buffer *sent, *received;
        bool ended; /* the status is there */
} Stream;

/* How long the peer of a stream without a deadline may do nothing when it is its turn, in seconds. */
#define STREAM_STALL_SEC 120

/* Begins. `queue` is a shared one of the "next" kind, or NULL. */
int stream_new(CtrClient *client, const Method *method, grpc_completion_queue *queue, Stream **ret,
               Error *error);

/* Gives it up if it has not ended. Gives NULL. */
Stream *stream_free(Stream *stream);
DEFINE_CLEANUP(Stream *, stream_free);

/* Takes events until the operation is over (true) or the time has come (false). */
bool stream_wait(Stream *stream, StreamOp *op, gpr_timespec deadline);

/* Takes one event of a queue that streams are on: false when none came in time. */
bool stream_take_event(grpc_completion_queue *queue, gpr_timespec deadline);

/* Sends one message, after the one before it is on its way. -EPIPE, without words, when the peer takes no
 * more: stream_receive() tells why. ERROR_UNAVAILABLE when the peer stalls. */
int stream_send(Stream *stream, const ProtobufCMessage *message, Error *error);

/* Says that no more messages come; those that were sent are on their way. */
int stream_send_end(Stream *stream, Error *error);

/* Asks for the next message, unless that has been done. */
int stream_start_receive(Stream *stream, Error *error);

/* The next message, for grpc_byte_buffer_destroy(): 1; 0 at the end of a stream that ended well (*ret is
 * NULL); or how the stream failed. When the time has come it is -ETIMEDOUT, without words, and can be called
 * again. */
int stream_receive(Stream *stream, gpr_timespec deadline, grpc_byte_buffer **ret, Error *error);

/* The same, read; with ERROR_UNAVAILABLE when the peer stalls. */
int stream_receive_message(Stream *stream, void *ret, Error *error);

/* Says that the peer stalls. */
int stream_stalled(Stream *stream, Error *error);

/* Begins a stream of one request and many replies. */
int stream_call(CtrClient *client, const Method *method, const ProtobufCMessage *request, Stream **ret,
                Error *error);

/* The time in this many microseconds, USEC_INFINITY for never. */
gpr_timespec deadline_in(uint64_t usec);
