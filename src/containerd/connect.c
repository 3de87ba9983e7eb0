/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd-util.h"
#include "base/time-util.h"
#include "containerd/client-internal.h"

/* How often a wait for the connection looks whether it has been cancelled, in milliseconds: gRPC cannot be
 * woken from it. */
#define CANCEL_CHECK_MSEC 50

/* Tries the socket by hand, as gRPC does not say what is wrong in words that a person wants to read: 0 when
 * there is somebody who listens, a negative errno. */
static int probe(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        memcpy(address.sun_path, path, MIN(strlen(path), sizeof(address.sun_path) - 1));
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
}

static int unreachable(CtrClient *client, int reason, Error *error) {
        switch (-reason) {
        case 0:
        case EAGAIN:
                return error_set(error, ERROR_UNAVAILABLE,
                                 "cannot connect to containerd at %s: what listens there does not answer as "
                                 "containerd",
                                 client->address);
        case ENOENT:
                return error_set(error, ERROR_UNAVAILABLE,
                                 "cannot connect to containerd at %s: there is no such socket, does it run?",
                                 client->address);
        default:
                return error_set(error, ERROR_UNAVAILABLE, "cannot connect to containerd at %s: %s",
                                 client->address, errno_words(reason));
        }
}

/* Waits for the channel's state to be another, for a moment at most. */
static grpc_connectivity_state next_state(CtrClient *client, grpc_connectivity_state state) {
        _cleanup_queue_ grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
        const gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                                gpr_time_from_millis(CANCEL_CHECK_MSEC, GPR_TIMESPAN));

        grpc_channel_watch_connectivity_state(client->channel, state, until, queue, client);
        (void) grpc_completion_queue_pluck(queue, client, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        return grpc_channel_check_connectivity_state(client->channel, /* try_to_connect= */ 1);
}

void ctr_client_prepare(CtrClient *client) {
        (void) grpc_channel_check_connectivity_state(client->channel, /* try_to_connect= */ 1);
}

int client_connect(CtrClient *client, Error *error) {
        const uint64_t until = now_usec(CLOCK_MONOTONIC) + CTR_CONNECT_TIMEOUT_USEC;
        grpc_connectivity_state state;

        state = grpc_channel_check_connectivity_state(client->channel, /* try_to_connect= */ 1);
        while (state != GRPC_CHANNEL_READY) {
                if (!thread_is_shielded() && ctr_client_is_cancelled(client))
                        return error_set(error, ERROR_CANCELLED, "cancelled");
                if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
                        /* Nobody listens: a containerd that starts will. The rest does not change by itself.
                         */
                        int r = probe(client->address);
                        if (!(r == 0 || r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN))
                                return unreachable(client, r, error);
                        /* It has come back: no need to sit out the pause between attempts. */
                        if (r == 0)
                                grpc_channel_reset_connect_backoff(client->channel);
                }
                if (now_usec(CLOCK_MONOTONIC) >= until)
                        return unreachable(client, probe(client->address), error);
                state = next_state(client, state);
        }
        return 0;
}
