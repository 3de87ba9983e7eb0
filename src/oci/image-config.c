/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/image-config.h"

#include <string.h>
#include <strings.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "oci/document.h"

static int get_strings(json_object *object, const char *name, char ***ret, Error *error) {
        int r = json_get_strv(object, name, ret, error);

        if (r > 0 && strv_length(*ret) > CONFIG_STRINGS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s has more than %u entries", name,
                                 CONFIG_STRINGS_MAX);
        return r;
}

static int get_string_copy(json_object *object, const char *name, char **ret, Error *error) {
        const char *s = NULL;

        int r = json_get_string(object, name, &s, error);
        if (r < 0)
                return r;
        return free_and_strdup(ret, isempty(s) ? NULL : s) < 0 ? error_oom(error) : 0;
}

static int parse_settings(json_object *settings, ImageConfig *config, Error *error) {
        int r = get_strings(settings, "Env", &config->env, error);
        if (r >= 0)
                r = get_strings(settings, "Entrypoint", &config->entrypoint, error);
        if (r >= 0)
                r = get_strings(settings, "Cmd", &config->cmd, error);
        if (r >= 0)
                r = get_string_copy(settings, "WorkingDir", &config->workdir, error);
        if (r >= 0)
                r = get_string_copy(settings, "User", &config->user, error);
        if (r >= 0)
                r = get_string_copy(settings, "StopSignal", &config->stop_signal, error);
        return r;
}

static int parse_platform(json_object *document, ImageConfig *config, Error *error) {
        const char *os = NULL, *architecture = NULL, *variant = NULL;

        int r = json_get_string(document, "os", &os, error);
        if (r >= 0)
                r = json_get_string(document, "architecture", &architecture, error);
        if (r >= 0)
                r = json_get_string(document, "variant", &variant, error);
        return r < 0 ? r : platform_from_parts(os, architecture, variant, &config->platform, error);
}

static int parse_rootfs(json_object *document, ImageConfig *config, Error *error) {
        json_object *rootfs = NULL;
        _cleanup_strv_ char **diff_ids = NULL;

        int r = json_get_object(document, "rootfs", &rootfs, error);
        if (r <= 0)
                return r;
        r = json_get_strv(rootfs, "diff_ids", &diff_ids, error);
        if (r <= 0)
                return r;
        size_t n = strv_length(diff_ids);
        if (n > MANIFEST_LAYERS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%zu diff_ids are more than the %u allowed",
                                 n, MANIFEST_LAYERS_MAX);
        config->diff_ids = new0(Digest, n + 1);
        if (!config->diff_ids)
                return error_oom(error);
        for (size_t i = 0; i < n; i++) {
                r = digest_parse(diff_ids[i], &config->diff_ids[i], error);
                if (r < 0)
                        return error_prefix(error, r, "diff_ids[%zu]", i);
        }
        config->n_diff_ids = n;
        return 0;
}

static int parse_document(ImageConfig *config, Error *error) {
        json_object *settings = NULL;

        int r = parse_platform(config->document, config, error);
        if (r < 0)
                return r;
        r = json_get_object(config->document, "config", &settings, error);
        if (r < 0)
                return r;
        r = parse_settings(settings, config, error);
        if (r < 0)
                return r;
        return parse_rootfs(config->document, config, error);
}

int image_config_parse(const char *text, size_t length, ImageConfig *ret, Error *error) {
        _cleanup_(image_config_clear) ImageConfig config = {};

        int r = document_parse("image config", text, length, &config.document, error);
        if (r < 0)
                return r;
        r = parse_document(&config, error);
        if (r < 0)
                return error_prefix(error, r, "image config");
        *ret = TAKE(config, (ImageConfig) {});
        return 0;
}

/* Any member that a reader without regard to case would take for `name`, but for one that is exactly it. */
static const char *find_other_spelling(json_object *object, const char *name) {
        json_object_object_foreach (object, key, value) {
                (void) value;
                if (strcasecmp(key, name) == 0 && !streq(key, name))
                        return key;
        }
        return NULL;
}

/* Removes the member in every spelling; with a value, which is taken over, puts it in its place. */
static int replace_member(json_object *object, const char *name, json_object *value) {
        const char *key;

        while ((key = find_other_spelling(object, name)))
                json_object_object_del(object, key);
        return json_add(object, name, value);
}

static void remove_member(json_object *object, const char *name) {
        const char *key;

        while ((key = find_other_spelling(object, name)))
                json_object_object_del(object, key);
        json_object_object_del(object, name);
}

/* The member object, made where there is none; borrowed. NULL without memory. */
static json_object *ensure_object(json_object *object, const char *name) {
        json_object *member = json_member(object, name);

        if (member && json_object_is_type(member, json_type_object))
                return member;
        return replace_member(object, name, json_object_new_object()) < 0 ? NULL : json_member(object, name);
}

static int set_strings(ImageConfig *config, const char *name, char ***field, char *const *strings) {
        json_object *settings = ensure_object(config->document, "config");
        char **copy = NULL;

        if (!settings)
                return -ENOMEM;
        if (!strings || !strings[0])
                remove_member(settings, name);
        else {
                copy = strv_copy(strings);
                if (!copy)
                        return -ENOMEM;
                if (replace_member(settings, name, json_new_strv(strings)) < 0) {
                        strv_free(copy);
                        return -ENOMEM;
                }
        }
        strv_free(*field);
        *field = copy;
        return 0;
}

