/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gRPC's status codes as errors of ours. Inside of this layer. */

#include <grpc/status.h>

#include "base/error.h"

/* What the words of a failed call need beside containerd's own. */
typedef struct StatusContext {
        const char *address;  /* of the socket */
        const char *method;   /* "/package.Service/Method" */
        unsigned timeout_sec; /* that the call had */
        bool cancelled;       /* by us */
} StatusContext;

/* Fills in the error and gives its errno; 0 for GRPC_STATUS_OK. `details` are the peer's or gRPC's own words,
 * any bytes. */
int status_to_error(grpc_status_code status, const char *details, size_t length, const StatusContext *context,
                    Error *error);
