/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call of a method, and the operations that all calls are made of. Inside of this layer.
 *
 * A call exists from call_begin() to call_end(), and is on the client's list for so long, where
 * ctr_client_cancel() finds it. What is done with it are batches of operations, each with a tag that comes
 * out of a completion queue when the batch is over: the pump's for calls of one message (unary.h), one for
 * each stream, or for several (stream.h). */

#include "base/list.h"
#include "containerd/client-internal.h"
#include "containerd/message.h"

/* Deadlines, in seconds: of what looks something up; of what changes records; of what may have to start, end,
 * unpack or collect something first. */
#define TIMEOUT_LOOKUP_SEC 10
#define TIMEOUT_CHANGE_SEC 30
#define TIMEOUT_WORK_SEC 180
#define TIMEOUT_NONE 0

/* What to do when the connection is lost before the reply has come, and nobody knows whether the thing was
 * done. */
typedef enum Repeat {
        REPEAT_NEVER,
        REPEAT_SAFELY,
        REPEAT_DELETE, /* and then "not found" means that the first was successful */
} Repeat;

typedef struct Method {
        const char *path;
        const ProtobufCMessageDescriptor *request, *reply;
        unsigned timeout_sec; /* or TIMEOUT_NONE */
        Repeat repeat;
} Method;

struct Call {
        CtrClient *client;
        const Method *method;
        grpc_call *call;
        LIST_FIELDS(struct Call, calls);
        bool shielded;
        bool cancelled; /* under the client's lock */

        grpc_metadata sent[2]; /* namespace, lease */
        size_t sent_count;
        grpc_metadata_array received, trailing;
        grpc_status_code status;
        grpc_slice details;
};

/* Connects and creates; operations go to the queue. What is half begun is ended. */
int call_begin(Call *call, CtrClient *client, const Method *method, grpc_completion_queue *queue,
               Error *error);

/* All of the call's operations must be over. Takes one that was never begun (zeroed). */
void call_end(Call *call);
static inline void call_endp(Call *call) {
        call_end(call);
}

/* Unless the call is shielded. With the client's lock held. */
void call_cancel(Call *call);

/* Ends the operations of a call that is given up, whoever began it. */
void call_abandon(Call *call);

/* The operations that all calls have, to be put in a batch. */
grpc_op op_send_metadata(Call *call);
grpc_op op_send_end(void);
grpc_op op_receive_metadata(Call *call);
grpc_op op_receive_status(Call *call);

/* Starts a batch, ERROR_INTERNAL if gRPC will not. */
int call_start(Call *call, const grpc_op *ops, size_t count, void *tag, Error *error);

/* By ctr_client_cancel(). What had come by then counts, but not all of it may have. */
bool call_is_cancelled(Call *call);

/* What a call's status, which has been received, says. */
int call_result(Call *call, Error *error);
