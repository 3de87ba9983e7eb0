/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/exec-bus.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "ctl/log-command.h"
#include "protocol/bus-name.h"

/* Errors of the bus itself that say that the call did not reach the daemon, or one that does not know it. */
static const char *const not_there[] = {
        "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.UnknownMethod",  "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.systemd1.NoSuchUnit",       "org.freedesktop.systemd1.UnitMasked",
        "org.freedesktop.systemd1.ShuttingDown",
};

static bool is_not_there(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(not_there); i++)
                if (streq(not_there[i], name))
                        return true;
        return startswith(name, "org.freedesktop.DBus.Error.Spawn.");
}

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
 * typed for the shell. So it is we who read, and pass it on. *ret is the pipe's reading end. */
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
        return 0;
}

/* ---- the call ----------------------------------------------------------------------------------------- */

static int new_message(sd_bus *bus, const Options *options, int stdin_fd, sd_bus_message **ret) {
        _cleanup_free_ char *name = bus_name_of_instance(options->instance ?: DEFAULT_INSTANCE);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!name)
                return -ENOMEM;
        r = sd_bus_message_new_method_call(bus, &m, name, BUS_PATH, BUS_INTERFACE("Manager"),
                                           "ContainerExecFD");
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
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
        _cleanup_(sd_bus_error_free) sd_bus_error bus_error = SD_BUS_ERROR_NULL;
        int32_t exit_code;
        int r;

        r = sd_bus_call(bus, m, /* usec= */ UINT64_MAX, &bus_error, &reply);
        if (r < 0 && bus_error.name && is_not_there(bus_error.name))
                return 0;
        if (r < 0 && bus_error.name) {
                ErrorCode code = bus_error_code(bus_error.name);
                if (code == ERROR_NONE &&
                    streq(bus_error.name, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                        code = ERROR_PERMISSION_DENIED;
                return error_set(error, code == ERROR_NONE ? ERROR_UNAVAILABLE : code, "%s",
                                 strempty(bus_error.message));
        }
        if (r >= 0)
                r = sd_bus_message_read(reply, "i", &exit_code);
        if (r < 0)
                return error_set_errno(error, r, "call the daemon on the bus");
        *ret_exit_code = exit_code;
        return 1;
}

int exec_on_bus(const Options *options, int *ret_exit_code, Error *error) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int typing = -EBADF;
        int r;

        if (sd_bus_open_system(&bus) < 0)
                return 0;
        if (isatty(STDIN_FILENO)) {
                r = relay_typing(&typing, error);
                if (r < 0)
                        return r;
        }
        r = new_message(bus, options, typing >= 0 ? typing : STDIN_FILENO, &m);
        if (r < 0)
                return error_set_errno(error, r, "make a call of standard input, output and error");
        typing = safe_close(typing);
        return call(bus, m, ret_exit_code, error);
}
