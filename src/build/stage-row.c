/* SPDX-License-Identifier: Apache-2.0 */
#include "build/stage-row.h"

#include <stdio.h>

#include "base/string-util.h"
#include "build/plan.h"
#include "build/step.h"
#include "runtime/rootfs.h"

/* What a progress line says of a step, in bytes. */
#define STEP_WORDS_MAX 256U

static const char *describe(const Step *step, char *buffer, size_t n) {
        if (step->run)
                snprintf(buffer, n, "run %s", step->run);
        else if (step->copy_source)
                snprintf(buffer, n, "copy %s%s%s %s", strempty(step->copy_stage), step->copy_stage ? ":" : "",
                         step->copy_source, step->copy_destination);
        else
                snprintf(buffer, n, "%s%s%s",
                         step->workdir ? "workdir "
                         : step->env   ? "env"
                                       : "shell ",
                         strempty(step->workdir), step->workdir || step->env ? "" : strempty(step->shell));
        return buffer;
}

static int make_workdir(BuildStage *stage, const StepState *state, Error *error) {
        int root_fd, r;

        r = build_stage_root(stage, &root_fd, error);
        if (r >= 0)
                r = rootfs_mkdir_p(root_fd, state->workdir, NULL, error);
        return error_prefix(error, r, "workdir");
}

static int do_step(StageRow *row, BuildStage *stage, const Step *step, Error *error) {
        _cleanup_(step_state_clear) StepState here = {};
        StepState *state = &stage->state;
        bool operates = step->run || step->copy_source;
        int r;

        /* Beside an operation modifiers hold for it alone. */
        if (operates) {
                if (step_state_copy(state, &here) < 0)
                        return error_oom(error);
                state = &here;
        }
        if (step_state_apply(state, step) < 0)
                return error_oom(error);
        if (step->workdir || (step->run && state->workdir)) {
                r = make_workdir(stage, state, error);
                if (r < 0)
                        return r;
        }
        if (step->run)
                return step_run(stage, state, step->run, error);
        if (!step->copy_source)
                return 0;
        const BuildStage *source = NULL;
        if (step->copy_stage)
                source = stage_row_find(
                        row, recipe_find_stage(row->inputs.recipe, stage->stage, step->copy_stage));
        return step_copy(stage, &row->inputs, state, step, source, error);
}

static int do_steps(StageRow *row, BuildStage *stage, const Step *steps, size_t n_steps, Error *error) {
        const BuildObserver *observer = row->inputs.observer;

        for (size_t i = 0; i < n_steps; i++) {
                const Step *step = steps + i;
                char words[STEP_WORDS_MAX];
                int r;

                if (ctr_client_is_cancelled(stage->runtime->client))
                        return error_set(error, ERROR_CANCELLED, "cancelled");
                if (!plan_is_for(step->platform, row->inputs.platform)) {
                        stage->place.step +=
                                step->is_group ? plan_count_steps(step->steps, step->n_steps) : 1;
                        continue;
                }
                if (step->is_group) {
                        if (step_state_apply(&stage->state, step) < 0)
                                return error_oom(error);
                        r = do_steps(row, stage, step->steps, step->n_steps, error);
                } else {
                        stage->place.step++;
                        observer->step(observer->userdata, &stage->place,
                                       describe(step, words, sizeof(words)));
                        r = do_step(row, stage, step, error);
                }
                if (r < 0)
                        return error_prefix(error, r, "step %zu", i + 1);
        }
        return 0;
}

static int do_stage(Runtime *runtime, StageRow *row, const Stage *stage, Error *error) {
        BuildStage *s = stage_row_find(row, stage);
        int r;

        r = build_stage_begin(runtime, &row->inputs, stage, s, error);
        if (r >= 0)
                r = do_steps(row, s, stage->steps, stage->n_steps, error);
        return r < 0 ? r : build_stage_end(s, error);
}

int stage_row_run(Runtime *runtime, const StageInputs *inputs, StageRow *ret, Error *error) {
        const Recipe *recipe = inputs->recipe;
        char title[STAGE_TITLE_MAX];

        *ret = (StageRow) { .inputs = *inputs, .stages = new0(BuildStage, recipe->n_stages) };
        if (!ret->stages)
                return error_oom(error);
        for (const Stage *stage = recipe->stages; stage < recipe->stages + recipe->n_stages; stage++) {
                if (!plan_is_for(stage->platform, inputs->platform))
                        continue;
                int r = do_stage(runtime, ret, stage, error);
                if (r < 0)
                        return error_prefix(error, r, "%s", stage_title(recipe, stage, title));
        }
        return 0;
}

BuildStage *stage_row_find(StageRow *row, const Stage *stage) {
        return row->stages + (stage - row->inputs.recipe->stages);
}

void stage_row_clear(StageRow *row) {
        for (size_t i = 0; row->stages && i < row->inputs.recipe->n_stages; i++)
                if (row->stages[i].runtime)
                        build_stage_clear(row->stages + i);
        row->stages = mfree(row->stages);
}
