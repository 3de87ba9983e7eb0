/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removing what processes left that died: build containers with their tasks, snapshots, leases, FIFOs,
 * scopes. Only what has this instance's label and that of a process which is no more is touched: never a
 * service container, another instance's work, or what is under way now. */

#include "runtime/runtime.h"

typedef struct Sweep {
        unsigned containers;
        unsigned snapshots;
        unsigned leases;
        unsigned directories; /* of FIFOs */
        unsigned scopes;      /* without a process */
} Sweep;

/* Goes on after a failure and gives the first one. */
int sweep(Runtime *runtime, Sweep *ret, Error *error);
