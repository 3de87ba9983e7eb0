/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PASSED = 0, FAILED, SKIPPED };

static TestCase *tests;
static jmp_buf leave;
static char reason[4096];

void test_register(TestCase *test) {
        TestCase **tail = &tests;

        while (*tail)
                tail = &(*tail)->next;
        *tail = test;
}

void test_fail(const char *file, int line, const char *format, ...) {
        va_list args;
        int n = snprintf(reason, sizeof(reason), "%s:%i: ", file, line);

        va_start(args, format);
        vsnprintf(reason + n, sizeof(reason) - (size_t) n, format, args);
        va_end(args);
        longjmp(leave, FAILED);
}

void test_skip(const char *format, ...) {
        va_list args;

        va_start(args, format);
        vsnprintf(reason, sizeof(reason), format, args);
        va_end(args);
        longjmp(leave, SKIPPED);
}

static bool is_wanted(const TestCase *test, int argc, char *argv[]) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], test->name) == 0)
                        return true;
        return argc <= 1;
}

static void print_reason(void) {
        char *rest = reason;

        for (char *line; (line = strsep(&rest, "\n"));)
                printf("# %s\n", line);
}

int main(int argc, char *argv[]) {
        static unsigned n, failed; /* static: their values must outlive the longjmp */
        static const TestCase *test;

        for (test = tests; test; test = test->next)
                n += is_wanted(test, argc, argv);
        printf("1..%u\n", n);
        n = 0;

        for (test = tests; test; test = test->next) {
                if (!is_wanted(test, argc, argv))
                        continue;
                n++;
                int outcome = setjmp(leave);
                if (outcome == PASSED) {
                        test->run();
                        printf("ok %u - %s\n", n, test->name);
                } else if (outcome == SKIPPED)
                        printf("ok %u - %s # SKIP %s\n", n, test->name, reason);
                else {
                        printf("not ok %u - %s\n", n, test->name);
                        print_reason();
                        failed++;
                }
                fflush(stdout);
        }
        return failed > 0 || n == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
