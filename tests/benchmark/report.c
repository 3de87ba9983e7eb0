/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdio.h>

#include "base/json.h"

/* Three figures or so that mean something. */
static int decimals(double value) {
        return value < 1 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0;
}

static void print_summary(const Summary *s) {
        printf("  %6zu %9.*f %9.*f %9.*f", s->n, decimals(s->min), s->min, decimals(s->median), s->median,
               decimals(s->p99), s->p99);
}

void report_begin(const Bench *bench, bool json) {
        if (json) {
                fputs("[", stdout);
                return;
        }
        for (unsigned i = 0; bench->n_targets > 1 && i < bench->n_targets; i++)
                printf("%s%u is %s", i > 0 ? ", " : "", i + 1, bench->targets[i].socket);
        printf("%s%-20s %-4s", bench->n_targets > 1 ? "\n\n" : "", "row", "unit");
        for (unsigned i = 0; i < bench->n_targets; i++)
                printf("  %6s %9s %9s %9s", "n", "min", "median", "p99");
        printf("%s\n", bench->n_targets > 1 ? "    2 : 1" : "");
}

static void report_text(const Bench *bench, const Result *result) {
        const Summary *s = result->summaries;

        printf("%-20s %-4s", result->row->name, result->row->unit);
        if (error_is_set(&result->error)) {
                printf("  %s: %s\n", result->error.code == ERROR_UNSUPPORTED ? "skipped" : "failed",
                       error_message(&result->error));
                return;
        }
        for (unsigned i = 0; i < bench->n_targets; i++)
                print_summary(s + i);
        if (bench->n_targets > 1 && s[0].median > 0)
                printf("  %7.2f", s[1].median / s[0].median);
        putchar('\n');
}

/* A number without the digits that mean nothing. */
static json_object *new_number(double value) {
        json_object *number = json_object_new_double(value);

        if (number)
                json_object_set_serializer(number, json_object_double_to_json_string, (void *) "%.3f", NULL);
        return number;
}

static int fill_result(json_object *object, const Summary *s, const char *socket) {
        if (json_add_string(object, "socket", socket) < 0 ||
            json_add(object, "samples", json_object_new_int64((int64_t) s->n)) < 0 ||
            json_add(object, "min", new_number(s->min)) < 0 ||
            json_add(object, "median", new_number(s->median)) < 0 ||
            json_add(object, "p99", new_number(s->p99)) < 0)
                return -ENOMEM;
        return 0;
}

static int fill_row(const Bench *bench, const Result *result, json_object *object) {
        const Summary *s = result->summaries;
        int r;

        r = json_add_string(object, "row", result->row->name);
        if (r >= 0)
                r = json_add_string(object, "what", result->row->what);
        if (r >= 0)
                r = json_add_string(object, "unit", result->row->unit);
        if (r < 0 || error_is_set(&result->error))
                return r < 0 ? r : json_add_string(object, "error", error_message(&result->error));
        json_object *results = json_object_new_array();
        r = json_add(object, "results", results);
        for (unsigned i = 0; i < bench->n_targets && r >= 0; i++) {
                json_object *one = json_object_new_object();
                r = json_append(results, one);
                if (r >= 0)
                        r = fill_result(one, s + i, bench->targets[i].socket);
        }
        if (r >= 0 && bench->n_targets > 1 && s[0].median > 0)
                r = json_add(object, "ratio", new_number(s[1].median / s[0].median));
        return r;
}

static void report_json(const Bench *bench, const Result *result, bool first) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_(buffer_clear) Buffer text = {};

        if (object && fill_row(bench, result, object) >= 0 && json_write(object, &text) >= 0)
                printf("%s\n%.*s", first ? "" : ",", (int) text.length, text.data);
}

void report_row(const Bench *bench, const Result *result, bool json, bool first) {
        if (json)
                report_json(bench, result, first);
        else
                report_text(bench, result);
        (void) fflush(stdout);
}

void report_end(bool json) {
        if (json)
                fputs("\n]\n", stdout);
}
