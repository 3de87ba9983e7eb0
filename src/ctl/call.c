/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/call.h"

#include <stdarg.h>

#include "ctl/connection.h"
#include "ctl/terminal.h"
#include "protocol/envelope.h"

static int receive(Connection *connection, CallProgress progress, void *userdata, json_object **ret,
                   Error *error) {
        const char *line;
        size_t length;
        int r;

        for (;;) {
                _cleanup_(error_clear) Error answer = {};
                _cleanup_json_ json_object *payload = NULL;

                r = connection_receive(connection, &line, &length, error);
                if (r < 0)
                        return r;
                r = reply_decode(line, length, &payload, &answer, error);
                if (r < 0)
                        return error_recode(error, ERROR_INTERNAL);
                if (r == REPLY_ERROR) {
                        error_move(error, &answer);
                        return error_code_to_errno(error->code);
                }
                if (r == REPLY_OK) {
                        *ret = TAKE_PTR(payload);
                        return 0;
                }
                r = progress ? progress(payload, userdata, error) : 0;
                if (r < 0)
                        return r;
        }
}

static void connection_clearp(Connection *connection) {
        connection_clear(connection);
}

int call(const Options *options, Command command, json_object *payload, CallProgress progress, void *userdata,
         json_object **ret, Error *error) {
        _cleanup_(connection_clearp) Connection connection = CONNECTION_NULL;
        _cleanup_(buffer_clear) Buffer line = {};
        int r;

        _cleanup_free_ char *path = options_socket(options);
        if (!path || request_write(command, payload, &line) < 0)
                return error_oom(error);
        r = connection_open(path, &connection, error);
        if (r >= 0)
                r = connection_send(&connection, line.data, line.length, error);
        buffer_clear(&line);
        return r < 0 ? r : receive(&connection, progress, userdata, ret, error);
}

int call_simple(const Options *options, Error *error, Command command, ...) {
        _cleanup_json_ json_object *payload = json_object_new_object(), *reply = NULL;
        bool failed = !payload;
        const char *name;
        va_list list;
        int r;

        va_start(list, command);
        while ((name = va_arg(list, const char *))) {
                const char *value = va_arg(list, const char *);
                failed = failed || (value && json_add_string(payload, name, value) < 0);
        }
        va_end(list);
        if (failed)
                return error_oom(error);
        r = call(options, command, payload, NULL, NULL, &reply, error);
        if (r < 0)
                return r;
        return options->json ? print_json(reply, error) : EXIT_SUCCESS;
}
