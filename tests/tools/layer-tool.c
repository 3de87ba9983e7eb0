/* SPDX-License-Identifier: Apache-2.0 */
/* layer-tool DIRECTORY OUTPUT [none|gzip|zstd [THREADS [LEVEL]]]: writes the layer of an upper directory,
 * says how long it took; for looking at layers by hand and for measuring. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "archive/layer.h"
#include "base/fd-util.h"
#include "base/time-util.h"

int main(int argc, char **argv) {
        LayerOptions options = LAYER_OPTIONS_DEFAULT;
        _cleanup_(error_clear) Error error = {};
        LayerResult result = {};

        if (argc < 3) {
                fprintf(stderr, "usage: %s DIRECTORY OUTPUT [none|gzip|zstd [THREADS [LEVEL]]]\n", argv[0]);
                return 2;
        }
        if (argc > 3)
                options.compression = compression_from_string(argv[3]);
        options.n_threads = argc > 4 ? (unsigned) atoi(argv[4]) : 0;
        options.level = argc > 5 ? atoi(argv[5]) : 0;

        _cleanup_close_ int upper = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (upper < 0 || out < 0 || options.compression == _COMPRESSION_INVALID) {
                fprintf(stderr, "%s: %m\n", argv[0]);
                return 1;
        }
        Sink sink = sink_to_fd(&out);
        uint64_t start = now_usec(CLOCK_MONOTONIC);
        int r = layer_write(upper, &options, &sink, &result, &error);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", argv[0], error_message(&error));
                return 1;
        }
        if (r == LAYER_NOT_TRANSLATABLE) {
                printf("not translatable: %s\n", result.reason);
                return 3;
        }
        printf("%" PRIu64 " entries, %" PRIu64 " bytes of tar, %" PRIu64 " bytes written, %.3f s\n"
               "diff id %s\ndigest  %s\n",
               result.entries, result.tar_size, result.size,
               (double) (now_usec(CLOCK_MONOTONIC) - start) / (double) USEC_PER_SEC, result.diff_id.string,
               result.digest.string);
        return 0;
}
