/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The stages of one platform, one after the other. */

#include "build/stage.h"

typedef struct StageRow {
        StageInputs inputs;
        BuildStage *stages; /* one for each of the recipe's; those not begun are zero */
} StageRow;

/* Carries out all stages that are for the platform. Their snapshots stay until stage_row_clear(), for the
 * caller to export one. *ret is to be cleared on failure too. */
int stage_row_run(Runtime *runtime, const StageInputs *inputs, StageRow *ret, Error *error);

/* The state of one of the recipe's stages. */
BuildStage *stage_row_find(StageRow *row, const Stage *stage);

void stage_row_clear(StageRow *row);
