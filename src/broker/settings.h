/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an administrator sets, in cruxd.conf(5): the rows of the table in settings.c are its reference. */

#include <stdint.h>

#include "base/error.h"

typedef struct Settings {
        /* [Daemon] */
        int log_level;
        char *containerd_address;
        char *namespace; /* NULL: by the instance's name */
        uint64_t exit_on_idle_usec;
        uint64_t worker_idle_usec;
        uint64_t request_timeout_usec;
        uint64_t stop_timeout_usec;
        uint64_t cancel_timeout_usec;

        /* [Limits] */
        uint64_t connections_max;
        uint64_t connections_per_user_max;
        uint64_t commands_max;
        uint64_t commands_per_user_max;
        uint64_t builds_max;
        uint64_t builds_per_user_max;
        uint64_t sessions_max;
        uint64_t sessions_per_user_max;
        uint64_t queue_max;
        uint64_t queue_per_user_max;
        uint64_t request_memory_max;
        uint64_t request_memory_per_user_max;
        uint64_t archive_unpacked_max;
} Settings;

/* The values that hold where nothing is set. -ENOMEM. */
int settings_default(Settings *ret);

/* Defaults, then cruxd.conf and cruxd@INSTANCE.conf with their drop-ins; or, when `file` is given, that file
 * alone, which must be there. A value that cannot be taken is logged with its file, line and key, and the one
 * before it stays. */
int settings_load(const char *file, const char *instance, Settings *ret, Error *error);

void settings_clear(Settings *settings);
