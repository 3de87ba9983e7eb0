/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A connection to the daemon: a line out, lines in. Closing it cancels what was asked for, so that a cruxctl
 * that is interrupted need do nothing about it. */

#include "base/buffer.h"
#include "base/error.h"

/* What the longest reply takes, in bytes: an exec's with 256 MiB of output that has to be escaped. */
#define REPLY_LINE_MAX ((size_t) INT32_MAX - 1)

typedef struct Connection {
        int fd;
        Buffer input;
        size_t taken; /* of the input: the line that was given out last */
} Connection;

#define CONNECTION_NULL \
        (Connection) { \
                .fd = -EBADF \
        }

/* ERROR_UNAVAILABLE where nobody listens, ERROR_PERMISSION_DENIED. */
int connection_open(const char *path, Connection *ret, Error *error);

/* Sends all of it. A daemon that has closed its side is no error: it may have told why, which the next
 * connection_receive() gives. */
int connection_send(Connection *connection, const char *data, size_t n, Error *error);

/* Waits for the next line, which is given without its newline and stays the connection's until the next call.
 * ERROR_UNAVAILABLE when the connection ends before. */
int connection_receive(Connection *connection, const char **ret, size_t *ret_length, Error *error);

void connection_clear(Connection *connection);
