/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/macro.h"

/* NULL-terminated arrays of strings. A NULL array is an empty one. */
size_t strv_length(char *const *strv) _pure_;
bool strv_contains(char *const *strv, const char *s) _pure_;

/* Frees array and strings; gives NULL. */
char **strv_free(char **strv);
static inline void strv_freep(char ***p) {
        strv_free(*p);
}
#define _cleanup_strv_ _cleanup_(strv_freep)

/* Appends; the string is copied (extend) or taken over, also on failure (consume). -ENOMEM. */
int strv_extend(char ***strv, const char *s);
int strv_consume(char ***strv, char *s);

/* A copy, or NULL without memory. An empty array gives an empty array, not NULL. */
char **strv_copy(char *const *strv);

static inline bool startswith(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The rest after the prefix, or NULL. */
static inline const char *skip_prefix(const char *s, const char *prefix) {
        size_t n = strlen(prefix);
        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool endswith(const char *s, const char *suffix) _pure_;

/* Prints into new memory, or gives NULL. */
char *format_string(const char *format, ...) _printf_(1, 2);

/* Replaces *p, freeing what was there; keeps it on -ENOMEM. NULL copies to NULL. */
int free_and_strdup(char **p, const char *s);

/* U+FFFD, which stands for what is no text. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Length in bytes of the UTF-8 sequence at s (n bytes are there), or 0 where it is not valid (RFC 3629: no
 * overlong forms, no surrogates, nothing over U+10FFFF). n > 0. */
size_t utf8_sequence_length(const char *s, size_t n) _pure_;

bool utf8_is_valid(const char *s, size_t n) _pure_;

/* A copy in which every byte that is not part of a valid sequence is U+FFFD; ends in a NUL that *ret_length
 * does not count. NULL without memory. */
char *utf8_sanitize(const char *s, size_t n, size_t *ret_length);

/* How many bytes of `s`, at most `max`, are whole characters: the precision of a "%.*s". Where it is no
 * UTF-8, as many as there are. */
int utf8_cut(const char *s, size_t max) _pure_;

/* Whole decimal numbers, without sign, space or leading plus: 0, or -EINVAL, -ERANGE. */
int parse_uint64(const char *s, uint64_t *ret);
