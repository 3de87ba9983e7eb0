/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "row.h"

int row_prepare_directory(const Row *row, Bench *bench, Target *target, Error *error) {
        return bench_directory(bench, error);
}

int row_prepare_tree(const Row *row, Bench *bench, Target *target, Error *error) {
        return bench_tree(bench, row->tree, error);
}

static int build(Bench *bench, Target *target, const Buffer *steps, double *ret, Error *error) {
        return bench_ask(target, ret, error, "build",
                         "{\"resource\":\"%s\",\"root\":\"%s\",\"output\":\"%s\",\"recipe\":{\"stages\":[{"
                         "\"from\":\"file base.tar\",\"steps\":[%.*s]}]}}",
                         target->name, bench->directory, target->output, (int) steps->length, steps->data);
}

int row_build_run(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer steps = {};

        for (unsigned i = 0; i < row->count; i++)
                if (buffer_printf(&steps, "%s{\"run\":\"true\"}", i > 0 ? "," : "") < 0)
                        return error_oom(error);
        return build(bench, target, &steps, ret, error);
}

int row_build_copy(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer steps = {};
        int r = 0;

        if (row->tree == TREE_SMALL)
                for (unsigned i = 0; i < row->count && r >= 0; i++)
                        r = buffer_printf(&steps, "%s{\"copy\":\"small/%u /data/%u\"}", i > 0 ? "," : "", i,
                                          i);
        else
                r = buffer_printf(&steps, "{\"copy\":\"%s /data\"}",
                                  row->tree == TREE_LARGE ? "large" : "many");
        return r < 0 ? error_oom(error) : build(bench, target, &steps, ret, error);
}
