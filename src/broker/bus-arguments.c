/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus-arguments.h"

#include <fcntl.h>
#include <string.h>

#include "base/json.h"
#include "protocol/limits.h"

static int read_string(sd_bus_message *m, json_object **ret) {
        const char *s = NULL;

        int r = sd_bus_message_read(m, "s", &s);
        if (r < 0 || !s[0])
                return r;
        *ret = json_object_new_string(s);
        return *ret ? 0 : -ENOMEM;
}

static int read_strings(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *array = json_object_new_array();
        const char *s;
        int r;

        if (!array)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
                r = json_append(array, json_object_new_string(s));
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = json_object_array_length(array) > 0 ? TAKE_PTR(array) : NULL;
        return 0;
}

static int read_json(const char *member, sd_bus_message *m, json_object **ret, Error *error) {
        const char *s = NULL;

        int r = sd_bus_message_read(m, "s", &s);
        if (r < 0)
                return r;
        r = json_parse(s, strlen(s), PROTOCOL_NESTING_MAX - 2, ret, error);
        return error_prefix(error, r, "malformed %s", member);
}

/* The message's own are closed with it. What is behind an fd is not looked at here: some file systems answer
 * no question before a server of their own does. */
static int read_fd(const char *name, sd_bus_message *m, BusCall *call) {
        int fd = -EBADF;

        int r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        call->fds[call->n_fds++] = (JobFd) { .name = name, .fd = fd };
        call->given |= member_from_fd_name(name);
        return 0;
}

static int read_argument(const BusArgument *argument, BusCall *call, json_object **ret, Error *error) {
        int r = 0;

        switch (argument->type) {
        case BUS_STRING:
                r = read_string(call->message, ret);
                break;
        case BUS_STRINGS:
                r = read_strings(call->message, ret);
                break;
        case BUS_JSON:
                r = read_json(argument->member, call->message, ret, error);
                break;
        case BUS_FD:
                r = read_fd(argument->member, call->message, call);
                break;
        }
        return r < 0 && !error_is_set(error) ? error_set_errno(error, r, "read the arguments") : r;
}

int bus_arguments_read(BusCall *call, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object();
        int r;

        for (const BusArgument *a = call->method->arguments; payload && a->member; a++) {
                json_object *value = NULL;

                r = read_argument(a, call, &value, error);
                if (r < 0)
                        return r;
                if (value && json_add(payload, a->member, value) < 0)
                        return error_oom(error);
        }
        if (payload && call->method->about) {
                r = call->method->about(call, payload, error);
                if (r < 0)
                        return r;
        }
        /* Jobs of the bus show how far they are, and its output has a type for bytes. */
        if (!payload || json_add(payload, "progress", json_object_new_boolean(true)) < 0 ||
            json_add(payload, "bytes", json_object_new_boolean(true)) < 0 ||
            request_write(call->method->command, payload, &call->line) < 0)
                return error_oom(error);
        if (call->line.length > PROTOCOL_LINE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the arguments are over the limit of %zu bytes", (size_t) PROTOCOL_LINE_MAX);
        return 0;
}
