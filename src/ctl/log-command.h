/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How journalctl is asked for what a container writes. */

#include "ctl/options.h"

/* The instance that the daemon is when nobody says otherwise; its units bear no name of an instance. */
#define DEFAULT_INSTANCE "default"

/* The command line, for execvp(); `strv_free`. ERROR_INVALID_ARGUMENT for what is no container's id. */
int log_command_new(const Options *options, char ***ret, Error *error);
