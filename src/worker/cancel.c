/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/cancel.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static _Atomic(bool) flag;
static pid_t parent; /* who started us */
CancelFlag *const cancel_flag = &flag;

static void cancel_signals(sigset_t *set) {
        sigemptyset(set);
        sigaddset(set, SIGTERM);
        sigaddset(set, SIGINT);
}

int cancel_block_signals(Error *error) {
        sigset_t set;

        parent = getppid();
        cancel_signals(&set);
        sigaddset(&set, SIGPIPE); /* a broker or client that is gone is an error of the write */
        int r = pthread_sigmask(SIG_BLOCK, &set, NULL);
        return r == 0 ? 0 : error_set_errno(error, r, "block signals");
}

/* Whether a signal means our command. systemd, stopping the service, sends it to everybody, but it is the
 * broker who decides which commands may end by themselves. Once he is gone, nobody wants the answer: then it
 * is time to clean up. */
static bool is_meant(const siginfo_t *info) {
        return info->si_pid != 1 || info->si_pid == parent || getppid() != parent;
}

static void cancel(CtrClient *client) {
        flag = true;
        ctr_client_cancel(client);
}

static void *wait_for_signals(void *userdata) {
        CtrClient *client = userdata;
        sigset_t set;
        siginfo_t info;

        cancel_signals(&set);
        for (;;)
                if (sigwaitinfo(&set, &info) >= 0 && is_meant(&info))
                        cancel(client);
        return NULL;
}

/* The broker may be killed where no systemd sees it, or after systemd has told everybody to stop. The kernel
 * signals a thread; it must be one that never acts as a client, for that takes the wish back. */
static void *wait_for_parents_end(void *userdata) {
        (void) prctl(PR_SET_PDEATHSIG, SIGINT);
        if (getppid() != parent)
                cancel(userdata);
        return wait_for_signals(userdata);
}

int cancel_start(CtrClient *client, bool with_parent, Error *error) {
        pthread_t thread;

        int r = pthread_create(&thread, NULL, with_parent ? wait_for_parents_end : wait_for_signals, client);
        if (r != 0)
                return error_set_errno(error, r, "start the thread for signals");
        (void) pthread_detach(thread);
        return 0;
}

void cancel_reset(CtrClient *client) {
        flag = false;
        ctr_client_uncancel(client);
}
