/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stream's way through digest, compressor, digest and into a sink, in threads:
 *
 *     one thread writes ──▶ ring of blocks ──▶ compressors ──▶ ring of blocks ──▶ one thread drains into
 *       digest, CRC            (bounded)                          in order          the sink, digest
 *
 * Each block of the ring is filled, compressed and drained in turn. Whoever fails stops the others. Of this
 * layer alone. */

#include <stdint.h>

#include "archive/sink.h"
#include "oci/digest.h"
#include "oci/media-type.h"

#define PIPELINE_BLOCK_SIZE ((size_t) KIB(512))
#define PIPELINE_THREADS_MAX 16

typedef struct Pipeline Pipeline;

typedef struct PipelineResult {
        Digest in_digest;
        Digest out_digest;
        uint64_t in_size;
        uint64_t out_size;
} PipelineResult;

/* n_threads of compressors, 0 for one a processor. */
int pipeline_new(Compression compression, int level, unsigned n_threads, Pipeline **ret, Error *error);

/* Ends and joins the compressors. The writing thread must have ended. */
Pipeline *pipeline_free(Pipeline *pipeline);
DEFINE_CLEANUP(Pipeline *, pipeline_free);

/* Of the writing thread. -ECANCELED, without words, when the stream was stopped from the other end. close()
 * says that this is all, stop() that there will be no more and the whole is void; one of them must be called.
 */
int pipeline_write(Pipeline *pipeline, const void *data, size_t n);
int pipeline_close(Pipeline *pipeline);
void pipeline_stop(Pipeline *pipeline);

/* Of the other thread: returns when all is in the sink, or at the first failure (which stops the writing
 * thread). -ECANCELED without an error set means that the writing thread stopped and knows why. `progress`
 * (may be NULL) is called with the bytes that came in so far. */
int pipeline_drain(Pipeline *pipeline, const Sink *sink, void (*progress)(void *userdata, uint64_t bytes),
                   void *userdata, PipelineResult *ret, Error *error);
