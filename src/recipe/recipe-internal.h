/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "recipe/recipe.h"

/* What is bounded in all of a recipe. */
typedef struct RecipeCount {
        size_t steps;     /* RECIPE_STEPS_MAX */
        size_t variables; /* RECIPE_ENV_MAX */
} RecipeCount;

/* Reads `steps` of a stage or group into *ret_steps, counting them. On failure too what was read is in
 * *ret_steps, for steps_free(). */
int steps_parse(json_object *array, RecipeCount *count, Step **ret_steps, size_t *ret_n_steps, Error *error);
void steps_free(Step *steps, size_t n_steps);

/* That `s` (NULL: none), which is a path, is not longer than the kernel takes. */
int path_check(const char *name, const char *s, Error *error);

/* The rules that need more than one step or stage to see. */
int recipe_check(const Recipe *recipe, Error *error);
