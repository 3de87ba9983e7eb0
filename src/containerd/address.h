/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd's address. Inside of this layer. */

#include "base/error.h"

/* Takes "/run/containerd/containerd.sock" or "unix:///run/…", NULL for the default. Gives the path, and
 * gRPC's target for it; both owned by the caller. ERROR_INVALID_ARGUMENT for what no socket can have. */
int address_parse(const char *address, char **ret_path, char **ret_target, Error *error);
