/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/setting-value.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/string-util.h"
#include "base/time-util.h"

int parse_boolean(const char *s, bool *ret) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasecmp(s, words[i]) == 0) {
                        *ret = i % 2 == 1;
                        return 0;
                }
        return -EINVAL;
}

/* Reads digits; the number of them, -EINVAL for none, -ERANGE. */
static int read_number(const char **s, uint64_t *ret) {
        const char *start = *s;
        uint64_t value = 0;

        for (; isdigit((unsigned char) **s); (*s)++)
                if (__builtin_mul_overflow(value, 10U, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (**s - '0'), &value))
                        return -ERANGE;
        if (*s == start)
                return -EINVAL;
        *ret = value;
        return 0;
}

static int read_time_unit(const char **s, uint64_t *ret) {
        static const struct {
                const char *word;
                uint64_t usec;
        } units[] = {
                { "", USEC_PER_SEC },
                { "s", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "us", 1 },
                { "ms", USEC_PER_MSEC },
                { "m", 60 * USEC_PER_SEC },
                { "min", 60 * USEC_PER_SEC },
                { "h", 3600 * USEC_PER_SEC },
                { "hr", 3600 * USEC_PER_SEC },
                { "d", 86400 * USEC_PER_SEC },
                { "day", 86400 * USEC_PER_SEC },
        };
        size_t n = 0;

        while (isalpha((unsigned char) (*s)[n]))
                n++;
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strlen(units[i].word) == n && strncmp(units[i].word, *s, n) == 0) {
                        *ret = units[i].usec;
                        *s += n;
                        return 0;
                }
        return -EINVAL;
}

int parse_time(const char *s, uint64_t *ret) {
        uint64_t total = 0;

        if (streq(s, "infinity")) {
                *ret = USEC_INFINITY;
                return 0;
        }
        do {
                uint64_t value, unit;

                int r = read_number(&s, &value);
                if (r < 0)
                        return r;
                s += strspn(s, " ");
                r = read_time_unit(&s, &unit);
                if (r < 0)
                        return r;
                if (__builtin_mul_overflow(value, unit, &value) ||
                    __builtin_add_overflow(total, value, &total) || total == USEC_INFINITY)
                        return -ERANGE;
                s += strspn(s, " ");
        } while (*s);

        *ret = total;
        return 0;
}

int parse_size(const char *s, uint64_t *ret) {
        static const char suffixes[] = "KMGT";
        uint64_t value;

        int r = read_number(&s, &value);
        if (r < 0)
                return r;
        if (*s) {
                const char *suffix = strchr(suffixes, *s);
                if (!suffix || s[1])
                        return -EINVAL;
                if (__builtin_mul_overflow(value, UINT64_C(1) << (10 * (suffix - suffixes + 1)), &value))
                        return -ERANGE;
        }
        *ret = value;
        return 0;
}
