/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/exec-bus.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "ctl/bus-client.h"

/* ---- a terminal's input ------------------------------------------------------------------------------- */

static void *pass_typing(void *userdata) {
        _cleanup_close_ int writer = *(const int *) userdata;
        char data[4096];
        ssize_t n;

        do
                n = read(STDIN_FILENO, data, sizeof(data));
        while ((n < 0 && errno == EINTR) || (n > 0 && write_all(writer, data, (size_t) n) >= 0));
        return NULL;
}

/* Whoever reads a terminal in our place is not stopped when we are in the background, and would take what is
 * typed for the shell. So it is we who read, and pass it on: 1, and *ret is the pipe's
 * reading end. */
static int relay_typing(int *ret, Error *error) {
        _cleanup_close_pair_ int pair[2] = { -EBADF, -EBADF };
        static int writer; /* for the one thread there is */
        pthread_t thread;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return error_set_errno(error, errno, "pipe");
        (void) signal(SIGPIPE, SIG_IGN);
        writer = pair[1];
        int r = pthread_create(&thread, NULL, pass_typing, &writer);
        if (r != 0)
                return error_set_errno(error, r, "start a thread");
        TAKE_FD(pair[1]);
        (void) pthread_detach(thread); /* it ends with the program */
        *ret = TAKE_FD(pair[0]);
        return 1;
}

/* ---- the call ----------------------------------------------------------------------------------------- */

static int new_message(sd_bus *bus, const Options *options, int stdin_fd, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_new_call(bus, options, "ContainerExecFD", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", options->arguments[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, options->arguments + 1);
        if (r >= 0)
                r = sd_bus_message_append(m, "hhh", stdin_fd, STDOUT_FILENO, STDERR_FILENO);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

static int call(sd_bus *bus, sd_bus_message *m, int *ret_exit_code, Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int32_t exit_code;

        int r = bus_client_call(bus, m, &reply, error);
        if (r <= 0)
                return r;
        r = sd_bus_message_read(reply, "i", &exit_code);
        if (r < 0)
                return error_set_errno(error, r, "read the daemon's answer");
        *ret_exit_code = exit_code;
        return 1;
}

int exec_on_bus(const Options *options, int *ret_exit_code, Error *error) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int typing = -EBADF;
        int r;

        r = bus_client_open(&bus);
        if (r <= 0)
                return r;
        if (isatty(STDIN_FILENO)) {
                /* Without a daemon what is typed stays for whoever reads it next. */
                r = bus_client_ping(bus, options, error);
                if (r > 0)
                        r = relay_typing(&typing, error);
                if (r <= 0)
                        return r;
        }
        r = new_message(bus, options, typing >= 0 ? typing : STDIN_FILENO, &m);
        if (r < 0)
                return error_set_errno(error, r, "make a call of standard input, output and error");
        typing = safe_close(typing);
        return call(bus, m, ret_exit_code, error);
}
