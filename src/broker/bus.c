/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus.h"

#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/bus-call.h"
#include "broker/manager.h"
#include "protocol/bus-text.h"

/* After the connection was lost, or could not be made. */
#define RECONNECT_USEC (500 * USEC_PER_MSEC)

/* A bus that has not answered by then is not waited for any more. */
#define JOIN_USEC (5 * USEC_PER_SEC)

/* Of names that nobody has any more: NameOwnerChanged of the D-Bus specification. One rule for all callers,
 * rather than one for each by sd_bus_track(3): a connection has 512 at most (max_match_rules_per_connection,
 * dbus-daemon(1)), and sd-bus closes one that is refused another. */
#define LEAVERS \
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus'," \
        "member='NameOwnerChanged',arg2=''"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"

static void connect_later(Bus *bus);

int bus_reply_error_as(sd_bus_message *m, const char *name, const Error *error) {
        _cleanup_free_ char *copy = NULL;
        const char *words = bus_text(error_message(error), &copy);
        int r = words ? sd_bus_reply_method_errorf(m, name, "%s", words) : -ENOMEM;

        return r < 0 ? sd_bus_reply_method_errorf(m, name, "the words of this error cannot be sent") : r;
}

int bus_reply_error(sd_bus_message *m, const Error *error) {
        return bus_reply_error_as(m, bus_error_name(error->code), error);
}

int bus_append_text(sd_bus_message *m, const char *s) {
        _cleanup_free_ char *copy = NULL;

        return sd_bus_message_append(m, "s", bus_text(s, &copy));
}

int bus_get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return bus_append_text(reply, *(char *const *) userdata);
}

static void disconnect(Bus *bus) {
        while (bus->calls)
                bus_call_abandon(bus->calls);
        bus->request_slot = sd_bus_slot_unref(bus->request_slot);
        bus->release_slot = sd_bus_slot_unref(bus->release_slot);
        bus->has_name = false;
        bus->bus = sd_bus_close_unref(bus->bus);
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;

        log_debug("The connection to the bus was closed");
        connect_later(bus);
        return 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name;

        int r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        bus_calls_caller_gone(userdata, name);
        return 0;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;
        uint32_t reply = 0;

        bus->request_slot = sd_bus_slot_unref(bus->request_slot);
        if (sd_bus_message_is_method_error(m, NULL))
                log_debug("Not on the bus as \"%s\": %s", bus->name, sd_bus_message_get_error(m)->message);
        else if (sd_bus_message_read(m, "u", &reply) < 0 ||
                 reply != 1 /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER */)
                log_warning("The bus name \"%s\" is taken", bus->name);
        else {
                bus->has_name = true;
                log_debug("On the bus as \"%s\"", bus->name);
        }
        return 0;
}

void bus_request_name(Bus *bus) {
        const Manager *manager = bus->manager;

        if (!bus->bus || bus->has_name || bus->request_slot || bus->released || manager->leaving ||
            manager->stopping || !manager->watcher.ready)
                return;
        int r = sd_bus_request_name_async(bus->bus, &bus->request_slot, bus->name, 0, on_name, bus);
        bus->asked_usec = now_usec(CLOCK_MONOTONIC);
        if (r < 0) {
                log_debug_errno(r, "Failed to ask for the bus name: %m, connecting again");
                connect_later(bus);
        }
}

static int set_up(Bus *bus) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_new(&bus->bus);
        if (r >= 0)
                r = sd_bus_set_description(bus->bus, "cruxd");
        if (r >= 0)
                r = sd_bus_set_address(bus->bus, address ?: DEFAULT_ADDRESS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->bus, true);
        if (r >= 0) /* a bus that is not there yet is waited for */
                r = sd_bus_set_watch_bind(bus->bus, true);
        if (r >= 0)
                r = sd_bus_start(bus->bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus->bus, bus->manager->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                              "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                              NULL, bus);
        if (r >= 0) /* before the name is asked for, and with it the first call */
                r = sd_bus_add_match_async(bus->bus, NULL, LEAVERS, on_name_lost, NULL, bus);
        if (r >= 0)
                r = manager_bus_add(bus);
        if (r >= 0)
                r = job_bus_add(bus);
        if (r >= 0)
                r = log_control_bus_add(bus);
        if (r >= 0)
                r = container_bus_add(bus);
        if (r >= 0)
                r = image_bus_add(bus);
        if (r >= 0)
                r = sd_bus_add_object_manager(bus->bus, NULL, BUS_PATH);
        if (r >= 0)
                bus_request_name(bus);
        return r;
}

bool bus_is_joining(const Bus *bus) {
        return !bus->manager->watcher.ready ||
               (bus->request_slot && now_usec(CLOCK_MONOTONIC) - bus->asked_usec < JOIN_USEC);
}

static int on_connect_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Bus *bus = userdata;
        int r;

        bus->connect_timer = sd_event_source_disable_unref(bus->connect_timer);
        disconnect(bus);
        if (bus->released)
                return 0;
        r = set_up(bus);
        if (r < 0) {
                log_debug_errno(r, "Failed to connect to the bus: %m, trying again");
                connect_later(bus);
        }
        return 0;
}

/* Not from within the callback that tells of the end, which the connection outlives this way. */
static void connect_later(Bus *bus) {
        int r;

        if (bus->manager->leaving || bus->manager->stopping) {
                bus->released = true;
                manager_wake(bus->manager);
        }
        if (bus->connect_timer)
                return;
        r = sd_event_add_time_relative(bus->manager->event, &bus->connect_timer, CLOCK_MONOTONIC,
                                       bus->released ? 0 : RECONNECT_USEC, 0, on_connect_timer, bus);
        if (r < 0)
                log_warning_errno(r, "timer to connect to the bus: %m, going on without it");
}

int bus_init(Bus *bus, Manager *manager) {
        int r;

        *bus = (Bus) { .manager = manager, .name = bus_name_of_instance(manager->options->instance) };
        if (!bus->name)
                return -ENOMEM;
        r = set_up(bus);
        if (r < 0) {
                log_debug_errno(r, "Failed to connect to the bus: %m, trying again");
                connect_later(bus);
        }
        return 0;
}

void bus_clear(Bus *bus) {
        if (!bus->manager)
                return;
        sd_event_source_disable_unref(bus->connect_timer);
        disconnect(bus);
        free(bus->name);
        *bus = (Bus) {};
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;

        bus->has_name = false;
        bus->released = true;
        manager_wake(bus->manager);
        return 0;
}

void bus_release(Bus *bus) {
        int r = -ENOTCONN;

        if (bus->released || bus->release_slot)
                return;
        /* The bus sends what it has for us before it answers this: no call is lost in between. */
        if (bus->bus && bus->has_name)
                r = sd_bus_release_name_async(bus->bus, &bus->release_slot, bus->name, on_released, bus);
        if (r < 0) {
                bus->released = true;
                manager_wake(bus->manager);
        }
}
