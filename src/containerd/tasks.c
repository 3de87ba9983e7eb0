/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/tasks.h"

#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/tasks.pb-c.h"

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"

static const Method create = {
        .path = "/containerd.services.tasks.v1.Tasks/Create",
        .request = &tasks__create_task_request__descriptor,
        .reply = &tasks__create_task_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method exec_process = {
        .path = "/containerd.services.tasks.v1.Tasks/Exec",
        .request = &tasks__exec_process_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method start = {
        .path = "/containerd.services.tasks.v1.Tasks/Start",
        .request = &tasks__start_request__descriptor,
        .reply = &tasks__start_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method kill_process = {
        .path = "/containerd.services.tasks.v1.Tasks/Kill",
        .request = &tasks__kill_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method get = {
        .path = "/containerd.services.tasks.v1.Tasks/Get",
        .request = &tasks__get_request__descriptor,
        .reply = &tasks__get_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method list = {
        .path = "/containerd.services.tasks.v1.Tasks/List",
        .request = &tasks__list_tasks_request__descriptor,
        .reply = &tasks__list_tasks_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method list_pids = {
        .path = "/containerd.services.tasks.v1.Tasks/ListPids",
        .request = &tasks__list_pids_request__descriptor,
        .reply = &tasks__list_pids_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method close_io = {
        .path = "/containerd.services.tasks.v1.Tasks/CloseIO",
        .request = &tasks__close_iorequest__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method delete = {
        .path = "/containerd.services.tasks.v1.Tasks/Delete",
        .request = &tasks__delete_task_request__descriptor,
        .reply = &tasks__delete_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

static const Method delete_process = {
        .path = "/containerd.services.tasks.v1.Tasks/DeleteProcess",
        .request = &tasks__delete_process_request__descriptor,
        .reply = &tasks__delete_response__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
};

/* A path for a stream, "" for none. Where a process has any stream at all, the shim wants to open both stdout
 * and stderr; but a logging program or a file that stands for stdout is there for both. */
static char *stream_path(const CtrStdio *stdio, const char *path) {
        const bool any = !isempty(stdio->in) || !isempty(stdio->out) || !isempty(stdio->err);

        if (isempty(path) && any && !(stdio->out && strstr(stdio->out, "://")))
                return (char *) "/dev/null";
        return (char *) path;
}

int ctr_task_create(CtrClient *client, const char *container_id, const CtrMounts *rootfs,
                    const CtrStdio *stdio, const CtrRuncOptions *options, uint32_t *ret_pid, Error *error) {
        Tasks__CreateTaskRequest request = TASKS__CREATE_TASK_REQUEST__INIT;
        _cleanup_message_ Tasks__CreateTaskResponse *reply = NULL;
        _cleanup_free_ Types__Mount **mounts = NULL;
        Pb__Any any = PB__ANY__INIT;
        int r;

        request.container_id = (char *) container_id;
        if (write_mounts(rootfs, &mounts, &request.n_rootfs) < 0)
                return error_oom(error);
        request.rootfs = mounts;
        if (stdio) {
                request.stdin = (char *) stdio->in;
                request.stdout = stream_path(stdio, stdio->out);
                request.stderr = stream_path(stdio, stdio->err);
                request.terminal = stdio->terminal;
        }
        if (options) {
                if (write_runc_options(options, &any) < 0)
                        return error_oom(error);
                request.options = &any;
        }
        r = call_unary(client, &create, &request.base, &reply, error);
        free(any.value.data);
        if (r >= 0 && ret_pid)
                *ret_pid = reply->pid;
        return r;
}

int ctr_task_exec(CtrClient *client, const char *container_id, const char *exec_id, const char *spec,
                  size_t spec_length, const CtrStdio *stdio, Error *error) {
        Tasks__ExecProcessRequest request = TASKS__EXEC_PROCESS_REQUEST__INIT;
        Pb__Any any = PB__ANY__INIT;

        any.type_url = (char *) PROCESS_TYPE;
        any.value = (ProtobufCBinaryData) { .data = (uint8_t *) spec, .len = spec_length };
        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        request.spec = &any;
        if (stdio) {
                request.stdin = (char *) stdio->in;
                request.stdout = stream_path(stdio, stdio->out);
                request.stderr = stream_path(stdio, stdio->err);
                request.terminal = stdio->terminal;
        }
        return call_unary(client, &exec_process, &request.base, NULL, error);
}

int ctr_task_start(CtrClient *client, const char *container_id, const char *exec_id, uint32_t *ret_pid,
                   Error *error) {
        Tasks__StartRequest request = TASKS__START_REQUEST__INIT;
        _cleanup_message_ Tasks__StartResponse *reply = NULL;
        int r;

        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        r = call_unary(client, &start, &request.base, &reply, error);
        if (r >= 0 && ret_pid)
                *ret_pid = reply->pid;
        return r;
}

int ctr_task_kill(CtrClient *client, const char *container_id, const char *exec_id, int signal, bool all,
                  Error *error) {
        Tasks__KillRequest request = TASKS__KILL_REQUEST__INIT;

        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        request.signal = (uint32_t) signal;
        request.all = all;
        return call_unary(client, &kill_process, &request.base, NULL, error);
}

void ctr_process_clear(CtrProcess *process) {
        free(process->container_id);
        free(process->id);
        free(process->in);
        free(process->out);
        free(process->err);
        *process = (CtrProcess) {};
}

void ctr_processes_clear(CtrProcesses *processes) {
        for (size_t i = 0; i < processes->count; i++)
                ctr_process_clear(&processes->items[i]);
        free(processes->items);
        *processes = (CtrProcesses) {};
}

static CtrProcessStatus read_status(Tasks__Status status) {
        switch (status) {
        case TASKS__STATUS__CREATED:
                return CTR_PROCESS_CREATED;
        case TASKS__STATUS__RUNNING:
                return CTR_PROCESS_RUNNING;
        case TASKS__STATUS__STOPPED:
                return CTR_PROCESS_STOPPED;
        case TASKS__STATUS__PAUSED:
                return CTR_PROCESS_PAUSED;
        case TASKS__STATUS__PAUSING:
                return CTR_PROCESS_PAUSING;
        default:
                return CTR_PROCESS_UNKNOWN;
        }
}

static int read_process(const Tasks__Process *process, CtrProcess *ret) {
        ret->pid = process->pid;
        ret->status = read_status(process->status);
        ret->exit_status = process->exit_status;
        ret->exited_usec = read_timestamp(process->exited_at);
        if (read_string(&ret->container_id, process->container_id) < 0 ||
            read_string(&ret->id, process->id) < 0 || read_string(&ret->in, process->stdin) < 0 ||
            read_string(&ret->out, process->stdout) < 0 || read_string(&ret->err, process->stderr) < 0)
                return -ENOMEM;
        return 0;
}

int ctr_task_get(CtrClient *client, const char *container_id, const char *exec_id, CtrProcess *ret,
                 Error *error) {
        Tasks__GetRequest request = TASKS__GET_REQUEST__INIT;
        _cleanup_message_ Tasks__GetResponse *reply = NULL;
        _cleanup_(ctr_process_clear) CtrProcess process = {};
        int r;

        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        r = call_unary(client, &get, &request.base, &reply, error);
        if (r < 0)
                return r;
        if (!reply->process)
                return error_set(error, ERROR_INTERNAL, "containerd tells nothing about the task of %s",
                                 container_id);
        if (read_process(reply->process, &process) < 0)
                return error_oom(error);
        *ret = TAKE(process, (CtrProcess) {});
        return 0;
}

int ctr_task_list(CtrClient *client, CtrProcesses *ret, Error *error) {
        Tasks__ListTasksRequest request = TASKS__LIST_TASKS_REQUEST__INIT;
        _cleanup_message_ Tasks__ListTasksResponse *reply = NULL;
        _cleanup_(ctr_processes_clear) CtrProcesses processes = {};
        int r;

        r = call_unary(client, &list, &request.base, &reply, error);
        if (r < 0)
                return r;
        processes.items = new0(CtrProcess, reply->n_tasks + 1);
        if (!processes.items)
                return error_oom(error);
        for (size_t i = 0; i < reply->n_tasks; i++)
                if (read_process(reply->tasks[i], &processes.items[processes.count++]) < 0)
                        return error_oom(error);
        *ret = TAKE(processes, (CtrProcesses) {});
        return 0;
}

int ctr_task_list_pids(CtrClient *client, const char *container_id, uint32_t **ret, size_t *ret_count,
                       Error *error) {
        Tasks__ListPidsRequest request = TASKS__LIST_PIDS_REQUEST__INIT;
        _cleanup_message_ Tasks__ListPidsResponse *reply = NULL;
        int r;

        request.container_id = (char *) container_id;
        r = call_unary(client, &list_pids, &request.base, &reply, error);
        if (r < 0)
                return r;
        uint32_t *pids = new0(uint32_t, reply->n_processes + 1);
        if (!pids)
                return error_oom(error);
        for (size_t i = 0; i < reply->n_processes; i++)
                pids[i] = reply->processes[i]->pid;
        *ret = pids;
        *ret_count = reply->n_processes;
        return 0;
}

int ctr_task_close_stdin(CtrClient *client, const char *container_id, const char *exec_id, Error *error) {
        Tasks__CloseIORequest request = TASKS__CLOSE_IOREQUEST__INIT;

        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        request.stdin = true;
        return call_unary(client, &close_io, &request.base, NULL, error);
}

static void take_exit(const Tasks__DeleteResponse *reply, CtrExit *ret) {
        if (ret)
                *ret = (CtrExit) { .status = reply->exit_status,
                                   .exited_usec = read_timestamp(reply->exited_at) };
}

int ctr_task_delete(CtrClient *client, const char *container_id, CtrExit *ret, Error *error) {
        Tasks__DeleteTaskRequest request = TASKS__DELETE_TASK_REQUEST__INIT;
        _cleanup_message_ Tasks__DeleteResponse *reply = NULL;
        int r;

        request.container_id = (char *) container_id;
        r = call_unary(client, &delete, &request.base, &reply, error);
        if (r >= 0)
                take_exit(reply, ret);
        return r;
}

int ctr_task_delete_process(CtrClient *client, const char *container_id, const char *exec_id, CtrExit *ret,
                            Error *error) {
        Tasks__DeleteProcessRequest request = TASKS__DELETE_PROCESS_REQUEST__INIT;
        _cleanup_message_ Tasks__DeleteResponse *reply = NULL;
        int r;

        request.container_id = (char *) container_id;
        request.exec_id = (char *) exec_id;
        r = call_unary(client, &delete_process, &request.base, &reply, error);
        if (r >= 0)
                take_exit(reply, ret);
        return r;
}
