/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is told of a build while it goes on: to the journal always, to the client when it asked for it. */

#include "build/observer.h"
#include "worker/handlers.h"

/* Bytes are told of at most so often, in microseconds. */
#define PROGRESS_BYTES_INTERVAL_USEC UINT64_C(200000)

typedef struct Progress {
        BuildObserver observer; /* its userdata is the Progress, which must not move */
        Work *work;
        bool wanted; /* by the client */
        uint64_t bytes_told_usec;
} Progress;

/* Fills in all of it. */
void progress_start(Progress *progress, Work *work);
