/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What cruxctl ends with, as cruxctl(1) says: scripts go by it. */

#include "base/error.h"

enum {
        EXIT_USAGE = 2, /* the command line is wrong */
        EXIT_STATE_STOPPED =
                3,             /* "state" of a container that does not run: as LSB and systemctl(1) have it */
        EXIT_STATE_ABSENT = 4, /* and of one that is not there */
        EXIT_UNAVAILABLE = 69, /* daemon or containerd cannot be reached: as sysexits.h(3head) has it */
        EXIT_TRY_AGAIN = 75,   /* a bound is reached */
        EXIT_NOT_PERMITTED = 77,
        EXIT_TOOL_FAILED = 125, /* "exec" did not come to the command: as env(1) and others have it */
};

int exit_status_of_error(ErrorCode code) _const_;

/* `status` is the reply's word. */
int exit_status_of_state(const char *status) _pure_;
