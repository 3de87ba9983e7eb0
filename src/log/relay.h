/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From a container's stdout and stderr to the journal, until both have ended. */

#include "base/buffer.h"
#include "log/journal.h"
#include "log/lines.h"

typedef enum RelayStream {
        RELAY_STDOUT,
        RELAY_STDERR,
        _RELAY_STREAM_MAX,
} RelayStream;

typedef struct Relay Relay;

typedef struct RelayInput {
        Relay *relay;
        int fd; /* owned; -EBADF once it has ended */
        RelayStream stream;
        unsigned priority; /* of the present line */
        LineBuffer lines;
} RelayInput;

struct Relay {
        Journal *journal;
        const Buffer *fields; /* of every message */
        RelayInput inputs[_RELAY_STREAM_MAX];
};

/* Of a zeroed Relay. Takes the fds over. Journal and fields must outlive it. */
void relay_init(Relay *relay, Journal *journal, const Buffer *fields, int stdout_fd, int stderr_fd);

/* Reads lines and sends each as a message, until both streams have ended. While the journal has no room, or
 * is away, nothing is read and the container waits at its full pipes. Negative errno where it cannot go on.
 */
int relay_run(Relay *relay);
