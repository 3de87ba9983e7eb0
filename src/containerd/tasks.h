/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.tasks.v1: the processes of containers. A task is a container's first process and all
 * that runs beside it; an `exec_id` names one of the latter and is NULL for the task itself.
 *
 * A life: ctr_task_create(), ctr_task_wait_begin(), ctr_task_start(), ctr_wait_finish(), ctr_task_delete().
 * Of an exec: ctr_task_exec(), ctr_task_wait_begin(), ctr_task_start(), ctr_wait_finish(),
 * ctr_task_delete_process(). */

#include "base/string-util.h"
#include "containerd/client.h"
#include "containerd/runc-options.h"
#include "containerd/types.h"

/* Paths of FIFOs; stdout can also be "binary://PATH?KEY=VALUE" or "file://PATH", and then takes stderr too.
 * NULL is no stream. The shim opens FIFOs when it creates or starts the process: a reader must be there by
 * then, else that call hangs until its deadline. */
typedef struct CtrStdio {
        const char *in, *out, *err;
        bool terminal;
} CtrStdio;

/* Creates the task of a container on these mounts, not yet running. `options` (NULL for the container's) are
 * used for this task. -EEXIST when the container has one, -ENOENT when there is no container. */
int ctr_task_create(CtrClient *client, const char *container_id, const CtrMounts *rootfs,
                    const CtrStdio *stdio, const CtrRuncOptions *options, uint32_t *ret_pid, Error *error);

/* Adds a process to a running task, not yet running. The spec is the JSON of an OCI runtime spec's `process`.
 */
int ctr_task_exec(CtrClient *client, const char *container_id, const char *exec_id, const char *spec,
                  size_t spec_length, const CtrStdio *stdio, Error *error);

/* Starts it. The runtime's words about a command that is not there and the like are in the error. An exec
 * whose start failed must still be deleted; its wait tells nothing. */
int ctr_task_start(CtrClient *client, const char *container_id, const char *exec_id, uint32_t *ret_pid,
                   Error *error);

/* Sends a signal, to all processes of the container if `all`. -ENOENT when there is no such process any more,
 * also when it has ended but is not yet deleted. */
int ctr_task_kill(CtrClient *client, const char *container_id, const char *exec_id, int signal, bool all,
                  Error *error);

typedef enum CtrProcessStatus {
        CTR_PROCESS_UNKNOWN,
        CTR_PROCESS_CREATED,
        CTR_PROCESS_RUNNING,
        CTR_PROCESS_STOPPED,
        CTR_PROCESS_PAUSED,
        CTR_PROCESS_PAUSING,
} CtrProcessStatus;

typedef struct CtrProcess {
        char *container_id;
        char *id; /* exec id; of a task, the container's id */
        uint32_t pid;
        CtrProcessStatus status;
        char *in, *out, *err;
        uint32_t exit_status;
        uint64_t exited_usec;
} CtrProcess;

typedef struct CtrProcesses {
        CtrProcess *items;
        size_t count;
} CtrProcesses;

void ctr_process_clear(CtrProcess *process);
void ctr_processes_clear(CtrProcesses *processes);

/* -ENOENT when there is no such task or exec. */
int ctr_task_get(CtrClient *client, const char *container_id, const char *exec_id, CtrProcess *ret,
                 Error *error);

/* The tasks of the namespace. */
int ctr_task_list(CtrClient *client, CtrProcesses *ret, Error *error);

/* PIDs, in the host's PID namespace, of all processes in the task. free() the array. */
int ctr_task_list_pids(CtrClient *client, const char *container_id, uint32_t **ret, size_t *ret_count,
                       Error *error);

/* Closes the shim's end of a started process's stdin; the caller's own end must be closed as well for the
 * process to see the end. Before the start it does nothing. */
int ctr_task_close_stdin(CtrClient *client, const char *container_id, const char *exec_id, Error *error);

/* How a process ended. */
typedef struct CtrExit {
        uint32_t status; /* exit code, or 128 and the signal */
        uint64_t exited_usec;
} CtrExit;

/* Deletes a task that has ended (its shim ends), or an exec. -ENOENT when there is none; an error while it
 * runs, whose code differs between versions. `ret` may be NULL. */
int ctr_task_delete(CtrClient *client, const char *container_id, CtrExit *ret, Error *error);
int ctr_task_delete_process(CtrClient *client, const char *container_id, const char *exec_id, CtrExit *ret,
                            Error *error);

/* A wait for the end of a process: begun before the process is started, it costs no time then. */
typedef struct CtrWait CtrWait;

int ctr_task_wait_begin(CtrClient *client, const char *container_id, const char *exec_id, CtrWait **ret,
                        Error *error);

/* An fd that polls readable once there is something to be told apart by ctr_wait_finish() with no timeout:
 * the end, or a connection that was lost, by a restart of containerd, say. The latter gives 0, as the wait
 * goes on, and the fd is not readable any more. Nothing is to be read from it. Borrowed. */
int ctr_wait_get_fd(CtrWait *wait);

/* Waits for at most this long (USEC_INFINITY: until the end). 1 and how it ended; 0 when it has not; an error
 * when the wait failed, -ENOENT where there was no such process. May be called again, and then tells the
 * same. */
int ctr_wait_finish(CtrWait *wait, uint64_t timeout_usec, CtrExit *ret, Error *error);

/* Gives the wait up if it is not over. Gives NULL. */
CtrWait *ctr_wait_free(CtrWait *wait);
DEFINE_CLEANUP(CtrWait *, ctr_wait_free);

/* Begin and finish in one. */
int ctr_task_wait(CtrClient *client, const char *container_id, const char *exec_id, CtrExit *ret,
                  Error *error);
