/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/bus-name.h"

#include <ctype.h>
#include <string.h>

#include "base/buffer.h"
#include "base/string-util.h"

#define DEFAULT_INSTANCE "default"

static const char *const error_names[_ERROR_CODE_MAX] = {
        [ERROR_INVALID_ARGUMENT] = BUS_NAME ".Error.InvalidArgument",
        [ERROR_NOT_FOUND] = BUS_NAME ".Error.NotFound",
        [ERROR_NOT_RUNNING] = BUS_NAME ".Error.NotRunning",
        [ERROR_ALREADY_EXISTS] = BUS_NAME ".Error.AlreadyExists",
        [ERROR_PERMISSION_DENIED] = BUS_NAME ".Error.PermissionDenied",
        [ERROR_BUSY] = BUS_NAME ".Error.Busy",
        [ERROR_CANCELLED] = BUS_NAME ".Error.Cancelled",
        [ERROR_COMMAND_FAILED] = BUS_NAME ".Error.CommandFailed",
        [ERROR_BUILD_FAILED] = BUS_NAME ".Error.BuildFailed",
        [ERROR_UNSUPPORTED] = BUS_NAME ".Error.Unsupported",
        [ERROR_UNAVAILABLE] = BUS_NAME ".Error.Unavailable",
        [ERROR_INTERNAL] = BUS_NAME ".Error.Internal",
};

char *bus_name_of_instance(const char *instance) {
        _cleanup_(buffer_clear) Buffer name = {};
        int r;

        if (streq(instance, DEFAULT_INSTANCE))
                return strdup(BUS_NAME);
        r = buffer_append_string(&name, BUS_NAME ".Instance.");
        for (const char *p = instance; r >= 0 && *p; p++)
                if (isalpha((unsigned char) *p) || *p == '-' || (isdigit((unsigned char) *p) && p > instance))
                        r = buffer_append(&name, p, 1);
                else
                        r = buffer_printf(&name, "_%02x", (unsigned char) *p);
        if (r >= 0)
                r = buffer_append(&name, "", 1);
        return r < 0 ? NULL : TAKE_PTR(name.data);
}

const char *bus_error_name(ErrorCode code) {
        return code < _ERROR_CODE_MAX && error_names[code] ? error_names[code] : error_names[ERROR_INTERNAL];
}

ErrorCode bus_error_code(const char *name) {
        for (ErrorCode code = ERROR_NONE; code < _ERROR_CODE_MAX; code++)
                if (error_names[code] && streq(error_names[code], name))
                        return code;
        return ERROR_NONE;
}
