/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What steps build up: shell, working directory, environment. A modifier alone persists; beside an operation
 * it holds for that operation. */

#include "recipe/recipe.h"

#define DEFAULT_SHELL "/bin/sh"

typedef struct StepState {
        char *shell;
        char *workdir; /* absolute and lexically clean; NULL: none was ever set */
        char **env;    /* "NAME=value", each name once */
} StepState;

/* Begins with what the base image says. `workdir` may be NULL or empty. 0 or -ENOMEM. */
int step_state_init(StepState *state, const char *workdir, char *const *env);
int step_state_copy(const StepState *state, StepState *ret);
void step_state_clear(StepState *state);

/* Lays a step's modifiers over the state. 0 or -ENOMEM. */
int step_state_apply(StepState *state, const Step *step);

/* Sets "NAME=value" in an environment, replacing one of that name in its place. 0 or -ENOMEM. */
int env_set(char ***env, const char *assignment);

/* `path` taken as relative to `base` (NULL: "/"), made absolute, without ".", ".." or doubled slashes. NULL
 * without memory. */
char *path_resolve(const char *base, const char *path);
