/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/bus-client.h"

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

int bus_client_open(sd_bus **ret) {
        return sd_bus_open_system(ret) >= 0;
}

static int new_call(sd_bus *bus, const Options *options, const char *interface, const char *method,
                    sd_bus_message **ret) {
        _cleanup_free_ char *name = bus_name_of_instance(options->instance ?: DEFAULT_INSTANCE);

        return name ? sd_bus_message_new_method_call(bus, ret, name, BUS_PATH, interface, method) : -ENOMEM;
}

int bus_client_ping(sd_bus *bus, const Options *options, Error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;

        int r = new_call(bus, options, "org.freedesktop.DBus.Peer", "Ping", &m);
        return r < 0 ? error_set_errno(error, r, "make a call") : bus_client_call(bus, m, &reply, error);
}

int bus_client_new_call(sd_bus *bus, const Options *options, const char *method, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        int r = new_call(bus, options, BUS_INTERFACE("Manager"), method, &m);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, true);
        if (r >= 0)
                *ret = TAKE_PTR(m);
        return r;
}

int bus_client_call(sd_bus *bus, sd_bus_message *m, sd_bus_message **ret, Error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error bus_error = SD_BUS_ERROR_NULL;

        int r = sd_bus_call(bus, m, /* usec= */ UINT64_MAX, &bus_error, ret);
        if (r >= 0)
                return 1;
        if (!bus_error.name)
                return error_set_errno(error, r, "call the daemon on the bus");
        if (is_not_there(bus_error.name))
                return 0;
        ErrorCode code = bus_error_code(bus_error.name);
        if (code == ERROR_NONE && streq(bus_error.name, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                code = ERROR_PERMISSION_DENIED;
        return error_set(error, code == ERROR_NONE ? ERROR_UNAVAILABLE : code, "%s",
                         strempty(bus_error.message));
}
