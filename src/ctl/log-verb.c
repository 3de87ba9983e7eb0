/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/string-util.h"
#include "ctl/log-command.h"

int verb_log(const Options *options, Error *error) {
        _cleanup_strv_ char **command = NULL;
        int r;

        r = log_command_new(options, &command, error);
        if (r < 0)
                return r;
        execvp(command[0], command);
        return error_set_errno(error, errno, "%s", command[0]);
}
