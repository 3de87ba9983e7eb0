/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Compresses a stream block by block, each without regard to those before, so that blocks can be compressed
 * side by side and the bytes do not depend on how many are. gzip: one member, whose deflate blocks end on a
 * byte boundary (a full flush), as readers of layers may stop after the first member. zstd: a frame a block
 * (RFC 8878, 3.1: frames may follow each other). ISA-L's code differs from processor to processor, and so may
 * gzip's bytes, though never what they unpack to. Of this layer alone. */

#include <stdint.h>

#include "base/error.h"
#include "oci/media-type.h"

#define GZIP_LEVEL_DEFAULT 2
#define GZIP_LEVEL_MAX 3
#define ZSTD_LEVEL_DEFAULT 3
#define ZSTD_LEVEL_MAX 19

#define GZIP_HEADER_SIZE 10
#define GZIP_TRAILER_SIZE 8

typedef struct Compressor Compressor;

/* For one thread. Level 0 is the default; ERROR_INVALID_ARGUMENT beyond the maximum. */
int compressor_new(Compression compression, int level, Compressor **ret, Error *error);
Compressor *compressor_free(Compressor *compressor);
DEFINE_CLEANUP(Compressor *, compressor_free);

/* Bytes that n bytes can become at most. */
size_t compressor_bound(Compression compression, size_t n);

/* Compresses a block into `out`, which has room for compressor_bound(). *ret is the length of the result. */
int compressor_run(Compressor *compressor, const void *in, size_t n, bool last, void *out, size_t *ret,
                   Error *error);

/* What stands before and behind all blocks of a gzip member (RFC 1952): without name and time. */
void gzip_header(uint8_t ret[static GZIP_HEADER_SIZE]);
void gzip_trailer(uint32_t crc, uint64_t length, uint8_t ret[static GZIP_TRAILER_SIZE]);
