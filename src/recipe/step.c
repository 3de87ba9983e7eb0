/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "protocol/limits.h"
#include "recipe/recipe-internal.h"

#define WHITE_SPACE " \t\r\n\v\f"

/* How much of a variable's name an error shows, in bytes. */
#define QUOTED_NAME_MAX 64U

/* Strings of the document: empty is as good as absent, which is how the CLI sends what it does not have. */
static int read_string(json_object *json, const char *name, char **ret, Error *error) {
        const char *s = NULL;
        int r = json_get_string(json, name, &s, error);

        if (r <= 0 || !s[0])
                return MIN(r, 0);
        return free_and_strdup(ret, s) < 0 ? error_oom(error) : 0;
}

int path_check(const char *name, const char *s, Error *error) {
        size_t n = s ? strlen(s) : 0;

        return n >= PATH_BYTES_MAX
                       ? error_set(error, ERROR_INVALID_ARGUMENT,
                                   "\"%s\": %zu bytes are over the limit of %u", name, n, PATH_BYTES_MAX - 1)
                       : 0;
}

static int read_env(json_object *json, RecipeCount *count, char ***ret, Error *error) {
        json_object *env = NULL;
        int r = json_get_object(json, "env", &env, error);

        if (r <= 0)
                return r;
        count->variables += (size_t) json_object_object_length(env);
        if (count->variables > RECIPE_ENV_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "\"env\": the recipe sets more than %u variables", RECIPE_ENV_MAX);
        json_object_object_foreach (env, name, value) {
                if (!name[0] || strchr(name, '='))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "\"env\": \"%s\" is no name of a variable", name);
                if (!json_object_is_type(value, json_type_string))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "\"env\": the value of \"%s\" must be a string", name);
                const char *s = json_object_get_string(value);
                if (strlen(s) != (size_t) json_object_get_string_len(value))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "\"env\": the value of \"%s\" must not contain a NUL character",
                                         name);
                if (strlen(name) + 1 + strlen(s) >= ARGUMENT_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "\"env\": \"%.*s\" and its value are over the limit of %zu bytes",
                                         utf8_cut(name, QUOTED_NAME_MAX), name, ARGUMENT_MAX - 1);
                if (strv_consume(ret, format_string("%s=%s", name, s)) < 0)
                        return error_oom(error);
        }
        return 0;
}

/* "SRC DEST"; SRC is STAGE:PATH where a colon stands before the first slash. */
static int parse_copy(const char *copy, Step *step, Error *error) {
        const char *source = copy + strspn(copy, WHITE_SPACE);
        size_t source_length = strcspn(source, WHITE_SPACE);
        const char *destination = source + source_length + strspn(source + source_length, WHITE_SPACE);
        size_t destination_length = strcspn(destination, WHITE_SPACE);
        const char *rest =
                destination + destination_length + strspn(destination + destination_length, WHITE_SPACE);

        if (!source_length || !destination_length || *rest)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "copy \"%.*s\" must be exactly two words, \"SRC DEST\"",
                                 utf8_cut(copy, PATH_BYTES_MAX), copy);

        size_t head = strcspn(source, ":/");
        if (head < source_length && source[head] == ':') {
                step->copy_stage = strndup(source, head);
                if (!step->copy_stage)
                        return error_oom(error);
                source += head + 1;
                source_length -= head + 1;
                if (!source_length)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "copy \"%s\" names no path in stage \"%s\"", copy, step->copy_stage);
        }
        step->copy_source = strndup(source, source_length);
        step->copy_destination = strndup(destination, destination_length);
        return step->copy_source && step->copy_destination ? 0 : error_oom(error);
}

/* What one step must be by itself. */
static int step_check(const Step *step, Error *error) {
        bool copies = step->copy_source;

        int r = path_check("shell", step->shell, error);
        if (r >= 0)
                r = path_check("workdir", step->workdir, error);
        if (r >= 0)
                r = path_check("copy", step->copy_source, error);
        if (r >= 0)
                r = path_check("copy", step->copy_destination, error);
        if (r < 0)
                return r;
        if (step->run && strlen(step->run) >= ARGUMENT_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"run\" is over the limit of %zu bytes",
                                 ARGUMENT_MAX - 1);
        if (step->run && copies)
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"run\" and \"copy\" exclude each other");
        if (step->is_group && (step->run || copies))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "\"steps\" and an operation exclude each other");
        if (step->is_group && !step->platform)
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"steps\" needs \"platform\"");
        if (copies && (step->shell || step->env))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"copy\" takes no \"%s\"",
                                 step->shell ? "shell" : "env");
        if (!step->run && !copies && !step->is_group && !step->shell && !step->workdir && !step->env &&
            !step->platform)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the step is empty");
        if (step->platform && !platform_string_is_valid(step->platform))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no platform (os/arch)",
                                 step->platform);
        return 0;
}

static int step_parse(json_object *json, RecipeCount *count, Step *step, Error *error) {
        _cleanup_free_ char *copy = NULL;
        json_object *steps = NULL;
        int r;

        if (!json_object_is_type(json, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "a step must be an object");

        r = read_string(json, "run", &step->run, error);
        if (r >= 0)
                r = read_string(json, "shell", &step->shell, error);
        if (r >= 0)
                r = read_string(json, "workdir", &step->workdir, error);
        if (r >= 0)
                r = read_string(json, "platform", &step->platform, error);
        if (r >= 0)
                r = read_string(json, "copy", &copy, error);
        if (r >= 0)
                r = read_env(json, count, &step->env, error);
        if (r >= 0 && copy)
                r = parse_copy(copy, step, error);
        if (r < 0)
                return r;

        r = json_get_array(json, "steps", &steps, error);
        if (r < 0)
                return r;
        step->is_group = r > 0;
        r = step_check(step, error);
        if (r < 0 || !step->is_group)
                return r;
        return steps_parse(steps, count, &step->steps, &step->n_steps, error);
}

int steps_parse(json_object *array, RecipeCount *count, Step **ret_steps, size_t *ret_n_steps, Error *error) {
        size_t n = json_object_array_length(array);

        count->steps += n;
        if (count->steps > RECIPE_STEPS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the recipe has more than %u steps",
                                 RECIPE_STEPS_MAX);

        Step *steps = new0(Step, n + 1);
        if (!steps)
                return error_oom(error);
        *ret_steps = steps;
        *ret_n_steps = n;
        for (size_t i = 0; i < n; i++) {
                int r = step_parse(json_object_array_get_idx(array, i), count, steps + i, error);
                if (r < 0)
                        return error_prefix(error, r, "step %zu", i + 1);
        }
        return 0;
}

void steps_free(Step *steps, size_t n_steps) {
        for (size_t i = 0; i < n_steps; i++) {
                Step *step = steps + i;

                free(step->run);
                free(step->shell);
                free(step->workdir);
                free(step->platform);
                strv_free(step->env);
                free(step->copy_source);
                free(step->copy_destination);
                free(step->copy_stage);
                steps_free(step->steps, step->n_steps);
        }
        free(steps);
}
