/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of a runtime spec that are the same for every container: tables as JSON. Of this layer alone.
 * Each gives NULL without memory. */

#include "base/json.h"
#include "oci/spec.h"

json_object *spec_json_capabilities(void);
json_object *spec_json_rlimits(void);
json_object *spec_json_mounts(bool resolv_conf, const SpecMount *extra, size_t n_extra);
json_object *spec_json_linux(const char *cgroups_path);
