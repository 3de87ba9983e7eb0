/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The systemd scope that a container's cgroup is. The OCI runtime makes it; crun gives all of them the same
 * description, whatever the spec's annotations say. */

#include "base/macro.h"

/* Makes it say what it is in `systemctl status`. For people to read: what fails is only logged, at the level
 * debug. */
void scope_describe(const char *unit, const char *description);

/* Stops the scopes "PREFIXid.scope", whatever identifier the id is, that have no process any more, and
 * forgets those that have failed; gives how many. systemd does that by itself, unless it was told of the
 * scope when the container had died already. What fails is only logged, at the level debug. */
unsigned scope_stop_empty(const char *prefix);
