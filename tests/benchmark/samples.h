/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What was measured of one row on one daemon. */

#include "base/macro.h"

typedef struct Samples {
        double *values;
        size_t length, allocated;
} Samples;

int samples_add(Samples *samples, double value);
void samples_clear(Samples *samples);

typedef struct Summary {
        size_t n;
        double min, median, p99;
} Summary;

/* Sorts the samples. Of none everything is 0; the p99 of few is the largest. */
Summary samples_summary(Samples *samples);
