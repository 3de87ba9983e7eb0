/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* "exec" on the bus, where the command has cruxctl's own standard input, output and error. */

#include "ctl/options.h"

/* Executes the options' command and waits for its end: 1 with *ret_exit_code; 0 where the daemon is not to be
 * had by the bus, and nothing was executed. The daemon's error is given as it came, with its code. */
int exec_on_bus(const Options *options, int *ret_exit_code, Error *error);
