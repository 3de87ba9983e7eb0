/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "archive/thread.h"
#include "runtime/copy-internal.h"

/* The batches go round: the walk fills one in and hands it on, the thread takes them in the same order. */
struct CopyFiller {
        Copy copy; /* what the thread needs of it, with statistics and a buffer of its own */
        CopyStatistics statistics;
        pthread_t thread;
        bool started;

        pthread_mutex_t lock; /* over all below */
        pthread_cond_t changed;
        bool submitted[COPY_BATCHES]; /* the thread's until it is done */
        bool ending;
        uint64_t bytes; /* not yet counted by the walk */
        Error error;    /* the first */
        int r;          /* its errno, negative; 0 without one */
};

static int fill_batch(CopyFiller *filler, const CopyBatch *batch, Error *error) {
        const CopyDirectory directory = {
                .source_path = batch->source_path,
                .dest_path = batch->dest_path,
                .dest_fd = -EBADF,
        };

        for (size_t i = 0; i < batch->n; i++) {
                const CopyEntry *entry = &batch->entries[i];
                int r = entry->out < 0 ? 0
                                       : copy_fill(&filler->copy, &directory, entry, entry->out, NULL, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The next batch that is submitted, or false at the end. */
static bool await_batch(CopyFiller *filler, unsigned i, bool *ret_failed) {
        pthread_mutex_lock(&filler->lock);
        while (!filler->submitted[i] && !filler->ending)
                pthread_cond_wait(&filler->changed, &filler->lock);
        bool go_on = !filler->ending;
        *ret_failed = filler->r < 0;
        pthread_mutex_unlock(&filler->lock);
        return go_on;
}

static void *run(void *userdata) {
        CopyFiller *filler = userdata;
        bool failed;

        for (unsigned i = 0; await_batch(filler, i, &failed); i = (i + 1) % COPY_BATCHES) {
                CopyBatch *batch = &filler->copy.batches[i];
                _cleanup_(error_clear) Error error = {};

                int r = failed ? 0 : fill_batch(filler, batch, &error);
                copy_batch_clear(batch);

                pthread_mutex_lock(&filler->lock);
                filler->submitted[i] = false;
                filler->bytes += TAKE(filler->statistics.bytes, 0);
                if (r < 0) {
                        filler->r = r;
                        error_move(&filler->error, &error);
                }
                pthread_cond_signal(&filler->changed);
                pthread_mutex_unlock(&filler->lock);
        }
        return NULL;
}

static int start(Copy *copy, Error *error) {
        CopyFiller *filler = new0(CopyFiller, 1);
        if (!filler)
                return error_oom(error);

        copy->filler = filler;
        filler->copy = (Copy) {
                .source = copy->source,
                .destination = copy->destination,
                .statistics = &filler->statistics,
                .name = copy->name,
                .batches = copy->batches,
                .no_offload = copy->no_offload,
                .source_fd = -EBADF,
        };
        /* Neither allocates on Linux. */
        (void) pthread_mutex_init(&filler->lock, NULL);
        (void) pthread_cond_init(&filler->changed, NULL);
        int r = thread_start(&filler->thread, run, filler, error);
        filler->started = r >= 0;
        return r;
}

/* Waits until a batch is the walk's, and takes over what the thread has to tell. */
static int await_free(Copy *copy, unsigned i, Error *error) {
        CopyFiller *filler = copy->filler;

        pthread_mutex_lock(&filler->lock);
        while (filler->submitted[i])
                pthread_cond_wait(&filler->changed, &filler->lock);
        copy->statistics->bytes += TAKE(filler->bytes, 0);
        int r = filler->r;
        if (r < 0)
                error_move(error, &filler->error);
        pthread_mutex_unlock(&filler->lock);
        return r;
}

int copy_filler_submit(Copy *copy, Error *error) {
        if (!copy->filler) {
                int r = start(copy, error);
                if (r < 0)
                        return r;
        }
        pthread_mutex_lock(&copy->filler->lock);
        copy->filler->submitted[copy->batch] = true;
        pthread_cond_signal(&copy->filler->changed);
        pthread_mutex_unlock(&copy->filler->lock);

        copy->batch = (copy->batch + 1) % COPY_BATCHES;
        return await_free(copy, copy->batch, error);
}

int copy_filler_finish(Copy *copy, Error *error) {
        for (unsigned i = 0; copy->filler && i < COPY_BATCHES; i++) {
                int r = await_free(copy, i, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

CopyFiller *copy_filler_free(CopyFiller *filler) {
        if (!filler)
                return NULL;
        if (filler->started) {
                pthread_mutex_lock(&filler->lock);
                filler->ending = true;
                pthread_cond_signal(&filler->changed);
                pthread_mutex_unlock(&filler->lock);
                (void) pthread_join(filler->thread, NULL);
        }
        (void) pthread_cond_destroy(&filler->changed);
        (void) pthread_mutex_destroy(&filler->lock);
        error_clear(&filler->error);
        free(filler->copy.buffer);
        return mfree(filler);
}
