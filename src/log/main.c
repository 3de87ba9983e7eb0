/* SPDX-License-Identifier: Apache-2.0 */

/* cruxd-log: the logging program of containerd's shim, started with
 * `binary://…/cruxd-log?instance=NAME&name=NAME`. A container's output comes on fds 3 and 4; fd 5 is told
 * that all is ready. It ends when the output does, and not before: the shim sends SIGTERM when the container
 * has gone, and what is in the pipes by then shall be read. */

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "log/container.h"
#include "log/relay.h"

enum {
        STDOUT_INPUT_FD = 3,
        STDERR_INPUT_FD = 4,
        READY_FD = 5,
};

static void ignore_signals(void) {
        static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGPIPE };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) signal(signals[i], SIG_IGN);
}

/* What is read comes from a container. It stays root, whose word on OBJECT_SYSTEMD_UNIT counts, without what
 * makes root mighty. Where this cannot be had it goes on as it is. */
static void drop_privileges(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        (void) syscall(SYS_capset, &header, none);
}

/* A journal namespace that nobody has set up, or whose unit has been stopped, would keep the container
 * waiting: the main journal takes its place. A machine without any journal must not keep its containers
 * waiting for one. */
static int open_journal(const ContainerLog *container, Journal *ret) {
        ContainerLog plain = *container;
        char path[JOURNAL_SOCKET_PATH_MAX];

        container_log_socket(container, path);
        if (container->journal_namespace && !journal_is_there(path)) {
                plain.journal_namespace = NULL;
                container_log_socket(&plain, path);
        }
        int r = journal_open(ret, path);
        if (r >= 0 && access("/run/systemd/journal", F_OK) < 0)
                ret->patience = ret->last_patience = 0;
        return r;
}

static int run(const ContainerLog *container) {
        static Relay relay; /* large, and mostly untouched */
        _cleanup_(buffer_clear) Buffer fields = {};
        _cleanup_(journal_close) Journal journal = { .fd = -EBADF };

        int r = container_log_fields(container, &fields);
        if (r >= 0)
                r = open_journal(container, &journal);
        if (r < 0)
                return r;
        relay_init(&relay, &journal, &fields, STDOUT_INPUT_FD, STDERR_INPUT_FD);
        drop_privileges();

        /* The byte is what newer shims tell this from a crash by; older ones look for the end alone. */
        (void) !write(READY_FD, "1", 1);
        (void) close(READY_FD);
        return relay_run(&relay);
}

int main(int argc, char *argv[]) {
        ignore_signals();

        if (fcntl(STDOUT_INPUT_FD, F_GETFD) < 0 || fcntl(STDERR_INPUT_FD, F_GETFD) < 0) {
                fprintf(stderr,
                        "cruxd-log is started by containerd's shim, with a container's output on fds 3 "
                        "and 4.\n");
                return EXIT_FAILURE;
        }
        const ContainerLog container = container_log_parse(argc, argv, environ);
        int r = run(&container);
        if (r < 0) {
                fprintf(stderr, "cruxd-log: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
