/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/output.h"

#include <sys/socket.h>

/* The bytes that went; 0 when none does now. */
static ssize_t try_send(int fd, const char *data, size_t n) {
        for (;;) {
                ssize_t k = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (k >= 0)
                        return k;
                if (errno == EAGAIN)
                        return 0;
                if (errno != EINTR)
                        return errno == ECONNRESET ? -EPIPE : -errno;
        }
}

int output_write(Output *output, int fd, const char *data, size_t n) {
        while (output_pending(output) == 0 && n > 0) {
                ssize_t k = try_send(fd, data, n);
                if (k < 0)
                        return (int) k;
                if (k == 0)
                        break;
                data += k;
                n -= (size_t) k;
        }
        return buffer_append(&output->buffer, data, n);
}

int output_flush(Output *output, int fd) {
        bool progress = false;

        while (output_pending(output) > 0) {
                ssize_t k = try_send(fd, output->buffer.data + output->sent, output_pending(output));
                if (k < 0)
                        return (int) k;
                if (k == 0)
                        break;
                output->sent += (size_t) k;
                progress = true;
        }

        /* Moved forward rarely, so that much is not moved often. */
        if (output_pending(output) == 0)
                output->buffer.length = output->sent = 0;
        else if (output->sent >= OUTPUT_HIGH) {
                buffer_consume(&output->buffer, output->sent);
                output->sent = 0;
        }
        return progress;
}

void output_clear(Output *output) {
        buffer_clear(&output->buffer);
        *output = (Output) {};
}
