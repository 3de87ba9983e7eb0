/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "report.h"

#define SECONDS_DEFAULT 3.0
#define SECONDS_MAX 3600.0

/* At least so many samples of each row, whatever time they take, and one before them that does not count: the
 * first finds cold caches and starts workers. */
#define SAMPLES_MIN 3U

typedef struct Options {
        char **only; /* NULL: all */
        double seconds;
        bool json;
} Options;

static void on_signal(int signal) {
        exchange_interrupted = 1;
}

static void catch_signals(void) {
        /* Without SA_RESTART: the call that waits is to end. */
        const struct sigaction action = { .sa_handler = on_signal };

        (void) sigaction(SIGINT, &action, NULL);
        (void) sigaction(SIGTERM, &action, NULL);
}

static int sample(const Row *row, Bench *bench, unsigned i, Samples *samples, Error *error) {
        double value = 0;
        int r;

        if (exchange_interrupted)
                return error_set(error, ERROR_CANCELLED, "interrupted");
        r = row->sample(row, bench, bench->targets + i, &value, error);
        if (r >= 0 && samples && samples_add(samples, value) < 0)
                r = error_oom(error);
        return r < 0 && bench->n_targets > 1 ? error_prefix(error, r, "%s", bench->targets[i].socket) : r;
}

/* One sample of each daemon in turn, so that what else happens on the machine happens to both. */
static int measure(const Options *options, const Row *row, Bench *bench, Samples *samples, Error *error) {
        const unsigned least = row->samples_max > 0 ? MIN(row->samples_max, SAMPLES_MIN) : SAMPLES_MIN;
        int r = 0;

        for (unsigned i = 0; i < bench->n_targets && r >= 0; i++) {
                if (row->prepare)
                        r = row->prepare(row, bench, bench->targets + i, error);
                if (r >= 0)
                        r = row->samples_max == 1 ? 0 : sample(row, bench, i, NULL, error);
        }
        const uint64_t start = now_usec(CLOCK_MONOTONIC);
        const uint64_t span = (uint64_t) (options->seconds * (double) USEC_PER_SEC) * bench->n_targets;
        for (unsigned n = 0; r >= 0 && (row->samples_max == 0 || n < row->samples_max); n++) {
                if (n >= least && now_usec(CLOCK_MONOTONIC) - start >= span)
                        break;
                for (unsigned i = 0; i < bench->n_targets && r >= 0; i++)
                        r = sample(row, bench, i, samples + i, error);
        }
        return r;
}

static int run(const Options *options, Bench *bench) {
        bool failed = false, first = true;

        report_begin(bench, options->json);
        for (const Row *row = rows; row < rows + n_rows && !exchange_interrupted; row++) {
                if (options->only && !strv_contains(options->only, row->name))
                        continue;
                Samples samples[TARGETS_MAX] = {};
                Result result = { .row = row };

                int r = measure(options, row, bench, samples, &result.error);
                for (unsigned i = 0; i < bench->n_targets; i++) {
                        result.summaries[i] = samples_summary(samples + i);
                        samples_clear(samples + i);
                }
                report_row(bench, &result, options->json, first);
                failed = failed || (r < 0 && result.error.code != ERROR_UNSUPPORTED);
                first = false;
                error_clear(&result.error);
        }
        report_end(options->json);
        return failed || exchange_interrupted ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void usage(FILE *f) {
        fputs("usage: cruxd-benchmark [OPTION…] SOCKET [SOCKET2]\n\n"
              "Measures a daemon through its socket, or two of them in turn.\n\n"
              "  --only ROW       this row alone; more than one may be named\n"
              "  --seconds N      how long to measure each row (default: 3)\n"
              "  --base FILE      an image archive with a shell, for containers and builds\n"
              "  --json           JSON instead of a table\n\n"
              "rows:\n",
              f);
        for (const Row *row = rows; row < rows + n_rows; row++)
                fprintf(f, "  %-20s %s (%s)\n", row->name, row->what, row->unit);
}

static bool is_row(const char *name) {
        for (const Row *row = rows; row < rows + n_rows; row++)
                if (streq(row->name, name))
                        return true;
        return false;
}

/* 0 to go on, else 1 when the program is done and a negative errno when it was used wrongly. */
static int parse(int argc, char *argv[], Options *options, Bench *bench) {
        static const struct option longs[] = {
                { "only", required_argument, NULL, 'o' }, { "seconds", required_argument, NULL, 's' },
                { "base", required_argument, NULL, 'b' }, { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },       {},
        };
        char *end;

        for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) >= 0;)
                switch (c) {
                case 'o':
                        if (!is_row(optarg) || strv_extend(&options->only, optarg) < 0)
                                return fprintf(stderr, "no row is called \"%s\"\n", optarg), -EINVAL;
                        break;
                case 's':
                        options->seconds = strtod(optarg, &end);
                        if (*end || !(options->seconds > 0 && options->seconds <= SECONDS_MAX))
                                return fprintf(stderr, "\"%s\" is no time\n", optarg), -EINVAL;
                        break;
                case 'b':
                        bench->base = optarg;
                        break;
                case 'j':
                        options->json = true;
                        break;
                case 'h':
                        return usage(stdout), 1;
                default:
                        return usage(stderr), -EINVAL;
                }
        bench->n_targets = (unsigned) (argc - optind);
        if (bench->n_targets < 1 || bench->n_targets > TARGETS_MAX)
                return usage(stderr), -EINVAL;
        for (unsigned i = 0; i < bench->n_targets; i++) {
                bench->targets[i].socket = argv[optind + (int) i];
                snprintf(bench->targets[i].name, sizeof(bench->targets[i].name), "cruxd-benchmark-%u", i + 1);
        }
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(bench_clear) Bench bench = {};
        Options options = { .seconds = SECONDS_DEFAULT };

        int r = parse(argc, argv, &options, &bench);
        if (r == 0) {
                catch_signals();
                r = run(&options, &bench);
        } else
                r = r < 0 ? 2 : EXIT_SUCCESS;
        strv_free(options.only);
        return r;
}
