/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is to be sent on a socket, and does not go yet. */

#include <stdint.h>

#include "base/buffer.h"

/* With so many bytes unsent, whoever produces more should wait. */
#define OUTPUT_HIGH ((size_t) KIB(64))

/* Zero-initialised is empty. */
typedef struct Output {
        Buffer buffer;
        size_t sent; /* of the buffer */
} Output;

/* Sends what goes without blocking and keeps a copy of the rest: 0, or a negative errno, -EPIPE where nobody
 * reads any more. */
int output_write(Output *output, int fd, const char *data, size_t n);

/* Sends more of what was kept: 1 when something went, 0 when nothing did, negative errno as above. */
int output_flush(Output *output, int fd);

static inline size_t output_pending(const Output *output) {
        return output->buffer.length - output->sent;
}

void output_clear(Output *output);
