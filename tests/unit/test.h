/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Unit tests: `TEST(name) { … }` registers itself; the program runs all of a file in order, or those whose
 * names are given as arguments, and prints TAP. A failed assertion prints both values, ends its test and lets
 * the next one run. What a test owns is best declared outside of it or leaked on failure alone: assertions
 * leave by longjmp. */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct TestCase {
        const char *name;
        void (*run)(void);
        struct TestCase *next;
} TestCase;

void test_register(TestCase *test);
__attribute__((__noreturn__, __format__(__printf__, 3, 4))) void test_fail(const char *file, int line,
                                                                           const char *format, ...);
__attribute__((__noreturn__, __format__(__printf__, 1, 2))) void test_skip(const char *format, ...);

#define TEST(name) \
        static void test_##name(void); \
        static TestCase test_case_##name = { #name, test_##name, NULL }; \
        __attribute__((__constructor__)) static void test_constructor_##name(void) { \
                test_register(&test_case_##name); \
        } \
        static void test_##name(void)

#define ASSERT_TRUE(expression) \
        do { \
                if (!(expression)) \
                        test_fail(__FILE__, __LINE__, "%s is false", #expression); \
        } while (false)
#define ASSERT_FALSE(expression) ASSERT_TRUE(!(expression))
#define ASSERT_NULL(expression) \
        do { \
                const void *_v = (expression); \
                if (_v) \
                        test_fail(__FILE__, __LINE__, "%s is %p, not NULL", #expression, _v); \
        } while (false)
#define ASSERT_NOT_NULL(expression) \
        do { \
                if (!(expression)) \
                        test_fail(__FILE__, __LINE__, "%s is NULL", #expression); \
        } while (false)

#define ASSERT_OP_(a, op, b) \
        do { \
                intmax_t _a = (intmax_t) (a), _b = (intmax_t) (b); \
                if (!(_a op _b)) \
                        test_fail(__FILE__, __LINE__, "%s is %jd, expected " #op " %s, %jd", #a, _a, #b, \
                                  _b); \
        } while (false)
#define ASSERT_EQ(a, b) ASSERT_OP_(a, ==, b)
#define ASSERT_NE(a, b) ASSERT_OP_(a, !=, b)
#define ASSERT_LT(a, b) ASSERT_OP_(a, <, b)
#define ASSERT_LE(a, b) ASSERT_OP_(a, <=, b)
#define ASSERT_GE(a, b) ASSERT_OP_(a, >=, b)
#define ASSERT_GT(a, b) ASSERT_OP_(a, >, b)
#define ASSERT_OK(expression) ASSERT_OP_(expression, >=, 0)

#define ASSERT_STREQ(a, b) \
        do { \
                const char *_a = (a), *_b = (b); \
                if (!_a || !_b || strcmp(_a, _b) != 0) \
                        test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, \
                                  _a ? _a : "(null)", _b ? _b : "(null)"); \
        } while (false)
#define ASSERT_CONTAINS(a, b) \
        do { \
                const char *_a = (a), *_b = (b); \
                if (!_a || !strstr(_a, _b)) \
                        test_fail(__FILE__, __LINE__, "%s is \"%s\", which lacks \"%s\"", #a, \
                                  _a ? _a : "(null)", _b); \
        } while (false)
