/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe/step-state.h"

#include "base/string-util.h"

int env_set(char ***env, const char *assignment) {
        size_t name = strcspn(assignment, "=");

        for (char **e = *env; e && *e; e++)
                if (strncmp(*e, assignment, name) == 0 && (*e)[name] == '=')
                        return free_and_strdup(e, assignment);
        return strv_extend(env, assignment);
}

/* Drops the last component of an absolute path that is being put together; the root stays. */
static size_t drop_component(const char *path, size_t n) {
        while (n > 0 && path[n - 1] != '/')
                n--;
        return n > 0 ? n - 1 : 0;
}

char *path_resolve(const char *base, const char *path) {
        _cleanup_free_ char *whole = format_string("%s/%s", path[0] == '/' ? "" : strempty(base), path);
        char *out = whole ? malloc(strlen(whole) + 2) : NULL;
        size_t n = 0;

        if (!out)
                return NULL;
        for (const char *p = whole; *p;) {
                p += strspn(p, "/");
                size_t length = strcspn(p, "/");

                if (length == 2 && p[0] == '.' && p[1] == '.')
                        n = drop_component(out, n);
                else if (length > 0 && !(length == 1 && p[0] == '.')) {
                        out[n++] = '/';
                        memcpy(out + n, p, length);
                        n += length;
                }
                p += length;
        }
        if (n == 0)
                out[n++] = '/';
        out[n] = '\0';
        return out;
}

int step_state_init(StepState *state, const char *workdir, char *const *env) {
        _cleanup_(step_state_clear) StepState s = { .shell = strdup(DEFAULT_SHELL) };

        if (!s.shell)
                return -ENOMEM;
        if (!isempty(workdir)) {
                s.workdir = path_resolve(NULL, workdir);
                if (!s.workdir)
                        return -ENOMEM;
        }
        for (; env && *env; env++)
                if (strchr(*env, '=') && env_set(&s.env, *env) < 0)
                        return -ENOMEM;
        *state = s;
        s = (StepState) {};
        return 0;
}

int step_state_copy(const StepState *state, StepState *ret) {
        _cleanup_(step_state_clear) StepState s = { .env = strv_copy(state->env) };

        if (!s.env || free_and_strdup(&s.shell, state->shell) < 0 ||
            free_and_strdup(&s.workdir, state->workdir) < 0)
                return -ENOMEM;
        *ret = s;
        s = (StepState) {};
        return 0;
}

void step_state_clear(StepState *state) {
        free(state->shell);
        free(state->workdir);
        strv_free(state->env);
        *state = (StepState) {};
}

int step_state_apply(StepState *state, const Step *step) {
        if (step->shell && free_and_strdup(&state->shell, step->shell) < 0)
                return -ENOMEM;
        if (step->workdir) {
                char *workdir = path_resolve(state->workdir, step->workdir);
                if (!workdir)
                        return -ENOMEM;
                free(state->workdir);
                state->workdir = workdir;
        }
        for (char **e = step->env; e && *e; e++)
                if (env_set(&state->env, *e) < 0)
                        return -ENOMEM;
        return 0;
}
