/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/fd-util.h"
#include "ctl/call.h"
#include "ctl/exec-bus.h"
#include "ctl/exit-status.h"
#include "ctl/terminal.h"

int verb_stop(const Options *options, Error *error) {
        return call_simple(options, error, COMMAND_CONTAINER_STOP, "id", options->arguments[0], NULL);
}

int verb_destroy(const Options *options, Error *error) {
        return call_simple(options, error, COMMAND_CONTAINER_DESTROY, "id", options->arguments[0], NULL);
}

static int ask(const Options *options, Command command, json_object *payload, json_object **ret,
               Error *error) {
        int r = call(options, command, payload, NULL, NULL, ret, error);

        return r >= 0 && options->json ? print_json(*ret, error) : r;
}

int verb_state(const Options *options, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object(), *reply = NULL;
        _cleanup_(buffer_clear) Buffer text = {};
        const char *status = "";
        int r;

        if (!payload || json_add_string(payload, "id", options->arguments[0]) < 0)
                return error_oom(error);
        r = ask(options, COMMAND_CONTAINER_STATUS, payload, &reply, error);
        if (r >= 0)
                r = json_get_string(reply, "status", &status, error);
        if (r >= 0 && !options->json) {
                if (buffer_printf(&text, "%s\n", status) < 0)
                        return error_oom(error);
                r = print_buffer(&text, error);
        }
        return r < 0 ? r : exit_status_of_state(status);
}

static int pass_stream(json_object *reply, const char *name, int fd, Error *error) {
        json_object *text = json_member(reply, name);
        int r;

        if (!json_object_is_type(text, json_type_string))
                return 0;
        r = write_all(fd, json_object_get_string(text), (size_t) json_object_get_string_len(text));
        return r < 0 ? error_set_errno(error, r, "write the command's %s", name) : 0;
}

/* Over the socket it has no input, and what it wrote comes at the end. */
static int exec_on_socket(const Options *options, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object(), *reply = NULL;
        int64_t exit_code = EXIT_TOOL_FAILED;
        int r;

        if (!payload || json_add_string(payload, "id", options->arguments[0]) < 0 ||
            json_add(payload, "command", json_new_strv(options->arguments + 1)) < 0)
                return error_oom(error);
        r = ask(options, COMMAND_CONTAINER_EXEC, payload, &reply, error);
        if (r >= 0)
                r = json_get_int64(reply, "exitCode", &exit_code, error);
        if (r >= 0 && !options->json) {
                r = pass_stream(reply, "stdout", STDOUT_FILENO, error);
                if (r >= 0)
                        r = pass_stream(reply, "stderr", STDERR_FILENO, error);
        }
        return r < 0 ? r : (int) (exit_code & 0xff);
}

int verb_exec(const Options *options, Error *error) {
        int exit_code = EXIT_TOOL_FAILED, r;

        /* Whoever names a socket means it, and JSON shows an answer that only the socket gives. */
        r = options->socket || options->json ? 0 : exec_on_bus(options, &exit_code, error);
        if (r == 0)
                return exec_on_socket(options, error);
        return r < 0 ? r : exit_code & 0xff;
}
