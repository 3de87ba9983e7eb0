/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/sink.h"

#include "base/fd-util.h"

static int write_to_fd(void *userdata, const void *data, size_t n, Error *error) {
        const int *fd = userdata;
        int r = write_all(*fd, data, n);

        return r < 0 ? error_set_errno(error, r, "writing %zu bytes", n) : 0;
}

Sink sink_to_fd(int *fd) {
        return (Sink) { .write = write_to_fd, .userdata = fd };
}
