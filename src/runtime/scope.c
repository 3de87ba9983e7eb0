/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/scope.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "base/log.h"
#include "base/string-util.h"
#include "protocol/bus-text.h"
#include "protocol/identifier.h"

/* PID 1 answers at once or has other worries. */
#define CALL_TIMEOUT_USEC UINT64_C(1000000)

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(bus, ret, "org.freedesktop.systemd1",
                                              "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                              method);
}

/* The answer is waited for: systemd drops a call whose sender has left the bus. */
static int describe(sd_bus *bus, const char *unit, const char *description) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *copy = NULL;
        int r;

        r = new_call(bus, "SetUnitProperties", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sba(sv)", unit, /* runtime= */ 1, 1, "Description", "s",
                                          bus_text(description, &copy));
        return r < 0 ? r : sd_bus_call(bus, m, CALL_TIMEOUT_USEC, NULL, NULL);
}

void scope_describe(const char *unit, const char *description) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = describe(bus, unit, description);
        if (r < 0)
                log_debug_errno(r, "Failed to describe %s, ignoring: %m", unit);
}

/* Another instance's scope may begin with the prefix, but what follows is no identifier then. */
static bool is_scope_of(const char *prefix, const char *unit) {
        const char *rest = skip_prefix(unit, prefix), *end = rest ? strrchr(rest, '.') : NULL;
        _cleanup_free_ char *id = end ? strndup(rest, (size_t) (end - rest)) : NULL;

        return id && identifier_is_valid(id);
}

/* Names of the loaded ones: a(ssssssouso), the name first. */
static int list_units(sd_bus *bus, const char *prefix, char ***ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_free_ char *pattern = format_string("%s*.scope", prefix);
        _cleanup_strv_ char **units = NULL;
        const char *name;
        int r;

        if (!pattern)
                return -ENOMEM;
        r = new_call(bus, "ListUnitsByPatterns", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "asas", 2, "active", "failed", 1, pattern);
        if (r >= 0)
                r = sd_bus_call(bus, m, CALL_TIMEOUT_USEC, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, NULL, NULL, NULL, NULL,
                                                  NULL, NULL, NULL, NULL)) > 0)
                if (is_scope_of(prefix, name))
                        r = strv_extend(&units, name);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(units);
        return 0;
}

/* 1, 0 or a negative errno. */
static int has_processes(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = new_call(bus, "GetUnitProcesses", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", unit);
        if (r >= 0)
                r = sd_bus_call(bus, m, CALL_TIMEOUT_USEC, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sus)");
        if (r < 0)
                return r;
        return sd_bus_message_at_end(reply, /* complete= */ false) == 0;
}

/* One that has failed is not stopped by that, but forgotten. */
static int stop(sd_bus *bus, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *stopping = NULL, *forgetting = NULL;
        int r;

        r = new_call(bus, "StopUnit", &stopping);
        if (r >= 0)
                r = sd_bus_message_append(stopping, "ss", unit, "replace");
        if (r >= 0)
                r = sd_bus_call(bus, stopping, CALL_TIMEOUT_USEC, NULL, NULL);
        if (r < 0)
                return r;
        r = new_call(bus, "ResetFailedUnit", &forgetting);
        if (r >= 0)
                r = sd_bus_message_append(forgetting, "s", unit);
        if (r >= 0) /* which it has been already, where it had not failed */
                (void) sd_bus_call(bus, forgetting, CALL_TIMEOUT_USEC, NULL, NULL);
        return r;
}

unsigned scope_stop_empty(const char *prefix) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_strv_ char **units = NULL;
        unsigned n = 0;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = list_units(bus, prefix, &units);
        if (r < 0)
                log_debug_errno(r, "Failed to look for empty scopes, ignoring: %m");
        for (char **unit = units; unit && *unit; unit++) {
                if (has_processes(bus, *unit) != 0) /* or it has gone in the meantime */
                        continue;
                r = stop(bus, *unit);
                if (r < 0)
                        log_debug_errno(r, "Failed to stop %s, ignoring: %m", *unit);
                else
                        n++;
        }
        return n;
}
