/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/thread.h"

#include <sched.h>
#include <signal.h>

int thread_start(pthread_t *ret, void *(*run)(void *), void *userdata, Error *error) {
        sigset_t all, old;

        sigfillset(&all);
        int r = pthread_sigmask(SIG_SETMASK, &all, &old);
        if (r == 0) {
                r = pthread_create(ret, NULL, run, userdata);
                (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        }
        return r == 0 ? 0 : error_set_errno(error, r, "starting a thread");
}

unsigned thread_count(unsigned max) {
        cpu_set_t set;

        /* Fails where there are more processors than a cpu_set_t holds. */
        int n = sched_getaffinity(0, sizeof(set), &set) < 0 ? (int) max : CPU_COUNT(&set);
        return n < 1 ? 1 : MIN((unsigned) n, max);
}
