/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/compressor.h"

#include <isa-l.h>
#include <string.h>
#include <zstd.h>

/* ISA-L asks for room for stored blocks and its own headers; it names no figure, and this is far more. */
#define DEFLATE_SLACK 4096

struct Compressor {
        Compression compression;
        int level;
        struct isal_zstream *deflate; /* owned; too large for a stack */
        uint8_t *level_buffer;        /* owned */
        ZSTD_CCtx *zstd;              /* owned */
};

static const uint32_t level_buffer_sizes[GZIP_LEVEL_MAX + 1] = {
        ISAL_DEF_LVL0_DEFAULT,
        ISAL_DEF_LVL1_DEFAULT,
        ISAL_DEF_LVL2_DEFAULT,
        ISAL_DEF_LVL3_DEFAULT,
};

static int gzip_new(Compressor *compressor, Error *error) {
        if (compressor->level == 0)
                compressor->level = GZIP_LEVEL_DEFAULT;
        if (compressor->level < 0 || compressor->level > GZIP_LEVEL_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "gzip's levels are 1 to %d", GZIP_LEVEL_MAX);
        compressor->deflate = new0(struct isal_zstream, 1);
        compressor->level_buffer = malloc(level_buffer_sizes[compressor->level]);
        return compressor->deflate && compressor->level_buffer ? 0 : error_oom(error);
}

static int zstd_new(Compressor *compressor, Error *error) {
        if (compressor->level == 0)
                compressor->level = ZSTD_LEVEL_DEFAULT;
        if (compressor->level < 0 || compressor->level > ZSTD_LEVEL_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "zstd's levels are 1 to %d", ZSTD_LEVEL_MAX);
        compressor->zstd = ZSTD_createCCtx();
        if (!compressor->zstd)
                return error_oom(error);
        if (ZSTD_isError(
                    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, compressor->level)) ||
            ZSTD_isError(ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_checksumFlag, 1)))
                return error_set(error, ERROR_INTERNAL, "zstd does not take its parameters");
        return 0;
}

int compressor_new(Compression compression, int level, Compressor **ret, Error *error) {
        _cleanup_(compressor_freep) Compressor *compressor = new0(Compressor, 1);
        int r = 0;

        if (!compressor)
                return error_oom(error);
        *compressor = (Compressor) { .compression = compression, .level = level };
        if (compression == COMPRESSION_GZIP)
                r = gzip_new(compressor, error);
        else if (compression == COMPRESSION_ZSTD)
                r = zstd_new(compressor, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(compressor);
        return 0;
}

Compressor *compressor_free(Compressor *compressor) {
        if (compressor) {
                free(compressor->deflate);
                free(compressor->level_buffer);
                ZSTD_freeCCtx(compressor->zstd);
        }
        return mfree(compressor);
}

size_t compressor_bound(Compression compression, size_t n) {
        return compression == COMPRESSION_ZSTD ? ZSTD_compressBound(n) : n + n / 8 + DEFLATE_SLACK;
}

static int run_gzip(Compressor *compressor, const void *in, size_t n, bool last, void *out, size_t *ret,
                    Error *error) {
        struct isal_zstream *z = compressor->deflate;
        size_t room = compressor_bound(COMPRESSION_GZIP, n);

        isal_deflate_stateless_init(z);
        z->level = (uint32_t) compressor->level;
        z->level_buf = compressor->level_buffer;
        z->level_buf_size = level_buffer_sizes[compressor->level];
        z->flush = FULL_FLUSH;
        z->end_of_stream = last;
        z->next_in = (uint8_t *) in;
        z->avail_in = (uint32_t) n;
        z->next_out = out;
        z->avail_out = (uint32_t) room;
        int r = isal_deflate_stateless(z);
        if (r != COMP_OK || z->avail_in > 0)
                return error_set(error, ERROR_INTERNAL, "deflating a block of %zu bytes failed (%d)", n, r);
        *ret = room - z->avail_out;
        return 0;
}

int compressor_run(Compressor *compressor, const void *in, size_t n, bool last, void *out, size_t *ret,
                   Error *error) {
        if (compressor->compression == COMPRESSION_GZIP)
                return run_gzip(compressor, in, n, last, out, ret, error);
        if (compressor->compression == COMPRESSION_ZSTD) {
                size_t k = ZSTD_compress2(compressor->zstd, out, ZSTD_compressBound(n), in, n);
                if (ZSTD_isError(k))
                        return error_set(error, ERROR_INTERNAL, "compressing a block of %zu bytes failed: %s",
                                         n, ZSTD_getErrorName(k));
                *ret = k;
                return 0;
        }
        memcpy(out, in, n);
        *ret = n;
        return 0;
}

void gzip_header(uint8_t ret[static GZIP_HEADER_SIZE]) {
        /* Magic, deflate, no flags, no time, no hint, unknown system. */
        static const uint8_t header[GZIP_HEADER_SIZE] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff };

        memcpy(ret, header, sizeof(header));
}

void gzip_trailer(uint32_t crc, uint64_t length, uint8_t ret[static GZIP_TRAILER_SIZE]) {
        for (unsigned i = 0; i < 4; i++) {
                ret[i] = (uint8_t) (crc >> (8 * i));
                ret[4 + i] = (uint8_t) (length >> (8 * i));
        }
}
