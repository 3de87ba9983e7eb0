/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Content digests (OCI image specification, "Descriptor: Digests") and the chain ids made from them
 * ("Image configuration: Layer ChainID"). A Digest is a value without ownership; zero-initialised is "none".
 */

#include <nettle/sha2.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

#define DIGEST_PREFIX "sha256:"
#define DIGEST_HEX_LENGTH (2 * SHA256_DIGEST_SIZE)
#define DIGEST_LENGTH (sizeof(DIGEST_PREFIX) - 1 + DIGEST_HEX_LENGTH)

typedef struct Digest {
        char string[DIGEST_LENGTH + 1]; /* "sha256:HEX" in lower case, or "" */
} Digest;

/* Takes exactly "sha256:" and 64 lower-case hexadecimal digits. ERROR_UNSUPPORTED for another registered
 * algorithm (sha512, sha384, blake3), ERROR_INVALID_ARGUMENT for what is no digest at all; both quote it,
 * bounded. */
int digest_parse(const char *text, Digest *ret, Error *error);

static inline bool digest_is_set(const Digest *digest) {
        return digest->string[0] != 0;
}

bool digest_equal(const Digest *a, const Digest *b) _pure_;

/* The 64 digits behind the algorithm; "" of none. Belongs to the digest. */
static inline const char *digest_hex(const Digest *digest) {
        return digest_is_set(digest) ? digest->string + sizeof(DIGEST_PREFIX) - 1 : "";
}

/* The digest of n bytes. */
void digest_of(const void *data, size_t n, Digest *ret);

/* The same, piece by piece. Finishing begins the next one. */
typedef struct DigestHasher {
        struct sha256_ctx context;
        uint64_t length; /* bytes so far */
} DigestHasher;

void digest_hasher_init(DigestHasher *hasher);
void digest_hasher_update(DigestHasher *hasher, const void *data, size_t n);
void digest_hasher_finish(DigestHasher *hasher, Digest *ret);

/* One link: the chain id of `parent` (NULL or none below the first layer) with a layer on top. */
void digest_chain(const Digest *parent, const Digest *diff_id, Digest *ret);

/* The chain id of all n layers; none for n = 0. */
void digest_chain_of(const Digest *diff_ids, size_t n, Digest *ret);
