/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call that is begun now and collected later, which no thread has to wait for: its end comes to the
 * client's pump. Inside of this layer. */

#include "containerd/unary.h"

typedef struct Pending Pending;

/* Begins. The request is packed and need not outlive this. The fd is an eventfd, which stays the caller's and
 * becomes readable when the call is over. */
int pending_new(CtrClient *client, const Method *method, const ProtobufCMessage *request, int fd,
                Pending **ret, Error *error);

/* Gives the call up if it is not over. Gives NULL. */
Pending *pending_free(Pending *pending);
DEFINE_CLEANUP(Pending *, pending_free);

/* Waits until it is over (1) or until this time of CLOCK_MONOTONIC (0), USEC_INFINITY for none; or a negative
 * errno. */
int pending_wait(Pending *pending, uint64_t until_usec, Error *error);

/* The reply of one that is over, read, for message_freep(). */
int pending_result(Pending *pending, void *ret_reply, Error *error);
