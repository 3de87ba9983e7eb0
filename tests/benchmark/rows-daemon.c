/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/json.h"
#include "base/string-util.h"
#include "row.h"

#define PROC_FILE_MAX ((size_t) KIB(64))

int row_status(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        return bench_ask(target, ret, error, "status", NULL);
}

int row_status_load(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer request = {};

        if (bench_request(&request, "status", NULL) < 0)
                return error_oom(error);
        return exchange_load(target->socket, &request, row->clients, ROW_LOAD_SECONDS, ret, error);
}

static int daemon_pid(const Target *target, int *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer request = {}, line = {};
        _cleanup_json_ json_object *reply = NULL;
        int64_t pid = 0;
        double msec;
        int r;

        if (bench_request(&request, "status", NULL) < 0)
                return error_oom(error);
        r = exchange(target->socket, &request, &line, &msec, error);
        if (r >= 0)
                r = json_parse(line.data, line.length, 16, &reply, error);
        if (r >= 0)
                r = json_get_int64(json_member(reply, "payload"), "pid", &pid, error);
        if (r < 0)
                return r;
        if (pid <= 0)
                return error_set(error, ERROR_INTERNAL, "the status tells no pid");
        *ret = (int) pid;
        return 0;
}

/* A file of the daemon's in /proc, as text. */
static int read_proc(int pid, const char *name, Buffer *ret, Error *error) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/%i/%s", pid, name);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(error, errno, "open %s", path);
        int r = read_to_end(fd, ret, PROC_FILE_MAX);
        if (r < 0)
                return error_set_errno(error, r, "read %s", path);
        return buffer_append(ret, "", 1) < 0 ? error_oom(error) : 0;
}

int row_memory(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer status = {};
        unsigned long kib;
        int pid, r = 0;

        for (unsigned i = 0; i < row->count && r >= 0; i++)
                r = bench_ask(target, NULL, error, i % 2 ? "status" : "container-status",
                              i % 2 ? NULL : "{\"id\":\"%s\"}", target->name);
        if (r >= 0)
                r = daemon_pid(target, &pid, error);
        if (r >= 0)
                r = read_proc(pid, "status", &status, error);
        if (r < 0)
                return r;
        const char *line = strstr(status.data, "\nVmRSS:");
        if (!line || sscanf(line, "\nVmRSS: %lu", &kib) != 1)
                return error_set(error, ERROR_INTERNAL, "/proc/%i/status tells no VmRSS", pid);
        *ret = (double) kib * 1024 / 1e6;
        return 0;
}

/* The service that the daemon is the process of. */
static int daemon_unit(const Target *target, char **ret, Error *error) {
        _cleanup_(buffer_clear) Buffer cgroup = {};
        int pid, r;

        r = daemon_pid(target, &pid, error);
        if (r >= 0)
                r = read_proc(pid, "cgroup", &cgroup, error);
        if (r < 0)
                return r;
        /* Its line of version 2, which is the only one unless version 1 is in use besides: cgroups(7). */
        char *line = strstr(cgroup.data, "0::");
        if (line)
                line[strcspn(line, "\n")] = '\0';
        const char *unit = line ? strrchr(line, '/') : NULL;
        if (!unit || !endswith(unit, ".service"))
                return error_set(error, ERROR_UNSUPPORTED, "the daemon is no service of systemd");
        *ret = strdup(unit + 1);
        return *ret ? 0 : error_oom(error);
}

static int systemctl(const char *verb, char *unit, Error *error) {
        char *argv[] = {
                (char *) "systemctl", (char *) "--quiet", (char *) "--no-warn", (char *) verb, unit, NULL
        };
        pid_t pid;
        int status;

        int r = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
        if (r != 0)
                return error_set_errno(error, r, "systemctl");
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return error_set_errno(error, errno, "waitpid");
        if (status != 0)
                return error_set(error, ERROR_UNSUPPORTED, "systemctl %s %s failed", verb, unit);
        return 0;
}

int row_activation(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_free_ char *unit = NULL;
        int r;

        r = daemon_unit(target, &unit, error);
        if (r >= 0)
                r = systemctl("stop", unit, error);
        return r < 0 ? r : bench_ask(target, ret, error, "status", NULL);
}
