/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/exit-status.h"

int exit_status_of_error(ErrorCode code) {
        switch (code) {
        case ERROR_UNAVAILABLE:
                return EXIT_UNAVAILABLE;
        case ERROR_BUSY:
                return EXIT_TRY_AGAIN;
        case ERROR_PERMISSION_DENIED:
                return EXIT_NOT_PERMITTED;
        default:
                return EXIT_FAILURE;
        }
}

int exit_status_of_state(const char *status) {
        if (streq(status, "running"))
                return EXIT_SUCCESS;
        return streq(status, "stopped") ? EXIT_STATE_STOPPED : EXIT_STATE_ABSENT;
}
