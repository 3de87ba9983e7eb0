/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/digest.h"
#include "test.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC "sha256:" HEX

static void refuse(const char *text, ErrorCode code) {
        _cleanup_(error_clear) Error error = {};
        Digest digest = {};

        ASSERT_LT(digest_parse(text, &digest, &error), 0);
        ASSERT_EQ(error.code, code);
        ASSERT_FALSE(digest_is_set(&digest));
}

TEST(parse) {
        Digest digest = {};

        ASSERT_OK(digest_parse(ABC, &digest, NULL));
        ASSERT_STREQ(digest.string, ABC);
        ASSERT_STREQ(digest_hex(&digest), HEX);
}

TEST(refused) {
        refuse("", ERROR_INVALID_ARGUMENT);
        refuse("sha256:", ERROR_INVALID_ARGUMENT);
        refuse("sha256", ERROR_INVALID_ARGUMENT);
        refuse(HEX, ERROR_INVALID_ARGUMENT);
        refuse(ABC "0", ERROR_INVALID_ARGUMENT);
        refuse("sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
               ERROR_INVALID_ARGUMENT);
        refuse("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
               ERROR_INVALID_ARGUMENT);
        refuse("sha256:../../../../../../../../../../../../../../../../../../../etc/passwd",
               ERROR_INVALID_ARGUMENT);
        refuse("md5:d41d8cd98f00b204e9800998ecf8427e", ERROR_INVALID_ARGUMENT);
        refuse("sha512:00", ERROR_UNSUPPORTED);
}

TEST(hash) {
        DigestHasher hasher;
        Digest whole, pieces;

        digest_of("abc", 3, &whole);
        ASSERT_STREQ(whole.string, ABC);

        digest_hasher_init(&hasher);
        digest_hasher_update(&hasher, "a", 1);
        digest_hasher_update(&hasher, "bc", 2);
        ASSERT_EQ(hasher.length, 3);
        digest_hasher_finish(&hasher, &pieces);
        ASSERT_TRUE(digest_equal(&whole, &pieces));

        /* Finishing begins anew. */
        digest_hasher_update(&hasher, "abc", 3);
        digest_hasher_finish(&hasher, &pieces);
        ASSERT_TRUE(digest_equal(&whole, &pieces));
}

TEST(chain) {
        /* The chain id of two layers is the digest of "A B". */
        Digest layers[3], expected, chain;
        char pair[2 * DIGEST_LENGTH + 2];

        for (size_t i = 0; i < 3; i++)
                digest_of("abc", i, &layers[i]);
        digest_chain_of(layers, 0, &chain);
        ASSERT_FALSE(digest_is_set(&chain));
        digest_chain_of(layers, 1, &chain);
        ASSERT_STREQ(chain.string, layers[0].string);
        digest_chain(NULL, &layers[0], &chain);
        ASSERT_STREQ(chain.string, layers[0].string);

        snprintf(pair, sizeof(pair), "%s %s", layers[0].string, layers[1].string);
        digest_of(pair, strlen(pair), &expected);
        digest_chain_of(layers, 2, &chain);
        ASSERT_STREQ(chain.string, expected.string);

        snprintf(pair, sizeof(pair), "%s %s", expected.string, layers[2].string);
        digest_of(pair, strlen(pair), &expected);
        digest_chain_of(layers, 3, &chain);
        ASSERT_STREQ(chain.string, expected.string);
}
