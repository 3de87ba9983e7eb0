/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How far a job is, read out of its worker's progress lines. */

#include <stdint.h>

#include "base/error.h"

typedef struct JobPlace {
        char *platform; /* NULL: not known yet */
        char *stage;
        uint32_t step; /* from 1; 0: before the first */
        uint32_t n_steps;
        uint64_t bytes; /* of the image archive that is being written */
} JobPlace;

typedef enum JobNews {
        JOB_NEWS_PLACE, /* platform, stage, step or number of steps */
        JOB_NEWS_BYTES,
        JOB_NEWS_LINE, /* of output; the place is as it was */
} JobNews;

typedef struct JobLine {
        char *stream; /* "stdout", "stderr" */
        char *text;
} JobLine;

/* Reads a progress line: what it brought, or -EINVAL, -ENOMEM. *ret_line is set for JOB_NEWS_LINE alone. */
int job_place_read(JobPlace *place, const char *line, size_t length, JobLine *ret_line);
void job_place_clear(JobPlace *place);
void job_line_clear(JobLine *line);
