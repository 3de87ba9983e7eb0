/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The idioms that every file uses: cleanup on leaving a scope, handing ownership over, attributes.
 *
 * Ownership is written in the code: a variable that owns is declared with a cleanup attribute, and whoever
 * hands the thing on says TAKE_PTR() or TAKE_FD(). An fd that is not there is -EBADF, never 0. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#define _cleanup_(function) __attribute__((__cleanup__(function)))
#define _printf_(format, first) __attribute__((__format__(__printf__, format, first)))
#define _unused_ __attribute__((__unused__))
#define _warn_unused_result_ __attribute__((__warn_unused_result__))
#define _pure_ __attribute__((__pure__))
#define _const_ __attribute__((__const__))
#define _noreturn_ __attribute__((__noreturn__))
#define _fallthrough_ __attribute__((__fallthrough__))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)
#define UNIQUE(prefix) CONCAT(prefix, __COUNTER__)

/* The names carry a counter so that MIN(MAX(…), …) shadows nothing. */
#define COMPARE_(op, a, b, x, y) \
        ({ \
                typeof(a) x = (a); \
                typeof(b) y = (b); \
                x op y ? x : y; \
        })
#define MIN(a, b) COMPARE_(<, a, b, UNIQUE(_x), UNIQUE(_y))
#define MAX(a, b) COMPARE_(>, a, b, UNIQUE(_x), UNIQUE(_y))

#define KIB(n) ((uint64_t) (n) << 10)
#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

/* Gives the value and leaves an empty variable behind: ownership moves. */
#define TAKE(variable, empty) \
        ({ \
                typeof(variable) *_taken = &(variable); \
                typeof(variable) _value = *_taken; \
                *_taken = (empty); \
                _value; \
        })
#define TAKE_PTR(variable) TAKE(variable, NULL)
#define TAKE_FD(variable) TAKE(variable, -EBADF)

/* Defines `name##p()`, the cleanup function of pointers to a type whose destructor takes NULL. */
#define DEFINE_CLEANUP(type, destructor) \
        static inline void destructor##p(type *p) { \
                if (*p) \
                        destructor(*p); \
        } \
        struct CONCAT(_swallow_semicolon_, destructor)

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

/* free() that gives NULL, for `p = mfree(p)`. */
#define mfree(memory) \
        ({ \
                free(memory); \
                (typeof(memory)) NULL; \
        })

#define new0(type, n) ((type *) calloc((n), sizeof(type)))

#define container_of(pointer, type, member) \
        ({ \
                const typeof(((type *) 0)->member) *_m = (pointer); \
                (type *) (void *) ((char *) _m - offsetof(type, member)); \
        })

static inline bool streq(const char *a, const char *b) {
        return __builtin_strcmp(a, b) == 0;
}

/* NULL and "" are both "not given". */
static inline bool isempty(const char *s) {
        return !s || !s[0];
}

static inline const char *strempty(const char *s) {
        return s ? s : "";
}
