/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where a stream of bytes goes. */

#include "base/error.h"
#include "base/macro.h"

typedef struct Sink {
        /* Takes all n bytes, or gives a negative errno (and the error), which ends the stream. Called in the
         * thread of whoever started the stream. */
        int (*write)(void *userdata, const void *data, size_t n, Error *error);
        void *userdata;
} Sink;

/* A flag that another thread or a signal handler sets to end long work soon with ERROR_CANCELLED. */
typedef const volatile _Atomic(bool) CancelFlag;

static inline int cancel_check(CancelFlag *flag, Error *error) {
        return flag && *flag ? error_set(error, ERROR_CANCELLED, "cancelled") : 0;
}

/* A sink that writes to an fd; `*fd` must live as long. */
Sink sink_to_fd(int *fd);
