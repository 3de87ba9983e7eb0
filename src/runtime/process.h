/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Executing a process in a running container, with what it writes. */

#include "base/buffer.h"
#include "runtime/runtime.h"

typedef enum Stream {
        STREAM_STDOUT,
        STREAM_STDERR,
        _STREAM_MAX,
} Stream;

/* What the directories of FIFOs are called; they are there only while a process is being started. */
#define PROCESS_DIRECTORY_PREFIX "exec-"

const char *stream_to_string(Stream stream) _const_;

/* Takes what the process wrote, as it comes. A negative value (with the error filled in) kills the process
 * and is the result of the run. */
typedef int (*ProcessOutput)(void *userdata, Stream stream, const char *data, size_t n, Error *error);

/* How long, after a process has ended, its output is still read while something that it left behind keeps it
 * open, in microseconds from the last byte. More than the process itself can have left to be read is not read. */
#define PROCESS_DRAIN_USEC UINT64_C(100000)

/* Runs it to its end. `spec` is the JSON of an OCI runtime spec's process. No stdin. ERROR_COMMAND_FAILED
 * with the OCI runtime's words when it cannot be started, ERROR_NOT_RUNNING where the container has no
 * running task. *ret_exit_code is the process's own, or 128 and the signal that ended it. */
int process_run(Runtime *runtime, const char *container_id, const Buffer *spec, ProcessOutput output,
                void *userdata, int *ret_exit_code, Error *error);
