/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is printed: a table for people, or an array of JSON objects, one a row. */

#include "row.h"
#include "samples.h"

typedef struct Result {
        const Row *row;
        Summary summaries[TARGETS_MAX];
        Error error; /* set: the row failed, or is not for these daemons (ERROR_UNSUPPORTED) */
} Result;

void report_begin(const Bench *bench, bool json);
void report_row(const Bench *bench, const Result *result, bool json, bool first);
void report_end(bool json);
