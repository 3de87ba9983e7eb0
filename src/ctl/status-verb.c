/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <unistd.h>

#include "ctl/call.h"
#include "ctl/terminal.h"

int verb_status(const Options *options, Error *error) {
        _cleanup_json_ json_object *reply = NULL;
        _cleanup_(buffer_clear) Buffer text = {};
        const char *version = "", *uptime = "";
        int64_t pid = 0, builds = 0;
        int r;

        r = call(options, COMMAND_STATUS, NULL, NULL, NULL, &reply, error);
        if (r >= 0 && options->json)
                return print_json(reply, error);
        if (r >= 0)
                r = json_get_string(reply, "version", &version, error);
        if (r >= 0)
                r = json_get_string(reply, "uptime", &uptime, error);
        if (r >= 0)
                r = json_get_int64(reply, "pid", &pid, error);
        if (r >= 0)
                r = json_get_int64(reply, "builds", &builds, error);
        if (r < 0)
                return r;

        _cleanup_free_ char *socket = options_socket(options);
        Style style = style_of(STDOUT_FILENO);
        if (!socket || buffer_printf(&text,
                                     "%s●%s cruxd %s\n"
                                     "    Socket: %s\n"
                                     "       PID: %" PRIi64 "\n"
                                     "    Uptime: %s\n"
                                     "    Builds: %" PRIi64 "\n",
                                     style_colour(&style, COLOUR_GREEN), style_colour(&style, COLOUR_PLAIN),
                                     version, socket, pid, uptime, builds) < 0)
                return error_oom(error);
        return print_buffer(&text, error);
}
