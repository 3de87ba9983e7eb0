/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <string.h>

#include "base/json.h"
#include "base/string-util.h"
#include "oci/spec-json.h"

/* How much of a string that is too long an error shows, in bytes. */
#define QUOTE_MAX 32U

/* Adds up in *size what the strings take of SPEC_STRINGS_MAX. `what` is one of them. */
static int check_strings(const char *what, char *const *strings, size_t *size, Error *error) {
        for (char *const *s = strings; s && *s; s++) {
                const size_t n = strlen(*s) + 1;

                if (n > SPEC_STRING_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "%s \"%.*s…\" has %zu bytes, over the limit of %zu", what,
                                         utf8_cut(*s, QUOTE_MAX), *s, n - 1, SPEC_STRING_MAX - 1);
                *size += n + sizeof(char *);
        }
        if (*size > SPEC_STRINGS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "arguments and environment have more than %zu bytes", SPEC_STRINGS_MAX);
        return 0;
}

static int check_process(char *const *args, char *const *env, const char *cwd, Error *error) {
        size_t size = 0;

        if (!args || isempty(args[0]))
                return error_set(error, ERROR_INVALID_ARGUMENT, "there is no command to run");
        if (cwd && cwd[0] != '/')
                return error_set(error, ERROR_INVALID_ARGUMENT, "working directory \"%s\" is not absolute",
                                 cwd);
        int r = check_strings("argument", args, &size, error);
        return r < 0 ? r : check_strings("environment variable", env, &size, error);
}

static json_object *env_to_json(char *const *env) {
        static char default_path[] = SPEC_DEFAULT_PATH;
        static char *const default_env[] = { default_path, NULL };
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (char *const *s = env && env[0] ? env : default_env; *s; s++) {
                const char *equals = strchr(*s, '=');
                if (equals && equals != *s && json_append(array, json_new_string(*s, strlen(*s))) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static json_object *user_to_json(const ImageUser *user) {
        _cleanup_json_ json_object *object = json_object_new_object(), *groups = json_object_new_array();

        if (!object || !groups || json_add(object, "uid", json_object_new_int64(user->uid)) < 0 ||
            json_add(object, "gid", json_object_new_int64(user->gid)) < 0)
                return NULL;
        for (size_t i = 0; i < user->n_groups; i++)
                if (json_append(groups, json_object_new_int64(user->groups[i])) < 0)
                        return NULL;
        if (user->n_groups > 0 && json_add(object, "additionalGids", TAKE_PTR(groups)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

static json_object *process_to_json(const SpecInputs *inputs) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add(object, "user", user_to_json(inputs->user)) < 0 ||
            json_add(object, "args", json_new_strv(inputs->args)) < 0 ||
            json_add(object, "env", env_to_json(inputs->env)) < 0 ||
            json_add_string(object, "cwd", inputs->cwd ? inputs->cwd : "/") < 0 ||
            json_add(object, "capabilities", spec_json_capabilities()) < 0 ||
            json_add(object, "rlimits", spec_json_rlimits()) < 0 ||
            json_add(object, "noNewPrivileges", json_object_new_boolean(true)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

static json_object *root_to_json(void) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_string(object, "path", "rootfs") < 0)
                return NULL;
        return TAKE_PTR(object);
}

static json_object *annotations_to_json(const SpecInputs *inputs) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object)
                return NULL;
        for (size_t i = 0; i < inputs->n_annotations; i++)
                if (json_add_string(object, inputs->annotations[i].name, inputs->annotations[i].value) < 0)
                        return NULL;
        return TAKE_PTR(object);
}

static json_object *spec_to_json(const SpecInputs *inputs) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_string(object, "ociVersion", SPEC_VERSION) < 0 ||
            json_add(object, "process", process_to_json(inputs)) < 0 ||
            json_add(object, "root", root_to_json()) < 0 ||
            (inputs->hostname && json_add_string(object, "hostname", inputs->hostname) < 0) ||
            json_add(object, "mounts",
                     spec_json_mounts(!inputs->no_resolv_conf, inputs->mounts, inputs->n_mounts)) < 0 ||
            (inputs->n_annotations > 0 && json_add(object, "annotations", annotations_to_json(inputs)) < 0) ||
            json_add(object, "linux", spec_json_linux(inputs->cgroups_path)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

int spec_write(const SpecInputs *inputs, Buffer *ret, Error *error) {
        int r = check_process(inputs->args, inputs->env, inputs->cwd, error);
        if (r < 0)
                return r;

        _cleanup_json_ json_object *object = spec_to_json(inputs);
        return !object || json_write(object, ret) < 0 ? error_oom(error) : 0;
}

/* What an exec takes from the container's process is all that it does not say itself. */
static int apply_exec(json_object *process, const SpecExec *exec) {
        int r = json_add(process, "args", json_new_strv(exec->args));

        if (r >= 0 && exec->env)
                r = json_add(process, "env", env_to_json(exec->env));
        if (r >= 0 && exec->cwd)
                r = json_add_string(process, "cwd", exec->cwd);
        json_object_object_del(process, "terminal");
        json_object_object_del(process, "consoleSize");
        if (r >= 0 && exec->terminal)
                r = json_add(process, "terminal", json_object_new_boolean(true));
        return r;
}

int spec_write_exec(const char *spec, size_t length, const SpecExec *exec, Buffer *ret, Error *error) {
        _cleanup_json_ json_object *object = NULL;
        json_object *process = NULL;

        int r = check_process(exec->args, exec->env, exec->cwd, error);
        if (r < 0)
                return r;
        if (length > SPEC_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the container's spec is larger than %llu bytes",
                                 (unsigned long long) SPEC_SIZE_MAX);
        r = json_parse(spec, length, SPEC_DEPTH_MAX, &object, error);
        if (r >= 0)
                r = json_get_object(object, "process", &process, error);
        if (r < 0)
                return error_prefix(error, r, "the container's spec");
        if (!process)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the container's spec has no process");
        return apply_exec(process, exec) < 0 || json_write(process, ret) < 0 ? error_oom(error) : 0;
}
