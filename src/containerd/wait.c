/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/eventfd.h>

#include "base/fd-util.h"
#include "base/time-util.h"
#include "containerd/convert.h"
#include "containerd/pending.h"
#include "containerd/tasks.h"
#include "proto/tasks.pb-c.h"

/* Containers outlive containerd, so a wait that is cut off by its restart is begun again. Not for ever, in
 * case what answers there answers so always. */
#define RENEWALS_MAX 16

static const Method wait_process = {
        .path = "/containerd.services.tasks.v1.Tasks/Wait",
        .request = &tasks__wait_request__descriptor,
        .reply = &tasks__wait_response__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

struct CtrWait {
        CtrClient *client;
        char *container_id, *exec_id;
        int fd; /* the same over all renewals */
        Pending *pending;
        unsigned renewals;

        bool over; /* and this is how */
        int result;
        CtrExit exit;
        Error error;
};

static int wait_start(CtrWait *wait, Error *error) {
        Tasks__WaitRequest request = TASKS__WAIT_REQUEST__INIT;

        request.container_id = wait->container_id;
        request.exec_id = wait->exec_id;
        return pending_new(wait->client, &wait_process, &request.base, wait->fd, &wait->pending, error);
}

int ctr_task_wait_begin(CtrClient *client, const char *container_id, const char *exec_id, CtrWait **ret,
                        Error *error) {
        CtrWait *allocated = new0(CtrWait, 1);
        int r;

        if (!allocated)
                return error_oom(error);
        allocated->client = client;
        allocated->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        _cleanup_(ctr_wait_freep) CtrWait *wait = allocated;
        if (wait->fd < 0)
                return error_set_errno(error, errno, "cannot make an eventfd");
        wait->container_id = strdup(container_id);
        if (!wait->container_id || read_string(&wait->exec_id, exec_id) < 0)
                return error_oom(error);

        r = wait_start(wait, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(wait);
        return 0;
}

CtrWait *ctr_wait_free(CtrWait *wait) {
        if (!wait)
                return NULL;
        pending_free(wait->pending);
        safe_close(wait->fd);
        free(wait->container_id);
        free(wait->exec_id);
        error_clear(&wait->error);
        return mfree(wait);
}

int ctr_wait_get_fd(CtrWait *wait) {
        return wait->fd;
}

static void wait_end(CtrWait *wait, int result) {
        wait->over = true;
        wait->result = result;
        wait->pending = pending_free(wait->pending);
        (void) eventfd_write(wait->fd, 1);
}

/* The connection was lost: waits for it to be there again. */
static void wait_renew(CtrWait *wait) {
        eventfd_t value;
        int r;

        wait->renewals++;
        wait->pending = pending_free(wait->pending);
        (void) eventfd_read(wait->fd, &value);
        error_clear(&wait->error);
        r = wait_start(wait, &wait->error);
        if (r < 0)
                wait_end(wait, r);
}

static void wait_collect(CtrWait *wait) {
        _cleanup_message_ Tasks__WaitResponse *reply = NULL;
        int r;

        r = pending_result(wait->pending, &reply, &wait->error);
        if (r == -EHOSTDOWN && wait->renewals < RENEWALS_MAX) {
                wait_renew(wait);
                return;
        }
        if (r >= 0)
                wait->exit = (CtrExit) {
                        .status = reply->exit_status,
                        .exited_usec = read_timestamp(reply->exited_at),
                };
        wait_end(wait, r);
}

/* An error of its own for each that asks. */
static int wait_result(CtrWait *wait, CtrExit *ret, Error *error) {
        if (wait->result < 0) {
                error_set(error, wait->error.code, "%s", error_message(&wait->error));
                return wait->result;
        }
        *ret = wait->exit;
        return 1;
}

int ctr_wait_finish(CtrWait *wait, uint64_t timeout_usec, CtrExit *ret, Error *error) {
        const uint64_t now = now_usec(CLOCK_MONOTONIC);
        const uint64_t until = timeout_usec < USEC_INFINITY - now ? now + timeout_usec : USEC_INFINITY;

        while (!wait->over) {
                int r = pending_wait(wait->pending, until, error);
                if (r <= 0)
                        return r;
                wait_collect(wait);
        }
        return wait_result(wait, ret, error);
}

int ctr_task_wait(CtrClient *client, const char *container_id, const char *exec_id, CtrExit *ret,
                  Error *error) {
        _cleanup_(ctr_wait_freep) CtrWait *wait = NULL;
        int r;

        r = ctr_task_wait_begin(client, container_id, exec_id, &wait, error);
        if (r < 0)
                return r;
        r = ctr_wait_finish(wait, USEC_INFINITY, ret, error);
        return MIN(r, 0);
}
