/* SPDX-License-Identifier: Apache-2.0 */

/* org.freedesktop.LogControl1(5), which `systemctl service-log-level` speaks. */

#include "base/log.h"
#include "broker/manager.h"

#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"

/* systemd says so where it connected stderr, see systemd.exec(5). */
static bool to_journal(void) {
        return getenv("JOURNAL_STREAM");
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level()));
}

/* sd-bus lets root alone come here. */
static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const char *word;

        int r = sd_bus_message_read(value, "s", &word);
        if (r < 0)
                return r;
        int level = log_level_from_string(word);
        if (level < 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "\"%s\" is no log level", word);
        return manager_set_log_level(b->manager, level);
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", to_journal() ? "journal" : "console");
}

/* Where messages go is where stderr leads to. */
static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *error) {
        const char *word;

        int r = sd_bus_message_read(value, "s", &word);
        if (r < 0)
                return r;
        if (streq(word, "auto") || streq(word, to_journal() ? "journal" : "console"))
                return 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED, "messages cannot be sent to \"%s\"",
                                 word);
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "cruxd");
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_control_bus_add(Bus *bus) {
        return sd_bus_add_object_vtable(bus->bus, NULL, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE,
                                        log_control_vtable, bus);
}
