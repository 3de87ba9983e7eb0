/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Something that listens where containerd should, and says what containerd never would. */

#include <stddef.h>

typedef enum FakeKind {
        FAKE_SILENT,   /* accepts and says nothing */
        FAKE_CLOSING,  /* accepts and closes */
        FAKE_GARBAGE,  /* is no HTTP/2 server */
        FAKE_ANSWERING /* answers each call with the frames that it was given */
} FakeKind;

typedef struct Fake Fake;

/* Starts a thread that listens at this path. `body` is what follows the response's headers in a DATA frame,
 * NULL for none, and stays the caller's; `status` is gRPC's status in the trailers, NULL for none, after
 * which the stream stays open. */
Fake *fake_new(const char *path, FakeKind kind, const void *body, size_t body_n, const char *status);
void fake_free(Fake *fake);
