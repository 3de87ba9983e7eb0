/* SPDX-License-Identifier: Apache-2.0 */

/* cruxd-init: PID 1 of a build stage's container, beside which the steps are executed.
 *
 * It waits for children that steps left behind, for ever, and ends at SIGTERM, upon which the kernel kills
 * everything else in the container. It is linked statically and uses nothing but system calls, so that it
 * runs in any image and starts at once.
 *
 * The kernel drops signals to a PID 1 that has no handler for them. One that is blocked is kept however, and
 * sigwaitinfo(2) takes it from there: see signal(7), pid_namespaces(7). */

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
        sigset_t all;

        sigfillset(&all);
        if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
                return 1;

        for (;;) {
                int signal = sigwaitinfo(&all, NULL);

                if (signal < 0 && errno != EINTR && errno != EAGAIN)
                        return 1;
                if (signal == SIGTERM || signal == SIGINT)
                        return 0;
                if (signal == SIGCHLD)
                        while (waitpid(-1, NULL, WNOHANG) > 0)
                                ;
        }
}
