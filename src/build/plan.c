/* SPDX-License-Identifier: Apache-2.0 */
#include "build/plan.h"

#include "base/string-util.h"
#include "build/emulation.h"
#include "oci/reference.h"

bool plan_is_for(const char *wanted, const Platform *platform) {
        Platform p;

        return !wanted || (platform_parse(wanted, &p, NULL) >= 0 && platform_equal(&p, platform));
}

unsigned plan_count_steps(const Step *steps, size_t n_steps) {
        unsigned n = 0;

        for (const Step *step = steps; step < steps + n_steps; step++)
                n += step->is_group ? plan_count_steps(step->steps, step->n_steps) : 1;
        return n;
}

static int add_platform(Plan *plan, const Platform *platform, Error *error) {
        char name[PLATFORM_MAX];

        platform_format(name, platform);
        if (!streq(platform->os, "linux"))
                return error_set(error, ERROR_UNSUPPORTED, "platform %s: only linux images can be built",
                                 name);
        for (size_t i = 0; i < plan->n_platforms; i++)
                if (platform_equal(&plan->platforms[i].platform, platform))
                        return 0;
        if (plan->n_platforms >= PLATFORMS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "more than %u platforms", PLATFORMS_MAX);
        PlatformPlan *p = &plan->platforms[plan->n_platforms++];
        p->platform = *platform;
        platform_format(p->name, platform);
        return 0;
}

static int add_platforms(Plan *plan, char *const *platforms, Error *error) {
        Platform platform;
        int r = 0;

        if (strv_length(platforms) == 0) {
                platform_host(&platform);
                return add_platform(plan, &platform, error);
        }
        for (char *const *p = platforms; *p && r >= 0; p++) {
                r = platform_parse(*p, &platform, error);
                if (r >= 0)
                        r = add_platform(plan, &platform, error);
        }
        return r;
}

/* The first one from `stage` on. */
static const Stage *find_output_stage(const Recipe *recipe, const Stage *stage, const Platform *platform) {
        for (; stage < recipe->stages + recipe->n_stages; stage++)
                if (!stage->transient && plan_is_for(stage->platform, platform))
                        return stage;
        return NULL;
}

static bool has_commands(const Step *steps, size_t n_steps, const Platform *platform) {
        for (const Step *step = steps; step < steps + n_steps; step++)
                if (plan_is_for(step->platform, platform) &&
                    (step->run || has_commands(step->steps, step->n_steps, platform)))
                        return true;
        return false;
}

/* A copy out of a stage that is skipped for this platform could only fail later. */
static int check_sources(const Recipe *recipe, const Stage *stage, const Step *steps, size_t n_steps,
                         const Platform *platform, Error *error) {
        for (size_t i = 0; i < n_steps; i++) {
                const Step *step = steps + i;
                const Stage *source =
                        step->copy_stage ? recipe_find_stage(recipe, stage, step->copy_stage) : NULL;
                int r = 0;

                if (!plan_is_for(step->platform, platform))
                        continue;
                if (source && !plan_is_for(source->platform, platform))
                        r = error_set(error, ERROR_INVALID_ARGUMENT,
                                      "copy failed: stage \"%s\" is for %s only", step->copy_stage,
                                      source->platform);
                else if (step->is_group)
                        r = check_sources(recipe, stage, step->steps, step->n_steps, platform, error);
                if (r < 0)
                        return error_prefix(error, r, "step %zu", i + 1);
        }
        return 0;
}

static int check_platform(const Recipe *recipe, PlatformPlan *p, Error *error) {
        char title[STAGE_TITLE_MAX];
        int r;

        p->output = find_output_stage(recipe, recipe->stages, &p->platform);
        if (!p->output)
                return error_set(error, ERROR_INVALID_ARGUMENT, "platform %s: no stage becomes the image",
                                 p->name);
        /* The recipe's own check does not know that x86_64 is amd64. */
        if (find_output_stage(recipe, p->output + 1, &p->platform))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "platform %s: more than one stage becomes the image", p->name);
        for (const Stage *stage = recipe->stages; stage < recipe->stages + recipe->n_stages; stage++) {
                if (!plan_is_for(stage->platform, &p->platform))
                        continue;
                r = check_sources(recipe, stage, stage->steps, stage->n_steps, &p->platform, error);
                if (r >= 0 && has_commands(stage->steps, stage->n_steps, &p->platform))
                        r = emulation_check(&p->platform, error);
                if (r < 0)
                        return error_prefix(error, r, "platform %s, %s", p->name,
                                            stage_title(recipe, stage, title));
        }
        return 0;
}

/* Of stages that are skipped as well: a recipe is right or wrong as a whole. */
static int check_references(const Recipe *recipe, Error *error) {
        char title[STAGE_TITLE_MAX];

        for (const Stage *stage = recipe->stages; stage < recipe->stages + recipe->n_stages; stage++) {
                _cleanup_(reference_clear) Reference reference = {};

                if (stage->from_kind != FROM_OCI)
                        continue;
                int r = reference_parse(stage->from, &reference, error);
                if (r < 0)
                        return error_prefix(error, r, "%s: source \"oci %s\"",
                                            stage_title(recipe, stage, title), stage->from);
        }
        return 0;
}

int plan_make(const Recipe *recipe, char *const *platforms, Plan *ret, Error *error) {
        Plan plan = {};

        int r = check_references(recipe, error);
        if (r >= 0)
                r = add_platforms(&plan, platforms, error);
        for (size_t i = 0; i < plan.n_platforms && r >= 0; i++)
                r = check_platform(recipe, plan.platforms + i, error);
        if (r < 0)
                return r;
        *ret = plan;
        return 0;
}
