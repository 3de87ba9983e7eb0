/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <string.h>

#include "oci/digest.h"
#include "oci/platform.h"
#include "oci/reference.h"

static void try_reference(const char *text) {
        _cleanup_(reference_clear) Reference reference = {}, again = {};
        _cleanup_(error_clear) Error error = {};

        if (reference_parse(text, &reference, &error) < 0) {
                FUZZ_ASSERT(error_is_set(&error));
                return;
        }
        FUZZ_ASSERT(!error_is_set(&error));
        FUZZ_ASSERT(!strstr(reference.path, "..") && reference.path[0] != '/');
        FUZZ_ASSERT(reference.tag || digest_is_set(&reference.digest));
        /* The canonical form is one that stays. */
        if (strlen(reference.canonical) <= REFERENCE_MAX) {
                FUZZ_ASSERT(reference_parse(reference.canonical, &again, NULL) >= 0);
                FUZZ_ASSERT(streq(again.canonical, reference.canonical));
        }
}

static void try_platform(const char *text) {
        char buffer[PLATFORM_MAX], name[PLATFORM_MAX];
        Platform platform, again;

        if (platform_parse(text, &platform, NULL) < 0)
                return;
        FUZZ_ASSERT(platform_parse(platform_format(buffer, &platform), &again, NULL) >= 0);
        FUZZ_ASSERT(platform_equal(&platform, &again));
        FUZZ_ASSERT(platform_rank(&platform, &again) > 0);
        /* It becomes the name of a directory. */
        platform_format_directory(name, &platform);
        FUZZ_ASSERT(!strchr(name, '/') && name[0] != '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = malloc(size + 1);
        Digest digest;

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = 0;
        try_reference(text);
        try_platform(text);
        if (digest_parse(text, &digest, NULL) >= 0)
                FUZZ_ASSERT(streq(digest.string, text) && strlen(digest_hex(&digest)) == DIGEST_HEX_LENGTH);
        return 0;
}
