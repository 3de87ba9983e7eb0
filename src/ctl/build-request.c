/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/build-request.h"

#include "base/fd-util.h"
#include "base/string-util.h"
#include "protocol/limits.h"

int recipe_read(int fd, const char *name, json_object **ret, Error *error) {
        _cleanup_json_ json_object *recipe = NULL;
        _cleanup_(buffer_clear) Buffer text = {};
        int r;

        r = read_to_end(fd, &text, PROTOCOL_LINE_MAX);
        if (r == -EFBIG)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s: larger than %zu bytes", name,
                                 (size_t) PROTOCOL_LINE_MAX);
        if (r < 0)
                return error_set_errno(error, r, "%s", name);
        r = json_parse(strempty(text.data), text.length, PROTOCOL_NESTING_MAX, &recipe, error);
        if (r < 0)
                return error_prefix(error, r, "%s", name);
        if (!json_object_is_type(recipe, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s: a recipe must be a JSON object", name);
        *ret = TAKE_PTR(recipe);
        return 0;
}

char *path_make_absolute(const char *directory, const char *path) {
        const char *rest;

        if (path[0] == '/')
                return strdup(path);
        while ((rest = skip_prefix(path, "./")))
                for (path = rest; *path == '/'; path++)
                        ;
        if (isempty(path) || streq(path, "."))
                return strdup(directory);
        return format_string("%s%s%s", directory, endswith(directory, "/") ? "" : "/", path);
}

static int add_path(json_object *payload, const char *name, const char *directory, const char *path) {
        _cleanup_free_ char *absolute = path_make_absolute(directory, path ?: ".");

        return absolute ? json_add_string(payload, name, absolute) : -ENOMEM;
}

static int add_words(json_object *payload, const char *name, const char *const *words, size_t n) {
        return n > 0 ? json_add(payload, name, json_new_strv((char *const *) words)) : 0;
}

int build_request_new(const Options *options, json_object *recipe, const char *directory, bool progress,
                      json_object **ret, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object();

        if (!payload || json_add(payload, "recipe", json_object_get(recipe)) < 0 ||
            json_add_string(payload, "resource", options->resource) < 0 ||
            add_path(payload, "root", directory, options->root) < 0 ||
            add_path(payload, "output", directory, options->output) < 0 ||
            add_words(payload, "entrypoint", options->entrypoint, options->n_entrypoint) < 0 ||
            add_words(payload, "platforms", options->platforms, options->n_platforms) < 0 ||
            (progress && json_add(payload, "progress", json_object_new_boolean(true)) < 0))
                return error_oom(error);
        *ret = TAKE_PTR(payload);
        return 0;
}
