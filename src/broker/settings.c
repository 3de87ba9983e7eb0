/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/settings.h"

#include <string.h>

#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/config-file.h"
#include "broker/setting-value.h"
#include "config.h"

typedef enum SettingType {
        SETTING_STRING, /* absolute paths and names: not empty */
        SETTING_LEVEL,
        SETTING_TIME,
        SETTING_COUNT,
        SETTING_SIZE,
} SettingType;

typedef struct Setting {
        const char *section;
        const char *key;
        SettingType type;
        size_t offset;
        uint64_t least, most; /* of times, counts and sizes */
        uint64_t fallback;
        const char *fallback_string;
} Setting;

#define SECONDS(n) ((n) * USEC_PER_SEC)
#define MINUTES(n) SECONDS(60 * (n))

#define DAEMON(k, t, member, ...) \
        { .section = "Daemon", .key = k, .type = t, .offset = offsetof(Settings, member), __VA_ARGS__ }
#define LIMIT(k, t, member, low, high, value) \
        { .section = "Limits", \
          .key = k, \
          .type = t, \
          .offset = offsetof(Settings, member), \
          .least = (low), \
          .most = (high), \
          .fallback = (value) }

static const Setting table[] = {
        DAEMON("LogLevel", SETTING_LEVEL, log_level, .fallback = CRUXD_LOG_LEVEL),
        DAEMON("ContainerdAddress", SETTING_STRING, containerd_address,
               .fallback_string = "/run/containerd/containerd.sock"),
        DAEMON("Namespace", SETTING_STRING, namespace),

        /* Without clients and commands for so long, a daemon that systemd started on demand leaves. */
        DAEMON("ExitOnIdleSec", SETTING_TIME, exit_on_idle_usec, .most = USEC_INFINITY,
               .fallback = MINUTES(5)),
        /* A worker that has had nothing to do for so long ends. */
        DAEMON("WorkerIdleSec", SETTING_TIME, worker_idle_usec, .most = MINUTES(60), .fallback = SECONDS(10)),
        /* A client that has not sent its line by then, or takes nothing of its reply for so long, is dropped.
         */
        DAEMON("RequestTimeoutSec", SETTING_TIME, request_timeout_usec, .least = USEC_PER_MSEC,
               .most = MINUTES(60), .fallback = SECONDS(30)),
        /* How long commands may go on when the daemon is to stop; builds are cancelled at once. */
        DAEMON("StopTimeoutSec", SETTING_TIME, stop_timeout_usec, .most = MINUTES(60),
               .fallback = SECONDS(20)),
        /* How long a cancelled command may take to clean up, before its worker is killed. */
        DAEMON("CancelTimeoutSec", SETTING_TIME, cancel_timeout_usec, .least = USEC_PER_MSEC,
               .most = MINUTES(60), .fallback = SECONDS(20)),

        LIMIT("ConnectionsMax", SETTING_COUNT, connections_max, 1, 65536, 4096),
        LIMIT("ConnectionsPerUserMax", SETTING_COUNT, connections_per_user_max, 1, 65536, 3072),
        LIMIT("CommandsMax", SETTING_COUNT, commands_max, 1, 1024, 16),
        LIMIT("CommandsPerUserMax", SETTING_COUNT, commands_per_user_max, 1, 1024, 12),
        LIMIT("BuildsMax", SETTING_COUNT, builds_max, 1, 256, 4),
        LIMIT("BuildsPerUserMax", SETTING_COUNT, builds_per_user_max, 1, 256, 3),
        LIMIT("SessionsMax", SETTING_COUNT, sessions_max, 1, 1024, 64),
        LIMIT("SessionsPerUserMax", SETTING_COUNT, sessions_per_user_max, 1, 1024, 48),
        LIMIT("QueueMax", SETTING_COUNT, queue_max, 0, 65536, 2048),
        LIMIT("QueuePerUserMax", SETTING_COUNT, queue_per_user_max, 0, 65536, 1024),
        LIMIT("RequestMemoryMax", SETTING_SIZE, request_memory_max, KIB(64), GIB(64), MIB(256)),
        LIMIT("RequestMemoryPerUserMax", SETTING_SIZE, request_memory_per_user_max, KIB(64), GIB(64),
              MIB(64)),
        /* What a compressed archive may unpack to: that much room is taken in /var/tmp while it is read. */
        LIMIT("ArchiveUnpackedMax", SETTING_SIZE, archive_unpacked_max, MIB(1), GIB(16384), GIB(64)),
};

