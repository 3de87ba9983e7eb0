/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Headers of ustar archives (POSIX.1, pax, "ustar Interchange Format") with fixed owner and time, for entries
 * whose header is written after their content, which no library does. Of this layer alone. */

#include <stdint.h>

#include "base/macro.h"

#define USTAR_BLOCK 512
#define USTAR_NAME_MAX 100

/* A file, or a directory when the name ends in '/'. The name is USTAR_NAME_MAX bytes at most. */
void ustar_header(char ret[static USTAR_BLOCK], const char *name, uint64_t size);
