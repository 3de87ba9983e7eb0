/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/bus-text.h"

#include "base/buffer.h"
#include "base/string-util.h"

/* Of a valid sequence. */
static bool is_noncharacter(const char *s, size_t length) {
        const unsigned char *u = (const unsigned char *) s;

        if (length == 3) /* U+FDD0 to U+FDEF; U+FFFE, U+FFFF */
                return u[0] == 0xef &&
                       ((u[1] == 0xb7 && u[2] >= 0x90 && u[2] <= 0xaf) || (u[1] == 0xbf && u[2] >= 0xbe));
        /* The low 16 bits are 4 of the second byte and 6 of each that follows. */
        return length == 4 && (u[1] & 0x0f) == 0x0f && u[2] == 0xbf && u[3] >= 0xbe;
}

static size_t valid_length(const char *s, size_t n) {
        size_t valid = 0, l;

        while (valid < n && (l = utf8_sequence_length(s + valid, n - valid)) > 0 &&
               !is_noncharacter(s + valid, l))
                valid += l;
        return valid;
}

bool bus_text_is_valid(const char *s) {
        size_t n = strlen(s);

        return valid_length(s, n) == n;
}

const char *bus_text(const char *s, char **ret_copy) {
        _cleanup_(buffer_clear) Buffer b = {};

        if (!s || bus_text_is_valid(s))
                return s;
        for (size_t n = strlen(s); n > 0;) {
                size_t l = valid_length(s, n);

                if (buffer_append(&b, s, l) < 0)
                        return NULL;
                s += l;
                n -= l;
                if (n == 0)
                        break;
                l = MAX(utf8_sequence_length(s, n), (size_t) 1);
                if (buffer_append_string(&b, UTF8_REPLACEMENT) < 0)
                        return NULL;
                s += l;
                n -= l;
        }
        if (buffer_append(&b, "", 1) < 0)
                return NULL;
        return *ret_copy = TAKE_PTR(b.data);
}
