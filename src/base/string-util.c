/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"

/* Bytes. */
#define UTF8_SEQUENCE_MAX 4U

size_t strv_length(char *const *strv) {
        size_t n = 0;

        while (strv && strv[n])
                n++;
        return n;
}

bool strv_contains(char *const *strv, const char *s) {
        for (; strv && *strv; strv++)
                if (streq(*strv, s))
                        return true;
        return false;
}

char **strv_free(char **strv) {
        for (char **s = strv; s && *s; s++)
                free(*s);
        return mfree(strv);
}

int strv_consume(char ***strv, char *s) {
        size_t n = strv_length(*strv);
        char **grown = s ? reallocarray(*strv, n + 2, sizeof(char *)) : NULL;

        if (!grown) {
                free(s);
                return -ENOMEM;
        }
        grown[n] = s;
        grown[n + 1] = NULL;
        *strv = grown;
        return 0;
}

int strv_extend(char ***strv, const char *s) {
        return strv_consume(strv, strdup(s));
}

char **strv_copy(char *const *strv) {
        _cleanup_strv_ char **copy = new0(char *, strv_length(strv) + 1);

        if (!copy)
                return NULL;
        for (size_t i = 0; strv && strv[i]; i++) {
                copy[i] = strdup(strv[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

bool endswith(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *format_string(const char *format, ...) {
        char *s = NULL;
        va_list args;

        va_start(args, format);
        int r = vasprintf(&s, format, args);
        va_end(args);
        return r < 0 ? NULL : s;
}

int free_and_strdup(char **p, const char *s) {
        char *copy = NULL;

        if (s) {
                copy = strdup(s);
                if (!copy)
                        return -ENOMEM;
        }
        free(*p);
        *p = copy;
        return 0;
}

static bool is_continuation(char c) {
        return ((unsigned char) c & 0xc0) == 0x80;
}

size_t utf8_sequence_length(const char *s, size_t n) {
        const unsigned char *u = (const unsigned char *) s;
        unsigned char low = 0x80, high = 0xbf;
        size_t length;

        if (u[0] < 0x80)
                return 1;
        if (u[0] >= 0xc2 && u[0] <= 0xdf)
                length = 2;
        else if (u[0] >= 0xe0 && u[0] <= 0xef)
                length = 3;
        else if (u[0] >= 0xf0 && u[0] <= 0xf4)
                length = 4;
        else
                return 0;
        if (length > n)
                return 0;

        /* The second byte's range depends on the first: this is what rules out overlong forms and surrogates.
         */
        if (u[0] == 0xe0)
                low = 0xa0;
        else if (u[0] == 0xed)
                high = 0x9f;
        else if (u[0] == 0xf0)
                low = 0x90;
        else if (u[0] == 0xf4)
                high = 0x8f;
        if (u[1] < low || u[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if (u[i] < 0x80 || u[i] > 0xbf)
                        return 0;
        return length;
}

bool utf8_is_valid(const char *s, size_t n) {
        for (size_t i = 0, l; i < n; i += l) {
                l = utf8_sequence_length(s + i, n - i);
                if (l == 0)
                        return false;
        }
        return true;
}

char *utf8_sanitize(const char *s, size_t n, size_t *ret_length) {
        _cleanup_(buffer_clear) Buffer b = {};

        for (size_t i = 0, l; i < n; i += l) {
                size_t good = 0;
                while (i + good < n && (l = utf8_sequence_length(s + i + good, n - i - good)) > 0)
                        good += l;
                if (buffer_append(&b, s + i, good) < 0)
                        return NULL;
                l = good;
                if (i + good < n) {
                        if (buffer_append_string(&b, UTF8_REPLACEMENT) < 0)
                                return NULL;
                        l++;
                }
        }
        if (buffer_append(&b, "", 1) < 0)
                return NULL;
        if (ret_length)
                *ret_length = b.length - 1;
        return TAKE_PTR(b.data);
}

int utf8_cut(const char *s, size_t max) {
        const size_t n = strnlen(s, max);
        size_t border = n;

        while (border > 0 && n - border < UTF8_SEQUENCE_MAX - 1 && is_continuation(s[border]))
                border--;
        return (int) (is_continuation(s[border]) ? n : border);
}

int parse_uint64(const char *s, uint64_t *ret) {
        uint64_t value = 0;

        if (isempty(s))
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*s - '0'), &value))
                        return -ERANGE;
        }
        *ret = value;
        return 0;
}
