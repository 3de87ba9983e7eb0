/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

/* What the command of that row writes: lines of text, in bytes. */
#define TEXT_SIZE 8000000

int row_prepare_image(const Row *row, Bench *bench, Target *target, Error *error) {
        return bench_image(bench, target, error);
}

int row_prepare_container(const Row *row, Bench *bench, Target *target, Error *error) {
        return bench_container(bench, target, error);
}

/* The container gets the text as a file, so that making it is not measured. */
int row_prepare_text(const Row *row, Bench *bench, Target *target, Error *error) {
        int r = bench_container(bench, target, error);

        if (r < 0 || target->wrote_text)
                return r;
        r = bench_ask(
                target, NULL, error, "container-exec",
                "{\"id\":\"%s\",\"command\":[\"/bin/sh\",\"-c\",\"yes 'The quick brown fox jumps over "
                "the lazy dog, says \\\"hello\\\", and goes on with its day.' | head -c %i >/tmp/text\"]}",
                target->name, TEXT_SIZE);
        target->wrote_text = r >= 0;
        return r;
}

/* The time of one exchange, or the rate of many clients. */
static int ask(const Row *row, Target *target, const Buffer *request, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer reply = {};

        return row->clients > 1
                       ? exchange_load(target->socket, request, row->clients, ROW_LOAD_SECONDS, ret, error)
                       : exchange(target->socket, request, &reply, ret, error);
}

int row_container_status(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer request = {};

        if (bench_request(&request, "container-status", "{\"id\":\"%s\"}", target->name) < 0)
                return error_oom(error);
        return ask(row, target, &request, ret, error);
}

int row_exec(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer request = {};

        if (bench_request(&request, "container-exec", "{\"id\":\"%s\",\"command\":[\"/bin/true\"]}",
                          target->name) < 0)
                return error_oom(error);
        return ask(row, target, &request, ret, error);
}

int row_exec_output(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer request = {}, reply = {};
        int r;

        if (bench_request(&request, "container-exec",
                          "{\"id\":\"%s\",\"command\":[\"/bin/cat\",\"/tmp/text\"]}", target->name) < 0)
                return error_oom(error);
        r = exchange(target->socket, &request, &reply, ret, error);
        if (r >= 0 && reply.length < TEXT_SIZE)
                r = error_set(error, ERROR_INTERNAL, "only %zu bytes came back", reply.length);
        return r;
}

int row_start_destroy(const Row *row, Bench *bench, Target *target, double *ret, Error *error) {
        double start = 0, destroy = 0;
        int r;

        r = bench_ask(target, &start, error, "image-start",
                      "{\"ref\":\"%s\",\"version\":\"1\",\"id\":\"%s-again\"}", target->name, target->name);
        if (r >= 0)
                r = bench_ask(target, &destroy, error, "container-destroy", "{\"id\":\"%s-again\"}",
                              target->name);
        *ret = start + destroy;
        return r;
}
