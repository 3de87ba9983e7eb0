/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values of settings as systemd.syntax(7) and systemd.time(7) write them. */

#include <stdint.h>

#include "base/macro.h"

/* "yes", "no", "true", "false", "on", "off", "1", "0": 0 or -EINVAL. */
int parse_boolean(const char *s, bool *ret);

/* A span of time in microseconds: numbers with units that are added up ("1min 30s", "500ms"), without a unit
 * seconds; "infinity" is USEC_INFINITY. -EINVAL, -ERANGE. */
int parse_time(const char *s, uint64_t *ret);

/* A size in bytes: a whole number with K, M, G or T, powers of 1024. -EINVAL, -ERANGE. */
int parse_size(const char *s, uint64_t *ret);
