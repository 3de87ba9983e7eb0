/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/owner.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_LENGTH 36U
#define PROC_FILE_MAX ((size_t) KIB(4))

/* The field of /proc/PID/stat that holds the start time, counted behind the command's closing parenthesis. */
#define START_TIME_FIELD 20U

static int read_proc_file(const char *path, Buffer *ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        int r = read_to_end(fd, ret, PROC_FILE_MAX);
        return r < 0 ? r : buffer_append(ret, "", 1);
}

/* In the service's sandbox /proc holds processes alone (ProcSubset=pid), and the unit's `%b` says it. */
static int boot_id_from_environment(char ret[static BOOT_ID_LENGTH + 1]) {
        const char *s = getenv("CRUXD_BOOT_ID");
        sd_id128_t id;

        int r = s ? sd_id128_from_string(s, &id) : -ENOENT;
        if (r < 0)
                return r;
        (void) sd_id128_to_uuid_string(id, ret);
        return 0;
}

static int read_boot_id(char ret[static BOOT_ID_LENGTH + 1]) {
        _cleanup_(buffer_clear) Buffer text = {};

        int r = read_proc_file(BOOT_ID_PATH, &text);
        if (r == -ENOENT)
                return boot_id_from_environment(ret);
        if (r < 0)
                return r;
        if (text.length <= BOOT_ID_LENGTH)
                return -EBADMSG;
        memcpy(ret, text.data, BOOT_ID_LENGTH);
        ret[BOOT_ID_LENGTH] = '\0';
        return 0;
}

/* -ENOENT or -ESRCH where there is no such process. */
static int read_start_time(pid_t pid, uint64_t *ret) {
        _cleanup_(buffer_clear) Buffer text = {};
        char path[64];

        snprintf(path, sizeof(path), "/proc/%i/stat", (int) pid);
        int r = read_proc_file(path, &text);
        if (r < 0)
                return r;

        /* The command may hold anything, parentheses too. */
        const char *p = strrchr(text.data, ')');
        for (unsigned i = 0; p && i < START_TIME_FIELD; i++) {
                p = strchr(p, ' ');
                p = p ? p + 1 : NULL;
        }
        return p && sscanf(p, "%" SCNu64, ret) == 1 ? 0 : -EBADMSG;
}

int owner_self(char **ret, Error *error) {
        char boot_id[BOOT_ID_LENGTH + 1];
        uint64_t start_time;
        int r;

        r = read_boot_id(boot_id);
        if (r < 0)
                return error_set_errno(error, r, "read " BOOT_ID_PATH);
        r = read_start_time(getpid(), &start_time);
        if (r < 0)
                return error_set_errno(error, r, "read /proc/self/stat");
        char *owner = format_string("%s:%i:%" PRIu64, boot_id, (int) getpid(), start_time);
        if (!owner)
                return error_oom(error);
        *ret = owner;
        return 0;
}

bool owner_is_alive(const char *owner) {
        char boot_id[BOOT_ID_LENGTH + 1];
        uint64_t start_time, now;
        int pid;

        if (strlen(owner) <= BOOT_ID_LENGTH ||
            sscanf(owner + BOOT_ID_LENGTH, ":%i:%" SCNu64, &pid, &start_time) != 2)
                return true;
        if (read_boot_id(boot_id) < 0)
                return true;
        if (strncmp(owner, boot_id, BOOT_ID_LENGTH) != 0)
                return false;
        int r = read_start_time(pid, &now);
        if (r == -ENOENT || r == -ESRCH)
                return false;
        return r < 0 || now == start_time;
}
