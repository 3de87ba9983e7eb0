/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"

#include <string.h>

#include "base/string-util.h"

/* How much of a bad digest an error quotes. */
#define QUOTE_MAX 100

static bool is_lower_hex(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
                        return false;
        return true;
}

static bool names_other_algorithm(const char *text) {
        static const char *const others[] = { "sha512:", "sha384:", "blake3:" };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (startswith(text, others[i]))
                        return true;
        return false;
}

int digest_parse(const char *text, Digest *ret, Error *error) {
        const char *hex = skip_prefix(text, DIGEST_PREFIX);

        if (!hex && names_other_algorithm(text))
                return error_set(error, ERROR_UNSUPPORTED, "digest \"%.*s\": only sha256 is supported",
                                 utf8_cut(text, QUOTE_MAX), text);
        if (!hex || strnlen(hex, DIGEST_HEX_LENGTH + 1) != DIGEST_HEX_LENGTH ||
            !is_lower_hex(hex, DIGEST_HEX_LENGTH))
                return error_set(error, ERROR_INVALID_ARGUMENT, "invalid digest \"%.*s\"",
                                 utf8_cut(text, QUOTE_MAX), text);
        memcpy(ret->string, text, DIGEST_LENGTH + 1);
        return 0;
}

bool digest_equal(const Digest *a, const Digest *b) {
        return streq(a->string, b->string);
}

void digest_of(const void *data, size_t n, Digest *ret) {
        DigestHasher hasher;

        digest_hasher_init(&hasher);
        digest_hasher_update(&hasher, data, n);
        digest_hasher_finish(&hasher, ret);
}

void digest_hasher_init(DigestHasher *hasher) {
        sha256_init(&hasher->context);
        hasher->length = 0;
}

void digest_hasher_update(DigestHasher *hasher, const void *data, size_t n) {
        sha256_update(&hasher->context, n, data);
        hasher->length += n;
}

void digest_hasher_finish(DigestHasher *hasher, Digest *ret) {
        static const char digits[] = "0123456789abcdef";
        uint8_t bytes[SHA256_DIGEST_SIZE];

        sha256_digest(&hasher->context, sizeof(bytes), bytes);
        hasher->length = 0;

        memcpy(ret->string, DIGEST_PREFIX, strlen(DIGEST_PREFIX));
        char *p = ret->string + strlen(DIGEST_PREFIX);
        for (size_t i = 0; i < sizeof(bytes); i++) {
                *p++ = digits[bytes[i] >> 4];
                *p++ = digits[bytes[i] & 0xf];
        }
        *p = 0;
}

void digest_chain(const Digest *parent, const Digest *diff_id, Digest *ret) {
        char pair[2 * DIGEST_LENGTH + 1];

        if (!parent || !digest_is_set(parent)) {
                *ret = *diff_id;
                return;
        }
        memcpy(pair, parent->string, DIGEST_LENGTH);
        pair[DIGEST_LENGTH] = ' ';
        memcpy(pair + DIGEST_LENGTH + 1, diff_id->string, DIGEST_LENGTH);
        digest_of(pair, sizeof(pair), ret);
}

void digest_chain_of(const Digest *diff_ids, size_t n, Digest *ret) {
        *ret = (Digest) {};
        for (size_t i = 0; i < n; i++)
                digest_chain(ret, &diff_ids[i], ret);
}
