/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/task.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"

/* More than any status file of proc(5) has up to the line that is looked for. */
#define PROC_STATUS_MAX ((size_t) KIB(16))

int task_get_state(Runtime *runtime, const char *id, TaskState *ret, uint32_t *ret_pid, Error *error) {
        _cleanup_(ctr_process_clear) CtrProcess process = {};
        _cleanup_(error_clear) Error e = {};

        int r = ctr_task_get(runtime->client, id, NULL, &process, &e);
        if (r == -ENOENT) {
                *ret = TASK_ABSENT;
                return 0;
        }
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        if (ret_pid)
                *ret_pid = process.pid;
        switch (process.status) {
        case CTR_PROCESS_CREATED:
                *ret = TASK_CREATED;
                return 0;
        case CTR_PROCESS_RUNNING:
        case CTR_PROCESS_PAUSED:
        case CTR_PROCESS_PAUSING:
                *ret = TASK_RUNNING;
                return 0;
        default:
                *ret = TASK_STOPPED;
                return 0;
        }
}

/* Errors that the OCI runtime or the shim is the source of have no code of their own in containerd. */
static int runtime_error(Error *error, int r) {
        return error && error->code == ERROR_INTERNAL && r != -ENOMEM
                       ? error_recode(error, ERROR_COMMAND_FAILED)
                       : r;
}

int task_start(Runtime *runtime, const char *id, const CtrMounts *rootfs, const CtrStdio *stdio,
               Error *error) {
        int r;

        {
                /* Cancelled, containerd would go on undoing it when this is over, and the next task of the
                 * container find the place taken. */
                CTR_SHIELD();
                r = ctr_task_create(runtime->client, id, rootfs, stdio, NULL, NULL, error);
        }
        if (r == -EEXIST) /* somebody else's task, not ours to remove */
                return r;
        if (r >= 0)
                r = ctr_task_start(runtime->client, id, NULL, NULL, error);
        if (r >= 0)
                return 0;

        /* A call that failed on its way may have done its work all the same. */
        CTR_SHIELD();
        _cleanup_(error_clear) Error e = {};
        if (task_end(runtime, id, TASK_KILL, NULL, &e) < 0)
                runtime_unclean(runtime, "the task of container", id, &e);
        return runtime_error(error, r);
}

/* Whether the process handles a signal. A PID namespace's first process that does not is not reached by it at
 * all, so that waiting for its effect would be in vain: pid_namespaces(7). */
static bool handles_signal(uint32_t pid, int signal) {
        _cleanup_(buffer_clear) Buffer status = {};
        char path[64];
        uint64_t caught = 0;

        snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", pid);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read_to_end(fd, &status, PROC_STATUS_MAX) < 0 || buffer_append(&status, "", 1) < 0)
                return false;
        const char *line = strstr(status.data, "\nSigCgt:");
        return line && sscanf(line, "\nSigCgt: %" SCNx64, &caught) == 1 &&
               (caught & (UINT64_C(1) << (signal - 1)));
}

/* Sends a signal and waits: 1 when the task has ended, 0 when it has not within the time. */
static int signal_and_wait(Runtime *runtime, const char *id, CtrWait *wait, int signal, uint64_t timeout_usec,
                           Error *error) {
        CtrExit end;
        int r;

        r = ctr_task_kill(runtime->client, id, NULL, signal, /* all= */ signal == SIGKILL, error);
        if (r == -ENOENT) {
                error_clear(error);
                return 1;
        }
        if (r < 0)
                return r;
        return ctr_wait_finish(wait, timeout_usec, &end, error);
}

static int end_running(Runtime *runtime, const char *id, uint32_t pid, TaskEnd how, Error *error) {
        _cleanup_(ctr_wait_freep) CtrWait *wait = NULL;
        int r;

        r = ctr_task_wait_begin(runtime->client, id, NULL, &wait, error);
        if (r < 0)
                return r;
        if (how == TASK_STOP && handles_signal(pid, SIGTERM)) {
                r = signal_and_wait(runtime, id, wait, SIGTERM, TASK_STOP_TIMEOUT_USEC, error);
                if (r != 0)
                        return r;
        }
        r = signal_and_wait(runtime, id, wait, SIGKILL, TASK_KILL_TIMEOUT_USEC, error);
        if (r == 0)
                return error_set(error, ERROR_INTERNAL,
                                 "container \"%s\": its process did not end after SIGKILL", id);
        return r;
}

int task_end(Runtime *runtime, const char *id, TaskEnd how, CtrExit *ret_exit, Error *error) {
        _cleanup_(error_clear) Error e = {};
        TaskState state;
        uint32_t pid = 0;
        int r;

        r = task_get_state(runtime, id, &state, &pid, error);
        if (r < 0 || state == TASK_ABSENT)
                return MIN(r, 0);
        if (state != TASK_STOPPED) {
                r = end_running(runtime, id, pid, how, &e);
                if (r < 0 && r != -ENOENT) {
                        error_move(error, &e);
                        return r;
                }
        }
        {
                /* Cancelled half-way, containerd forgets the task and leaves its shim running. */
                CTR_SHIELD();
                r = ctr_task_delete(runtime->client, id, ret_exit, &e);
        }
        if (r >= 0)
                return 1;
        if (r == -ENOENT)
                return 0;
        error_move(error, &e);
        return r;
}
