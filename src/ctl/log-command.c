/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/log-command.h"

#include "base/string-util.h"
#include "protocol/identifier.h"

/* The container's scope: the daemon names it so, whether the container runs or not. */
static char *scope_of(const char *instance, const char *id) {
        if (!instance || streq(instance, DEFAULT_INSTANCE))
                return format_string("--unit=cruxd-%s.scope", id);
        return format_string("--unit=cruxd-%s--%s.scope", instance, id);
}

int log_command_new(const Options *options, char ***ret, Error *error) {
        _cleanup_strv_ char **command = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = container_id_from_string(options->arguments[0], "ID", &id, error);
        if (r < 0)
                return r;
        if (strv_extend(&command, "journalctl") < 0 ||
            strv_consume(&command, scope_of(options->instance, id)) < 0 ||
            (options->json && strv_extend(&command, "--output=json") < 0) ||
            (options->quiet && strv_extend(&command, "--quiet") < 0))
                return error_oom(error);
        for (size_t i = 1; i < options->n_arguments; i++)
                if (strv_extend(&command, options->arguments[i]) < 0)
                        return error_oom(error);
        *ret = TAKE_PTR(command);
        return 0;
}
