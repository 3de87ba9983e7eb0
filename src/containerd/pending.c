/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/pending.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "base/time-util.h"

struct Pending {
        Unary unary;
        int fd; /* the caller's */
        bool started;
        bool done; /* under the client's lock */
};

static void pending_over(Unary *unary) {
        Pending *pending = container_of(unary, Pending, unary);

        /* Whoever sees `done` may free. */
        CLIENT_LOCK(unary->call.client);
        pending->done = true;
        (void) eventfd_write(pending->fd, 1);
}

int pending_new(CtrClient *client, const Method *method, const ProtobufCMessage *request, int fd,
                Pending **ret, Error *error) {
        _cleanup_slice_ grpc_slice packed = grpc_empty_slice();
        _cleanup_(pending_freep) Pending *pending = new0(Pending, 1);
        int r;

        if (!pending)
                return error_oom(error);
        pending->fd = fd;
        r = message_pack(request, &packed, error);
        if (r < 0)
                return r;
        r = unary_start(&pending->unary, client, method, packed, pending_over, error);
        if (r < 0)
                return r;
        pending->started = true;
        *ret = TAKE_PTR(pending);
        return 0;
}

static bool pending_is_done(Pending *pending) {
        CLIENT_LOCK(pending->unary.call.client);
        return pending->done;
}

/* What is left until then, for ppoll(2). */
static struct timespec time_left(uint64_t until) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        const uint64_t left = until > now ? until - now : 0;

        return (struct timespec) {
                .tv_sec = (time_t) (left / USEC_PER_SEC),
                .tv_nsec = (long) (left % USEC_PER_SEC * 1000),
        };
}

int pending_wait(Pending *pending, uint64_t until, Error *error) {
        while (!pending_is_done(pending)) {
                struct pollfd pollfd = { .fd = pending->fd, .events = POLLIN };
                const struct timespec left = time_left(until);
                int r;

                r = ppoll(&pollfd, 1, until == USEC_INFINITY ? NULL : &left, NULL);
                if (r < 0 && errno != EINTR)
                        return error_set_errno(error, errno, "cannot poll");
                if (r == 0 && now_usec(CLOCK_MONOTONIC) >= until)
                        return pending_is_done(pending);
        }
        return 1;
}

Pending *pending_free(Pending *pending) {
        if (!pending)
                return NULL;

        if (pending->started && !pending_is_done(pending)) {
                call_abandon(&pending->unary.call);
                (void) pending_wait(pending, USEC_INFINITY, NULL);
        }
        unary_end(&pending->unary);
        return mfree(pending);
}

int pending_result(Pending *pending, void *ret_reply, Error *error) {
        const Method *method = pending->unary.call.method;
        _cleanup_byte_buffer_ grpc_byte_buffer *reply = NULL;
        int r;

        r = unary_result(&pending->unary, &reply, error);
        return r < 0 ? r : message_read(method->reply, reply, ret_reply, error);
}
