/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The systemd scope that a container's cgroup is. The OCI runtime makes it; crun gives all of them the same
 * description, whatever the spec's annotations say. */

#include "base/macro.h"

/* Makes it say what it is in `systemctl status`. For people to read: what fails is only logged, at the level
 * debug. */
void scope_describe(const char *unit, const char *description);
