/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/scope.h"

#include <systemd/sd-bus.h>

#include "base/log.h"

/* PID 1 answers at once or has other worries. */
#define CALL_TIMEOUT_USEC UINT64_C(1000000)

/* The answer is waited for: systemd drops a call whose sender has left the bus. */
static int call(sd_bus *bus, const char *unit, const char *description) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                           "org.freedesktop.systemd1.Manager", "SetUnitProperties");
        if (r >= 0)
                r = sd_bus_message_append(m, "sba(sv)", unit, /* runtime= */ 1, 1, "Description", "s",
                                          description);
        return r < 0 ? r : sd_bus_call(bus, m, CALL_TIMEOUT_USEC, NULL, NULL);
}

void scope_describe(const char *unit, const char *description) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = call(bus, unit, description);
        if (r < 0)
                log_debug_errno(r, "Failed to describe %s, ignoring: %m", unit);
}
