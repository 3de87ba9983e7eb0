/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A recipe: stages, each a base image and steps. This is the document alone; nothing here touches a file.
 *
 *     {"stages":[{"name":"builder","transient":true,"platform":"linux/amd64","from":"oci
 * alpine","steps":[STEP…]}…]} STEP = {"run":"COMMAND"} | {"copy":"SRC DEST"} |
 * {"platform":"os/arch","steps":[STEP…]} | modifiers alone; modifiers, also beside an operation: "shell",
 * "env":{}, "workdir", "platform" */

#include "base/json.h"

#define RECIPE_STAGES_MAX 256U
#define RECIPE_STEPS_MAX 16384U /* of all stages, groups counted with what is in them */
#define RECIPE_ENV_MAX 4096U    /* variables of all steps */
#define STAGE_NAME_MAX 76U      /* bytes */

typedef enum FromKind {
        FROM_FILE, /* an OCI archive on the client's side, relative to the build's root */
        FROM_OCI,  /* a reference that a registry or the local store resolves */
} FromKind;

typedef struct Step Step;

struct Step {
        char *run;     /* NULL: no command */
        char *shell;   /* NULL: as before */
        char *workdir; /* NULL: as before; may be relative to the one before */
        char *platform;
        char **env; /* "NAME=value", NULL: none */

        /* A copy: both are set or neither. */
        char *copy_source;
        char *copy_destination;
        char *copy_stage; /* NULL: the source is on the client's side */

        Step *steps; /* a platform group */
        size_t n_steps;
        bool is_group;
};

typedef struct Stage {
        char *name; /* NULL: none */
        bool transient;
        char *platform; /* NULL: built for every platform */
        FromKind from_kind;
        char *from;
        Step *steps;
        size_t n_steps;
} Stage;

typedef struct Recipe {
        Stage *stages;
        size_t n_stages;
} Recipe;

/* Reads a recipe and checks it whole. ERROR_INVALID_ARGUMENT names stage and step of the first breach. */
int recipe_new(json_object *json, Recipe **ret, Error *error);
Recipe *recipe_free(Recipe *recipe);
DEFINE_CLEANUP(Recipe *, recipe_free);

/* How messages call a stage: `stage "NAME"`, or `stage 2` for the second when it has no name. Gives `buffer`.
 */
#define STAGE_TITLE_MAX (STAGE_NAME_MAX + 16U)
const char *stage_title(const Recipe *recipe, const Stage *stage, char buffer[static STAGE_TITLE_MAX]);

/* The stage of that name before `before`, or NULL. */
const Stage *recipe_find_stage(const Recipe *recipe, const Stage *before, const char *name);

/* A platform's form, `os/arch` or `os/arch/variant` in lower case: what it means is oci's. */
bool platform_string_is_valid(const char *s) _pure_;
