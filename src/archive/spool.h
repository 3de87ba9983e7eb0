/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Unnamed files for what does not fit into memory: gone with their last fd, whatever happens. Of this layer
 * alone. */

#include "base/error.h"

#define SPOOL_DIRECTORY "/var/tmp"

/* A file for reading and writing in a directory (negative: SPOOL_DIRECTORY). fd or negative errno. */
int spool_open(int dir_fd, Error *error);
