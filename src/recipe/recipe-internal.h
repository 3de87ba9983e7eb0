/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "recipe/recipe.h"

/* Reads `steps` of a stage or group into *ret_steps, counting them in *count, which RECIPE_STEPS_MAX bounds.
 * On failure too what was read is in *ret_steps, for steps_free(). */
int steps_parse(json_object *array, size_t *count, Step **ret_steps, size_t *ret_n_steps, Error *error);
void steps_free(Step *steps, size_t n_steps);

/* The rules that need more than one step or stage to see. */
int recipe_check(const Recipe *recipe, Error *error);
