/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/layer.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/layer-walk.h"
#include "archive/thread.h"

/* Without this capability the kernel shows no trusted attribute, and an opaque directory looks like any
 * other. */
static bool may_read_marks(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        return syscall(SYS_capget, &header, data) == 0 &&
               data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

typedef struct Writer {
        int upper_fd;
        const LayerOptions *options;
        Pipeline *pipeline;
        int result; /* LayerOutcome or negative errno */
        uint64_t n_entries;
        const char *reason;
        Error error;
} Writer;

static void *write_tree(void *userdata) {
        Writer *writer = userdata;
        LayerWalk walk;

        int r = layer_walk_init(&walk, writer->upper_fd, writer->options, writer->pipeline, &writer->error);
        if (r >= 0)
                r = layer_walk_run(&walk, &writer->error);
        if (r == LAYER_WRITTEN)
                r = pipeline_close(writer->pipeline);
        if (r != LAYER_WRITTEN)
                pipeline_stop(writer->pipeline);
        writer->n_entries = walk.n_entries;
        writer->reason = walk.reason;
        writer->result = r;
        layer_walk_clear(&walk);
        return NULL;
}

/* Whose failure it is: the writing thread stops without words when the draining one failed, and the other way
 * round. */
static int settle(Writer *writer, int drained, Error *drain_error, Error *error) {
        if (writer->result == LAYER_NOT_TRANSLATABLE)
                return LAYER_NOT_TRANSLATABLE;
        if (writer->result < 0 && error_is_set(&writer->error)) {
                error_move(error, &writer->error);
                return writer->result;
        }
        if (drained >= 0)
                drained = writer->result;
        if (drained < 0 && !error_is_set(drain_error))
                return error_set_errno(error, drained, "the layer was not written");
        error_move(error, drain_error);
        return drained;
}

int layer_write(int upper_fd, const LayerOptions *options, const Sink *sink, LayerResult *ret, Error *error) {
        _cleanup_(pipeline_freep) Pipeline *pipeline = NULL;
        _cleanup_(error_clear) Error drain_error = {};
        PipelineResult result = {};
        pthread_t thread;

        if (!media_type_of_layer(options->compression))
                return error_set(error, ERROR_INVALID_ARGUMENT, "unknown compression");
        if (!may_read_marks()) {
                *ret = (LayerResult) { .reason = "CAP_SYS_ADMIN is missing" };
                return LAYER_NOT_TRANSLATABLE;
        }
        int r = pipeline_new(options->compression, options->level, options->n_threads, &pipeline, error);
        if (r < 0)
                return r;
        Writer writer = { .upper_fd = upper_fd, .options = options, .pipeline = pipeline };
        r = thread_start(&thread, write_tree, &writer, error);
        if (r < 0)
                return r;
        r = pipeline_drain(pipeline, sink, options->progress, options->userdata, &result, &drain_error);
        (void) pthread_join(thread, NULL);

        r = settle(&writer, r, &drain_error, error);
        error_clear(&writer.error);
        if (r == LAYER_NOT_TRANSLATABLE)
                *ret = (LayerResult) { .reason = writer.reason };
        else if (r >= 0)
                *ret = (LayerResult) {
                        .diff_id = result.in_digest,
                        .digest = result.out_digest,
                        .tar_size = result.in_size,
                        .size = result.out_size,
                        .entries = writer.n_entries,
                };
        return r;
}
