/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The operations of steps. */

#include "build/stage.h"

/* `SHELL -c COMMAND` in the stage's container, started if need be. `state` is what holds for this step.
 * ERROR_COMMAND_FAILED: "command failed: exit code C: STDERR". */
int step_run(BuildStage *stage, const StepState *state, const char *command, Error *error);

/* Copies from the client's side, or out of an earlier stage of the same platform (`source`, ended; NULL: the
 * client's side). */
int step_copy(BuildStage *stage, const StageInputs *inputs, const StepState *state, const Step *step,
              const BuildStage *source, Error *error);
