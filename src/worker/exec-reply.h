/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The reply to an exec: its output is kept once, as it came, and turned into JSON while it is sent. */

#include "base/buffer.h"
#include "runtime/process.h"

/* Stdout and stderr together, in bytes; a command that writes more is ended with an error. */
#define EXEC_OUTPUT_MAX ((size_t) MIB(256))

typedef struct ExecReply {
        Buffer streams[_STREAM_MAX];
} ExecReply;

/* A ProcessOutput, with the ExecReply as userdata. */
int exec_reply_take(void *userdata, Stream stream, const char *data, size_t n, Error *error);

/* Sends the whole line. The output becomes text, where what is no UTF-8 is lost, or with `bytes` a character
 * of U+0000 to U+00FF for each byte. What fails here can no longer be told to the client. */
int exec_reply_send(const ExecReply *reply, int exit_code, bool bytes, int fd, Error *error);

void exec_reply_clear(ExecReply *reply);
