/* SPDX-License-Identifier: Apache-2.0 */
#include "recipe/recipe.h"

#include <stdio.h>

#include "base/string-util.h"
#include "recipe/recipe-internal.h"

#define WHITE_SPACE " \t\r\n"

/* `file PATH` or `oci REFERENCE`; the client resolves every other kind of source before it sends the recipe.
 */
static int parse_from(const char *from, Stage *stage, Error *error) {
        size_t word = strcspn(from, WHITE_SPACE);
        const char *argument = from + word + strspn(from + word, WHITE_SPACE);
        size_t length = strlen(argument);

        while (length > 0 && strchr(WHITE_SPACE, argument[length - 1]))
                length--;

        if (word == strlen("file") && startswith(from, "file"))
                stage->from_kind = FROM_FILE;
        else if (word == strlen("oci") && startswith(from, "oci"))
                stage->from_kind = FROM_OCI;
        else
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "unsupported source type \"ref\": \"%s\" is a Crucible reference, which the "
                                 "client must resolve (want \"file PATH\" or \"oci REFERENCE\")",
                                 from);
        if (length == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "source \"%s\" names nothing", from);
        if (stage->from_kind == FROM_OCI && strcspn(argument, WHITE_SPACE) < length)
                return error_set(error, ERROR_INVALID_ARGUMENT, "source \"%s\" must be one reference", from);

        stage->from = strndup(argument, length);
        return stage->from ? 0 : error_oom(error);
}

static bool is_number(const char *s) {
        return s[strspn(s, "0123456789")] == '\0';
}

static int check_name(const char *name, Error *error) {
        if (is_number(name))
                return error_set(error, ERROR_INVALID_ARGUMENT, "name \"%s\" must not be a number", name);
        if (strlen(name) > STAGE_NAME_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "name \"%.*s…\" is longer than %u bytes",
                                 utf8_cut(name, STAGE_NAME_MAX), name, STAGE_NAME_MAX);
        for (const unsigned char *c = (const unsigned char *) name; *c; c++)
                if (*c <= ' ' || *c == 0x7f || *c == ':' || *c == '/')
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "name \"%s\" must not contain white space, control characters, "
                                         "\":\" or \"/\"",
                                         name);
        return 0;
}

static int stage_parse(json_object *json, RecipeCount *count, Stage *stage, Error *error) {
        const char *name = NULL, *platform = NULL, *from = NULL;
        json_object *steps = NULL;
        int r;

        if (!json_object_is_type(json, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "a stage must be an object");
        r = json_get_string(json, "name", &name, error);
        if (r >= 0 && !isempty(name))
                r = check_name(name, error);
        if (r >= 0)
                r = json_get_bool(json, "transient", &stage->transient, error);
        if (r >= 0)
                r = json_get_string(json, "platform", &platform, error);
        if (r >= 0)
                r = json_get_string(json, "from", &from, error);
        if (r >= 0)
                r = json_get_array(json, "steps", &steps, error);
        if (r < 0)
                return r;

        if (!isempty(platform) && !platform_string_is_valid(platform))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no platform (os/arch)", platform);
        if (isempty(from))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"from\" is missing");
        if ((!isempty(name) && free_and_strdup(&stage->name, name) < 0) ||
            (!isempty(platform) && free_and_strdup(&stage->platform, platform) < 0))
                return error_oom(error);
        r = path_check("from", from, error);
        if (r >= 0)
                r = parse_from(from, stage, error);
        if (r < 0 || !steps)
                return r;
        return steps_parse(steps, count, &stage->steps, &stage->n_steps, error);
}

int recipe_new(json_object *json, Recipe **ret, Error *error) {
        _cleanup_(recipe_freep) Recipe *recipe = new0(Recipe, 1);
        json_object *stages = NULL;
        RecipeCount count = {};
        int r;

        if (!recipe)
                return error_oom(error);
        r = json_get_array(json, "stages", &stages, error);
        if (r < 0)
                return error_prefix(error, r, "recipe");
        size_t n = stages ? json_object_array_length(stages) : 0;
        if (n == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "recipe: at least one stage is needed");
        if (n > RECIPE_STAGES_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "recipe: %zu stages are over the limit of %u",
                                 n, RECIPE_STAGES_MAX);

        recipe->stages = new0(Stage, n);
        if (!recipe->stages)
                return error_oom(error);
        recipe->n_stages = n;
        for (size_t i = 0; i < n; i++) {
                char title[STAGE_TITLE_MAX];

                r = stage_parse(json_object_array_get_idx(stages, i), &count, recipe->stages + i, error);
                if (r < 0)
                        return error_prefix(error, r, "%s", stage_title(recipe, recipe->stages + i, title));
        }
        r = recipe_check(recipe, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(recipe);
        return 0;
}

Recipe *recipe_free(Recipe *recipe) {
        if (!recipe)
                return NULL;
        for (size_t i = 0; i < recipe->n_stages; i++) {
                free(recipe->stages[i].name);
                free(recipe->stages[i].platform);
                free(recipe->stages[i].from);
                steps_free(recipe->stages[i].steps, recipe->stages[i].n_steps);
        }
        free(recipe->stages);
        return mfree(recipe);
}

const char *stage_title(const Recipe *recipe, const Stage *stage, char buffer[static STAGE_TITLE_MAX]) {
        if (stage->name)
                snprintf(buffer, STAGE_TITLE_MAX, "stage \"%s\"", stage->name);
        else
                snprintf(buffer, STAGE_TITLE_MAX, "stage %zu", (size_t) (stage - recipe->stages) + 1);
        return buffer;
}

const Stage *recipe_find_stage(const Recipe *recipe, const Stage *before, const char *name) {
        for (const Stage *stage = recipe->stages; stage < before; stage++)
                if (stage->name && streq(stage->name, name))
                        return stage;
        return NULL;
}

bool platform_string_is_valid(const char *s) {
        unsigned parts = 1;
        size_t length = 0;

        for (; *s; s++) {
                if (*s == '/') {
                        if (length == 0)
                                return false;
                        parts++;
                        length = 0;
                } else if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '-' ||
                           *s == '.')
                        length++;
                else
                        return false;
        }
        return length > 0 && (parts == 2 || parts == 3);
}
