/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a build is going to do, and all that can be known to go wrong before anything is done. */

#include "oci/platform.h"
#include "protocol/limits.h"
#include "recipe/recipe.h"

typedef struct PlatformPlan {
        Platform platform;
        char name[PLATFORM_MAX];
        const Stage *output; /* the stage that becomes the image */
} PlatformPlan;

typedef struct Plan {
        PlatformPlan platforms[PLATFORMS_MAX];
        size_t n_platforms;
} Plan;

/* `platforms` NULL or empty is this machine's. ERROR_INVALID_ARGUMENT, and ERROR_UNSUPPORTED for a platform
 * that is not linux or whose commands cannot be run here. */
int plan_make(const Recipe *recipe, char *const *platforms, Plan *ret, Error *error);

/* Whether a stage or step with this `platform` (NULL: for all) is part of a platform's build. */
bool plan_is_for(const char *wanted, const Platform *platform);

/* Steps of a row, those in groups counted one by one. */
unsigned plan_count_steps(const Step *steps, size_t n_steps);
