/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/pipeline.h"

#include <isa-l.h>
#include <string.h>

#include "archive/compressor.h"
#include "archive/thread.h"

typedef struct Block {
        uint8_t *in;  /* owned, PIPELINE_BLOCK_SIZE */
        uint8_t *out; /* owned; NULL where nothing is compressed: then `in` is what goes out */
        size_t in_length;
        size_t out_length;
        bool last;
        bool done;
} Block;

struct Pipeline {
        Compression compression;
        int level;
        Block *blocks;
        unsigned n_blocks;
        pthread_t threads[PIPELINE_THREADS_MAX];
        unsigned n_threads;

        pthread_mutex_t lock; /* of all until the writer's own */
        pthread_cond_t block_filled;
        pthread_cond_t block_done;
        pthread_cond_t block_drained;
        /* Numbers of blocks since the start; block i lies in slot i % n_blocks. */
        uint64_t n_filled, n_claimed, n_drained;
        bool closed;
        bool stopped;
        Error error; /* of a compressor */

        /* The writer's own, until the last block is filled. */
        size_t fill;
        DigestHasher hasher;
        uint32_t crc;
};

static void stop(Pipeline *p, Error *error) {
        pthread_mutex_lock(&p->lock);
        p->stopped = true;
        if (error && !error_is_set(&p->error))
                error_move(&p->error, error);
        pthread_cond_broadcast(&p->block_filled);
        pthread_cond_broadcast(&p->block_done);
        pthread_cond_broadcast(&p->block_drained);
        pthread_mutex_unlock(&p->lock);
}

/* The next block to compress, or NULL when there will be none. */
static Block *claim_block(Pipeline *p) {
        Block *block = NULL;

        pthread_mutex_lock(&p->lock);
        while (!p->stopped && p->n_claimed == p->n_filled && !p->closed)
                pthread_cond_wait(&p->block_filled, &p->lock);
        if (!p->stopped && p->n_claimed < p->n_filled)
                block = &p->blocks[p->n_claimed++ % p->n_blocks];
        pthread_mutex_unlock(&p->lock);
        return block;
}

static void *compress_blocks(void *userdata) {
        Pipeline *p = userdata;
        _cleanup_(compressor_freep) Compressor *compressor = NULL;
        _cleanup_(error_clear) Error error = {};
        Block *block;

        int r = compressor_new(p->compression, p->level, &compressor, &error);
        while (r >= 0 && (block = claim_block(p))) {
                r = compressor_run(compressor, block->in, block->in_length, block->last, block->out,
                                   &block->out_length, &error);
                if (r < 0)
                        break;
                pthread_mutex_lock(&p->lock);
                block->done = true;
                pthread_cond_signal(&p->block_done);
                pthread_mutex_unlock(&p->lock);
        }
        if (r < 0)
                stop(p, &error);
        return NULL;
}

static int allocate_blocks(Pipeline *p, unsigned n) {
        bool compressed = p->compression != COMPRESSION_NONE;

        p->blocks = new0(Block, n);
        if (!p->blocks)
                return -ENOMEM;
        for (p->n_blocks = 0; p->n_blocks < n; p->n_blocks++) {
                Block *block = &p->blocks[p->n_blocks];

                block->in = malloc(PIPELINE_BLOCK_SIZE);
                block->out =
                        compressed ? malloc(compressor_bound(p->compression, PIPELINE_BLOCK_SIZE)) : NULL;
                if (!block->in || (compressed && !block->out)) {
                        free(block->in);
                        free(block->out);
                        return -ENOMEM;
                }
        }
        return 0;
}

int pipeline_new(Compression compression, int level, unsigned n_threads, Pipeline **ret, Error *error) {
        _cleanup_(pipeline_freep) Pipeline *p = new0(Pipeline, 1);
        unsigned wanted = n_threads > 0 ? MIN(n_threads, (unsigned) PIPELINE_THREADS_MAX)
                                        : thread_count(PIPELINE_THREADS_MAX);

        if (!p)
                return error_oom(error);
        p->compression = compression;
        p->level = level;
        /* None of these allocates on Linux. */
        (void) pthread_mutex_init(&p->lock, NULL);
        (void) pthread_cond_init(&p->block_filled, NULL);
        (void) pthread_cond_init(&p->block_done, NULL);
        (void) pthread_cond_init(&p->block_drained, NULL);
        digest_hasher_init(&p->hasher);

        /* Two for each compressor, so that none waits, and one for either end. */
        if (allocate_blocks(p, 2 * wanted + 2) < 0)
                return error_oom(error);
        while (compression != COMPRESSION_NONE && p->n_threads < wanted) {
                int r = thread_start(&p->threads[p->n_threads], compress_blocks, p, error);
                if (r < 0)
                        return r;
                p->n_threads++;
        }
        *ret = TAKE_PTR(p);
        return 0;
}

Pipeline *pipeline_free(Pipeline *p) {
        if (!p)
                return NULL;
        stop(p, NULL);
        while (p->n_threads > 0)
                (void) pthread_join(p->threads[--p->n_threads], NULL);
        while (p->n_blocks > 0) {
                free(p->blocks[--p->n_blocks].in);
                free(p->blocks[p->n_blocks].out);
        }
        free(p->blocks);
        error_clear(&p->error);
        (void) pthread_cond_destroy(&p->block_drained);
        (void) pthread_cond_destroy(&p->block_done);
        (void) pthread_cond_destroy(&p->block_filled);
        (void) pthread_mutex_destroy(&p->lock);
        return mfree(p);
}

