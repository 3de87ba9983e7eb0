/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's line goes through: the envelope, its payload, and of a build the recipe. */
#include "fuzz.h"

#include <string.h>

#include "base/string-util.h"
#include "protocol/envelope.h"
#include "protocol/identifier.h"
#include "protocol/limits.h"
#include "recipe/step-state.h"

/* The way back: an error's words make a line that is valid JSON, whatever bytes a client made us quote. */
static void try_error(const Error *e) {
        _cleanup_(buffer_clear) Buffer line = {};
        _cleanup_(error_clear) Error read = {};

        FUZZ_ASSERT(error_is_set(e));
        if (reply_write_error(e, &line) < 0)
                return;
        FUZZ_ASSERT(utf8_is_valid(line.data, line.length));
        FUZZ_ASSERT(memchr(line.data, '\n', line.length) == line.data + line.length - 1);
        FUZZ_ASSERT(reply_kind_from_prefix(line.data, line.length) == REPLY_ERROR);
        FUZZ_ASSERT(reply_decode(line.data, line.length, NULL, &read, NULL) == REPLY_ERROR);
        FUZZ_ASSERT(read.code == e->code);
}

static void try_steps(const Step *steps, size_t n_steps, StepState *state, unsigned depth) {
        FUZZ_ASSERT(n_steps == 0 || depth <= 1); /* no groups in groups */
        for (size_t i = 0; i < n_steps; i++) {
                const Step *step = steps + i;

                FUZZ_ASSERT(!(step->run && step->copy_source));
                FUZZ_ASSERT(!step->copy_source == !step->copy_destination);
                if (step_state_apply(state, step) < 0)
                        return;
                FUZZ_ASSERT(!state->workdir || (state->workdir[0] == '/' && !strstr(state->workdir, "//")));
                try_steps(step->steps, step->n_steps, state, depth + 1);
        }
}

static void try_recipe(json_object *json) {
        _cleanup_(recipe_freep) Recipe *recipe = NULL;
        _cleanup_(error_clear) Error error = {};

        if (recipe_new(json, &recipe, &error) < 0) {
                try_error(&error);
                return;
        }
        FUZZ_ASSERT(recipe->n_stages > 0 && recipe->n_stages <= RECIPE_STAGES_MAX);
        for (size_t i = 0; i < recipe->n_stages; i++) {
                _cleanup_(step_state_clear) StepState state = {};
                char title[STAGE_TITLE_MAX];

                FUZZ_ASSERT(!isempty(recipe->stages[i].from));
                FUZZ_ASSERT(!isempty(stage_title(recipe, recipe->stages + i, title)));
                if (step_state_init(&state, NULL, NULL) >= 0)
                        try_steps(recipe->stages[i].steps, recipe->stages[i].n_steps, &state, 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(request_clear) Request request = {};
        _cleanup_(error_clear) Error error = {};

        if (request_decode((const char *) data, size, /* internal= */ false, /* given= */ 0, &request,
                           &error) < 0) {
                try_error(&error);
                return 0;
        }
        FUZZ_ASSERT(!command_info(request.command)->internal);
        FUZZ_ASSERT(!request.payload.id || identifier_is_valid(request.payload.id));
        FUZZ_ASSERT(!request.payload.image || strlen(request.payload.image) <= IMAGE_NAME_MAX);
        if (request.payload.recipe)
                try_recipe(request.payload.recipe);
        return 0;
}