int image_config_set_env(ImageConfig *config, char *const *env) {
        return set_strings(config, "Env", &config->env, env);
}

int image_config_set_workdir(ImageConfig *config, const char *workdir) {
        json_object *settings = ensure_object(config->document, "config");

        if (!settings || free_and_strdup(&config->workdir, isempty(workdir) ? NULL : workdir) < 0)
                return -ENOMEM;
        if (!config->workdir) {
                remove_member(settings, "WorkingDir");
                return 0;
        }
        return replace_member(settings, "WorkingDir", json_new_string(workdir, strlen(workdir)));
}

int image_config_set_entrypoint(ImageConfig *config, char *const *entrypoint) {
        int r = set_strings(config, "Entrypoint", &config->entrypoint, entrypoint);
        return r < 0 ? r : set_strings(config, "Cmd", &config->cmd, NULL);
}

/* Whether the history has as many entries with a layer as there are layers. */
static bool history_fits(json_object *history, size_t n_layers) {
        size_t n = 0;

        for (size_t i = 0; i < json_object_array_length(history); i++) {
                bool empty = false;
                if (json_get_bool(json_object_array_get_idx(history, i), "empty_layer", &empty, NULL) < 0)
                        return false;
                n += !empty;
        }
        return n == n_layers;
}

/* The history to append to, borrowed; *ret is NULL where there had better be none. */
static int ensure_history(ImageConfig *config, json_object **ret) {
        json_object *history = json_member(config->document, "history");

        *ret = NULL;
        if (history && json_object_is_type(history, json_type_array) &&
            history_fits(history, config->n_diff_ids)) {
                *ret = history;
                return 0;
        }
        if (config->n_diff_ids > 0) {
                remove_member(config->document, "history");
                return 0;
        }
        if (replace_member(config->document, "history", json_object_new_array()) < 0)
                return -ENOMEM;
        *ret = json_member(config->document, "history");
        return 0;
}

static int append_history(ImageConfig *config, uint64_t created_usec, const char *created_by, bool empty) {
        char created[TIMESTAMP_MAX];
        json_object *history;

        format_timestamp(created, created_usec);
        if (replace_member(config->document, "created", json_new_string(created, strlen(created))) < 0 ||
            ensure_history(config, &history) < 0)
                return -ENOMEM;
        if (!history)
                return 0;

        _cleanup_json_ json_object *entry = json_object_new_object();
        if (!entry || json_add_string(entry, "created", created) < 0 ||
            (created_by && json_add_string(entry, "created_by", created_by) < 0) ||
            (empty && json_add(entry, "empty_layer", json_object_new_boolean(true)) < 0))
                return -ENOMEM;
        return json_append(history, TAKE_PTR(entry));
}

/* The array rootfs.diff_ids, borrowed; made where there is none. */
static json_object *ensure_diff_ids(ImageConfig *config) {
        json_object *rootfs = ensure_object(config->document, "rootfs");

        if (!rootfs)
                return NULL;
        if (!json_member(rootfs, "type") && json_add_string(rootfs, "type", "layers") < 0)
                return NULL;
        if (!json_member(rootfs, "diff_ids") &&
            replace_member(rootfs, "diff_ids", json_object_new_array()) < 0)
                return NULL;
        return json_member(rootfs, "diff_ids");
}

int image_config_append_layer(ImageConfig *config, const Digest *diff_id, uint64_t created_usec,
                              const char *created_by) {
        if (append_history(config, created_usec, created_by, /* empty= */ false) < 0)
                return -ENOMEM;

        Digest *grown = reallocarray(config->diff_ids, config->n_diff_ids + 1, sizeof(Digest));
        if (!grown)
                return -ENOMEM;
        config->diff_ids = grown;
        json_object *array = ensure_diff_ids(config);
        if (!array || json_append(array, json_new_string(diff_id->string, strlen(diff_id->string))) < 0)
                return -ENOMEM;
        grown[config->n_diff_ids++] = *diff_id;
        return 0;
}

int image_config_append_empty(ImageConfig *config, uint64_t created_usec, const char *created_by) {
        return append_history(config, created_usec, created_by, /* empty= */ true);
}

int image_config_write(const ImageConfig *config, Buffer *buffer) {
        return json_write(config->document, buffer);
}

void image_config_clear(ImageConfig *config) {
        json_object_put(config->document);
        strv_free(config->env);
        strv_free(config->entrypoint);
        strv_free(config->cmd);
        free(config->workdir);
        free(config->user);
        free(config->stop_signal);
        free(config->diff_ids);
        *config = (ImageConfig) {};
}

char **image_config_args(const ImageConfig *config) {
        _cleanup_strv_ char **args = strv_copy(config->entrypoint);

        if (!args)
                return NULL;
        for (char *const *s = config->cmd; s && *s; s++)
                if (strv_extend(&args, *s) < 0)
                        return NULL;
        return TAKE_PTR(args);
}

int env_put(char ***env, const char *assignment) {
        size_t n = strcspn(assignment, "=");

        for (char **s = *env; s && *s; s++)
                if (strcspn(*s, "=") == n && memcmp(*s, assignment, n) == 0)
                        return free_and_strdup(s, assignment);
        return strv_extend(env, assignment);
}
