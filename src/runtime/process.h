/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Executing a process in a running container, with what it writes. */

#include <sys/socket.h>

#include "base/buffer.h"
#include "runtime/runtime.h"

typedef enum Stream {
        STREAM_STDOUT,
        STREAM_STDERR,
        _STREAM_MAX,
} Stream;

/* What the directories of FIFOs are called, and the FIFO beside those of the streams; they are there only
 * while a process is being started. */
#define PROCESS_DIRECTORY_PREFIX "exec-"
#define PROCESS_STDIN_NAME "stdin"

const char *stream_to_string(Stream stream) _const_;

/* Takes what the process wrote, as it comes. A negative value (with the error filled in) kills the process
 * and is the result of the run. */
typedef int (*ProcessOutput)(void *userdata, Stream stream, const char *data, size_t n, Error *error);

/* How long, after a process has ended, its output is still waited for while something that it left behind
 * keeps it open, in microseconds: since the last byte, and in all, that is, without the time in which there
 * was some. More than the process itself can have left to be read is not read. */
#define PROCESS_DRAIN_USEC UINT64_C(100000)
#define PROCESS_DRAIN_TOTAL_USEC UINT64_C(2000000)

/* How long a started process's stdin may take to be opened by the shim, in microseconds. */
#define PROCESS_STDIN_USEC UINT64_C(10000000)

/* Where its streams lead. */
typedef struct ProcessStdio {
        /* Either to a function; there is no stdin then. */
        ProcessOutput output;
        void *userdata;

        /* Or to fds that a client gave, borrowed: regular files, streams and devices as in given-fd.h. What
         * comes is passed on as it comes, and so is the end of stdin. When nobody reads stdout or stderr any
         * more, the process gets SIGPIPE, and what else it writes there is dropped. */
        bool given;
        int in, out, err;
        struct ucred client; /* who gave them */
} ProcessStdio;

/* Runs it to its end. `spec` is the JSON of an OCI runtime spec's process. ERROR_COMMAND_FAILED with the OCI
 * runtime's words when it cannot be started, ERROR_NOT_RUNNING where the container has no running task,
 * ERROR_INVALID_ARGUMENT for fds that are not fit. *ret_exit_code is the process's own, or 128 and the signal
 * that ended it. */
int process_run(Runtime *runtime, const char *container_id, const Buffer *spec, const ProcessStdio *stdio,
                int *ret_exit_code, Error *error);
