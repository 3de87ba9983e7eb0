/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "recipe/recipe-internal.h"

static int check_steps(const Recipe *recipe, const Stage *stage, const Step *steps, size_t n,
                       const char *inside, Error *error) {
        for (size_t i = 0; i < n; i++) {
                const Step *step = steps + i;
                int r = 0;

                if (step->platform && inside)
                        r = error_set(error, ERROR_INVALID_ARGUMENT,
                                      "\"platform\" is not allowed in a platform %s", inside);
                else if (step->copy_stage && !recipe_find_stage(recipe, stage, step->copy_stage))
                        r = error_set(error, ERROR_INVALID_ARGUMENT, "copy failed: unknown stage \"%s\"",
                                      step->copy_stage);
                else if (step->is_group)
                        r = check_steps(recipe, stage, step->steps, step->n_steps, "group", error);
                if (r < 0)
                        return error_prefix(error, r, "step %zu", i + 1);
        }
        return 0;
}

static const Stage *find_same_name(const Recipe *recipe, const Stage *stage) {
        return stage->name ? recipe_find_stage(recipe, stage, stage->name) : NULL;
}

/* The stages that become images: one for every platform alike, or one for each of the platforms that are
 * named. */
static int check_outputs(const Recipe *recipe, Error *error) {
        const Stage *common = NULL, *named = NULL;
        char title[STAGE_TITLE_MAX], other[STAGE_TITLE_MAX];

        for (const Stage *stage = recipe->stages; stage < recipe->stages + recipe->n_stages; stage++) {
                if (stage->transient)
                        continue;
                stage_title(recipe, stage, title);
                if (!stage->platform) {
                        if (common)
                                return error_set(
                                        error, ERROR_INVALID_ARGUMENT,
                                        "%s: %s is not transient either; exactly one stage may be the image",
                                        title, stage_title(recipe, common, other));
                        common = stage;
                        continue;
                }
                for (const Stage *s = recipe->stages; s < stage; s++)
                        if (!s->transient && s->platform && streq(s->platform, stage->platform))
                                return error_set(error, ERROR_INVALID_ARGUMENT,
                                                 "%s: %s is the image for platform %s already", title,
                                                 stage_title(recipe, s, other), s->platform);
                named = stage;
        }
        if (common && named)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "%s: is the image for platform %s, but %s is the image for every platform",
                                 stage_title(recipe, named, title), named->platform,
                                 stage_title(recipe, common, other));
        if (!common && !named)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "recipe: every stage is transient, none becomes the image");
        return 0;
}

int recipe_check(const Recipe *recipe, Error *error) {
        char title[STAGE_TITLE_MAX];

        for (const Stage *stage = recipe->stages; stage < recipe->stages + recipe->n_stages; stage++) {
                stage_title(recipe, stage, title);
                if (find_same_name(recipe, stage))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "%s: the name is taken by an earlier stage", title);
                int r = check_steps(recipe, stage, stage->steps, stage->n_steps,
                                    stage->platform ? "stage" : NULL, error);
                if (r < 0)
                        return error_prefix(error, r, "%s", title);
        }
        return check_outputs(recipe, error);
}
