/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus-arguments.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd-util.h"
#include "base/json.h"
#include "broker/request.h"
#include "protocol/limits.h"

static int refuse_length(Error *error) {
        return error_set(error, ERROR_INVALID_ARGUMENT, "the arguments are over the limit of %zu bytes",
                         (size_t) PROTOCOL_LINE_MAX);
}

static int measure_string(sd_bus_message *m, size_t *length) {
        const char *s;

        int r = sd_bus_message_read(m, "s", &s);
        if (r > 0)
                *length += strlen(s);
        return r;
}

static int measure_strings(sd_bus_message *m, const char *member, size_t *length, Error *error) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "s");
        for (size_t n = 0; r >= 0 && (r = measure_string(m, length)) > 0; n++)
                if (n >= REQUEST_VALUES_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "%s has more than %zu values", member,
                                         REQUEST_VALUES_MAX);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int bus_arguments_measure(sd_bus_message *m, const BusMethod *method, size_t *ret, Error *error) {
        size_t length = 0;
        int r = 0;

        for (const BusArgument *a = method->arguments; r >= 0 && a->member; a++)
                switch (a->type) {
                case BUS_STRING:
                case BUS_JSON:
                        r = measure_string(m, &length);
                        break;
                case BUS_STRINGS:
                        r = measure_strings(m, a->member, &length, error);
                        break;
                case BUS_FD:
                        r = sd_bus_message_skip(m, "h");
                        break;
                }
        if (r >= 0)
                r = sd_bus_message_rewind(m, /* complete= */ true);
        if (r < 0)
                return error_is_set(error) ? r : error_set_errno(error, r, "read the arguments");
        if (length > PROTOCOL_LINE_MAX)
                return refuse_length(error);
        *ret = length;
        return 0;
}

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
        int r;

        r = sd_bus_message_read(m, "s", &s);
        if (r < 0)
                return r;
        r = request_check_values(s, strlen(s), error);
        if (r >= 0)
                r = json_parse(s, strlen(s), PROTOCOL_NESTING_MAX - 2, ret, error);
        return error_prefix(error, r, "malformed %s", member);
}

/* The message's own are closed with it. What is behind an fd is not looked at here: some file systems answer
 * no question before a server of their own does. */
static int read_fd(const char *name, sd_bus_message *m, BusArguments *arguments) {
        int fd = -EBADF;

        int r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        arguments->fds[arguments->n_fds++] = (JobFd) { .name = name, .fd = fd };
        arguments->given |= member_from_fd_name(name);
        return 0;
}

static int read_argument(const BusArgument *argument, sd_bus_message *m, BusArguments *arguments,
                         json_object **ret, Error *error) {
        int r = 0;

        switch (argument->type) {
        case BUS_STRING:
                r = read_string(m, ret);
                break;
        case BUS_STRINGS:
                r = read_strings(m, ret);
                break;
        case BUS_JSON:
                r = read_json(argument->member, m, ret, error);
                break;
        case BUS_FD:
                r = read_fd(argument->member, m, arguments);
                break;
        }
        return r < 0 && !error_is_set(error) ? error_set_errno(error, r, "read the arguments") : r;
}

int bus_arguments_read(const BusCall *call, BusArguments *ret, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object();
        int r;

        for (const BusArgument *a = call->method->arguments; payload && a->member; a++) {
                json_object *value = NULL;

                r = read_argument(a, call->message, ret, &value, error);
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
            request_write(call->method->command, payload, &ret->line) < 0)
                return error_oom(error);
        return ret->line.length > PROTOCOL_LINE_MAX ? refuse_length(error) : 0;
}

void bus_arguments_clear(BusArguments *arguments) {
        for (size_t i = 0; i < arguments->n_fds; i++)
                safe_close(arguments->fds[i].fd);
        buffer_clear(&arguments->line);
        *arguments = (BusArguments) {};
}