static void *setting_target(const Setting *setting, Settings *settings) {
        return (char *) settings + setting->offset;
}

static int setting_reset(const Setting *setting, Settings *settings) {
        void *target = setting_target(setting, settings);

        switch (setting->type) {
        case SETTING_STRING:
                return free_and_strdup(target, setting->fallback_string);
        case SETTING_LEVEL:
                *(int *) target = (int) setting->fallback;
                return 0;
        default:
                *(uint64_t *) target = setting->fallback;
                return 0;
        }
}

int settings_default(Settings *ret) {
        _cleanup_(settings_clear) Settings settings = {};

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (setting_reset(&table[i], &settings) < 0)
                        return -ENOMEM;
        *ret = settings;
        settings = (Settings) {};
        return 0;
}

static int parse_number(SettingType type, const char *value, uint64_t *ret) {
        switch (type) {
        case SETTING_TIME:
                return parse_time(value, ret);
        case SETTING_SIZE:
                return parse_size(value, ret);
        default:
                return parse_uint64(value, ret);
        }
}

static int setting_assign(const Setting *setting, const char *value, Settings *settings) {
        void *target = setting_target(setting, settings);
        uint64_t number;
        int r;

        if (!value[0])
                return setting_reset(setting, settings);

        switch (setting->type) {
        case SETTING_STRING:
                return free_and_strdup(target, value);
        case SETTING_LEVEL:
                r = log_level_from_string(value);
                if (r < 0)
                        return r;
                *(int *) target = r;
                return 0;
        default:
                r = parse_number(setting->type, value, &number);
                if (r < 0)
                        return r;
                if (number < setting->least || number > setting->most)
                        return -ERANGE;
                *(uint64_t *) target = number;
                return 0;
        }
}

static void handle_line(const char *file, unsigned line, const char *section, const char *key,
                        const char *value, void *userdata) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                if (!streq(table[i].section, section) || !streq(table[i].key, key))
                        continue;
                int r = setting_assign(&table[i], value, userdata);
                if (r == -ERANGE)
                        log_warning("%s:%u: %s=%s is out of range, ignoring", file, line, key, value);
                else if (r == -ENOMEM)
                        log_warning("%s:%u: %s=: out of memory, ignoring", file, line, key);
                else if (r < 0)
                        log_warning("%s:%u: %s=%s is no valid value, ignoring", file, line, key, value);
                return;
        }
        log_warning("%s:%u: unknown setting %s= in section [%s], ignoring", file, line, key, section);
}

int settings_load(const char *file, const char *instance, Settings *ret, Error *error) {
        static const char *const directories[] = { CRUXD_SYSCONFDIR "/cruxd", "/run/cruxd",
                                                   CRUXD_PREFIX "/lib/cruxd", NULL };
        _cleanup_(settings_clear) Settings settings = {};
        int r;

        if (settings_default(&settings) < 0)
                return error_oom(error);
        if (file) {
                r = config_read_file(file, handle_line, &settings, error);
                if (r < 0)
                        return r;
        } else {
                _cleanup_free_ char *name = format_string("cruxd@%s.conf", instance);
                if (!name)
                        return error_oom(error);
                config_read_directories(directories, "cruxd.conf", handle_line, &settings);
                config_read_directories(directories, name, handle_line, &settings);
        }
        *ret = settings;
        settings = (Settings) {};
        return 0;
}

void settings_clear(Settings *settings) {
        free(settings->containerd_address);
        free(settings->namespace);
        *settings = (Settings) {};
}
