/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The rows: what is measured. */

#include "bench.h"

typedef struct Row Row;
struct Row {
        const char *name; /* as it is asked for */
        const char *what;
        const char *unit;

        /* Makes ready what the samples need, once for each daemon: NULL when that is nothing. */
        int (*prepare)(const Row *row, Bench *bench, Target *target, Error *error);

        /* One measurement. ERROR_UNSUPPORTED here and above means that the row is not for this daemon. */
        int (*sample)(const Row *row, Bench *bench, Target *target, double *ret, Error *error);

        unsigned clients; /* at a time, in rows of load */
        unsigned count;   /* steps in rows of builds, commands before the sample in those of memory */
        Tree tree;
        unsigned samples_max; /* 0: as many as there is time for */
};

extern const Row rows[];
extern const size_t n_rows;

/* By file. */
int row_status(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_status_load(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_memory(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_activation(const Row *row, Bench *bench, Target *target, double *ret, Error *error);

int row_prepare_container(const Row *row, Bench *bench, Target *target, Error *error);
int row_prepare_image(const Row *row, Bench *bench, Target *target, Error *error);
int row_prepare_text(const Row *row, Bench *bench, Target *target, Error *error);
int row_container_status(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_exec(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_exec_output(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_start_destroy(const Row *row, Bench *bench, Target *target, double *ret, Error *error);

int row_prepare_tree(const Row *row, Bench *bench, Target *target, Error *error);
int row_prepare_directory(const Row *row, Bench *bench, Target *target, Error *error);
int row_build_run(const Row *row, Bench *bench, Target *target, double *ret, Error *error);
int row_build_copy(const Row *row, Bench *bench, Target *target, double *ret, Error *error);

/* Of load: the window of one sample, in seconds. */
#define ROW_LOAD_SECONDS 0.5
