/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a client is made of. Inside of this layer. */

#include <grpc/grpc.h>
#include <pthread.h>

#include "base/list.h"
#include "containerd/client.h"

typedef struct Call Call;

struct CtrClient {
        char *address; /* the socket's path */
        char *namespace;
        grpc_channel *channel;

        /* gRPC reads its sockets only while a thread waits for something: this one always does, so that the
         * end of a connection is noticed when it happens. The calls of one message are on its queue, so that
         * no second thread reads beside it (unary.h). */
        grpc_completion_queue *pump;
        pthread_t pump_thread;
        bool pump_started;

        /* Over all below, and over what calls say that it is over. */
        pthread_mutex_t lock;
        char *lease;
        bool cancelled;
        int cancel_fd;
        Call *calls; /* under way */
};

static inline void client_unlockp(CtrClient **client) {
        pthread_mutex_unlock(&(*client)->lock);
}
static inline CtrClient *client_lock(CtrClient *client) {
        pthread_mutex_lock(&client->lock);
        return client;
}

/* Holds the client's lock until the end of the scope. */
#define CLIENT_LOCK(client) \
        _cleanup_(client_unlockp) _unused_ CtrClient *UNIQUE(_locked_) = client_lock(client)

/* Whether the calling thread's calls are to live through a cancelled client. */
bool thread_is_shielded(void);

/* Gives 0 once the channel is connected, ERROR_UNAVAILABLE with the reason after CTR_CONNECT_TIMEOUT_USEC,
 * and at once where waiting does not help; ERROR_CANCELLED. */
int client_connect(CtrClient *client, Error *error);

/* A copy of the lease that calls act under now, or NULL. -ENOMEM. */
int client_get_lease(CtrClient *client, char **ret);

/* Shuts a queue down and frees it. No operation may be pending on it. Takes NULL. */
void queue_free(grpc_completion_queue *queue);
static inline void queue_freep(grpc_completion_queue **queue) {
        queue_free(*queue);
}
#define _cleanup_queue_ _cleanup_(queue_freep)