/* Hands the block that was being filled on. It stays the writer's while there is no room for another. */
static int submit_block(Pipeline *p, bool last) {
        Block *block = &p->blocks[p->n_filled % p->n_blocks];
        int r = 0;

        digest_hasher_update(&p->hasher, block->in, p->fill);
        if (p->compression == COMPRESSION_GZIP)
                p->crc = crc32_gzip_refl(p->crc, block->in, p->fill);
        block->in_length = p->fill;
        block->last = last;
        block->done = p->compression == COMPRESSION_NONE;
        p->fill = 0;

        pthread_mutex_lock(&p->lock);
        p->n_filled++;
        p->closed = last;
        pthread_cond_broadcast(block->done ? &p->block_done : &p->block_filled);
        while (!p->stopped && !last && p->n_filled - p->n_drained == p->n_blocks)
                pthread_cond_wait(&p->block_drained, &p->lock);
        if (p->stopped)
                r = -ECANCELED;
        pthread_mutex_unlock(&p->lock);
        return r;
}

int pipeline_write(Pipeline *p, const void *data, size_t n) {
        while (n > 0) {
                /* A full block is handed on only when more comes, so that the last one can be marked. */
                if (p->fill == PIPELINE_BLOCK_SIZE) {
                        int r = submit_block(p, /* last= */ false);
                        if (r < 0)
                                return r;
                }
                size_t k = MIN(n, PIPELINE_BLOCK_SIZE - p->fill);
                memcpy(p->blocks[p->n_filled % p->n_blocks].in + p->fill, data, k);
                p->fill += k;
                data = (const char *) data + k;
                n -= k;
        }
        return 0;
}

int pipeline_close(Pipeline *p) {
        return submit_block(p, /* last= */ true);
}

void pipeline_stop(Pipeline *p) {
        stop(p, NULL);
}

/* Waits for the next block in order. */
static int await_block(Pipeline *p, Block **ret, Error *error) {
        int r = 0;

        pthread_mutex_lock(&p->lock);
        for (;;) {
                *ret = &p->blocks[p->n_drained % p->n_blocks];
                if (p->stopped || (p->n_drained < p->n_filled && (*ret)->done))
                        break;
                pthread_cond_wait(&p->block_done, &p->lock);
        }
        if (p->stopped) {
                r = -ECANCELED;
                if (error_is_set(&p->error)) {
                        r = error_code_to_errno(p->error.code);
                        error_move(error, &p->error);
                }
        }
        pthread_mutex_unlock(&p->lock);
        return r;
}

static void release_block(Pipeline *p) {
        pthread_mutex_lock(&p->lock);
        p->n_drained++;
        pthread_cond_signal(&p->block_drained);
        pthread_mutex_unlock(&p->lock);
}

typedef struct Drain {
        const Sink *sink;
        DigestHasher hasher;
        uint64_t size;
        bool hash;
} Drain;

static int put(Drain *drain, const void *data, size_t n, Error *error) {
        if (n == 0)
                return 0;
        if (drain->hash)
                digest_hasher_update(&drain->hasher, data, n);
        drain->size += n;
        return drain->sink->write(drain->sink->userdata, data, n, error);
}

static int drain_blocks(Pipeline *p, Drain *drain, void (*progress)(void *, uint64_t), void *userdata,
                        uint64_t *ret_in_size, Error *error) {
        uint64_t in_size = 0;

        for (bool last = false; !last;) {
                Block *block;
                int r = await_block(p, &block, error);
                if (r >= 0)
                        r = put(drain, block->out ? block->out : block->in,
                                block->out ? block->out_length : block->in_length, error);
                if (r < 0)
                        return r;
                in_size += block->in_length;
                last = block->last;
                release_block(p);
                if (progress)
                        progress(userdata, in_size);
        }
        *ret_in_size = in_size;
        return 0;
}

static int drain_all(Pipeline *p, Drain *drain, void (*progress)(void *, uint64_t), void *userdata,
                     uint64_t *ret_in_size, Error *error) {
        uint8_t header[GZIP_HEADER_SIZE], trailer[GZIP_TRAILER_SIZE];
        bool gzip = p->compression == COMPRESSION_GZIP;

        gzip_header(header);
        int r = gzip ? put(drain, header, sizeof(header), error) : 0;
        if (r < 0)
                return r;
        r = drain_blocks(p, drain, progress, userdata, ret_in_size, error);
        if (r < 0 || !gzip)
                return r;
        /* The last block came through the lock, and with it the writer's sums. */
        gzip_trailer(p->crc, *ret_in_size, trailer);
        return put(drain, trailer, sizeof(trailer), error);
}

int pipeline_drain(Pipeline *p, const Sink *sink, void (*progress)(void *userdata, uint64_t bytes),
                   void *userdata, PipelineResult *ret, Error *error) {
        Drain drain = { .sink = sink, .hash = p->compression != COMPRESSION_NONE };
        PipelineResult result = {};

        digest_hasher_init(&drain.hasher);
        int r = drain_all(p, &drain, progress, userdata, &result.in_size, error);
        if (r < 0) {
                stop(p, NULL);
                return r;
        }
        digest_hasher_finish(&p->hasher, &result.in_digest);
        result.out_digest = result.in_digest;
        if (drain.hash)
                digest_hasher_finish(&drain.hasher, &result.out_digest);
        result.out_size = drain.size;
        *ret = result;
        return 0;
}
