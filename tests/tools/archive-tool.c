/* SPDX-License-Identifier: Apache-2.0 */
/* archive-tool write OUTPUT NAME none|gzip|zstd DIRECTORY…: an image whose layers are those of upper
 * directories, the lowest first. archive-tool read ARCHIVE [os/arch]: what is in an archive, every blob of
 * the image for a platform verified. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/layer.h"
#include "archive/oci-archive-reader.h"
#include "archive/oci-archive-writer.h"
#include "base/fd-util.h"
#include "base/string-util.h"
#include "base/time-util.h"

#define CONFIG_TEXT \
        "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/sh\"],\"Env\":[\"PATH=/bin:/" \
        "usr/bin\"]}}"

static int write_layer(ArchiveWriter *writer, const char *path, Compression compression,
                       ImageManifest *manifest, ImageConfig *config, Error *error) {
        _cleanup_(descriptor_clear) Descriptor layer = {};
        LayerOptions options = LAYER_OPTIONS_DEFAULT;
        Sink sink = archive_writer_sink(writer);
        LayerResult result;

        _cleanup_close_ int upper = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (upper < 0)
                return error_set_errno(error, errno, "%s", path);
        options.compression = compression;
        int r = archive_writer_begin(writer, NULL, error);
        if (r >= 0)
                r = layer_write(upper, &options, &sink, &result, error);
        if (r == LAYER_NOT_TRANSLATABLE)
                return error_set(error, ERROR_UNSUPPORTED, "not translatable: %s", result.reason);
        if (r >= 0)
                r = archive_writer_end(writer, &result.digest, result.size, error);
        if (r < 0)
                return r;
        if (descriptor_init(&layer, media_type_of_layer(compression), &result.digest, result.size) < 0 ||
            image_manifest_append_layer(manifest, &layer) < 0 ||
            image_config_append_layer(config, &result.diff_id, now_usec(CLOCK_REALTIME), "archive-tool") < 0)
                return error_oom(error);
        return 0;
}

static int write_archive(int out, const char *name, Compression compression, char **directories,
                         Error *error) {
        _cleanup_(archive_writer_freep) ArchiveWriter *writer = NULL;
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_(image_config_clear) ImageConfig config = {};
        Platform host;

        platform_host(&host);
        _cleanup_free_ char *text = format_string(CONFIG_TEXT, host.architecture);
        int r = archive_writer_new(out, &writer, error);
        if (r >= 0)
                r = image_config_parse(strempty(text), strlen(strempty(text)), &config, error);
        for (; r >= 0 && *directories; directories++)
                r = write_layer(writer, *directories, compression, &manifest, &config, error);
        return r < 0 ? r : archive_writer_finish(writer, &manifest, &config, name, NULL, error);
}

static int drop(void *userdata, const void *data, size_t n, Error *error) {
        *(uint64_t *) userdata += n;
        return 0;
}

static int read_archive(int fd, const Platform *platform, Error *error) {
        _cleanup_(archive_reader_freep) ArchiveReader *reader = NULL;
        _cleanup_(image_clear) Image image = {};
        const Descriptor *top;
        uint64_t bytes = 0;
        Sink sink = { drop, &bytes };
        size_t n;

        int r = archive_reader_new(fd, NULL, &reader, error);
        if (r < 0)
                return r;
        const ArchiveImage *images = archive_reader_images(reader, &n);
        for (size_t i = 0; i < n; i++)
                printf("image \"%s\" %s %s\n", strempty(images[i].name), images[i].descriptor.media_type,
                       images[i].descriptor.digest.string);
        r = archive_reader_image(reader, NULL, &top, error);
        if (r >= 0)
                r = image_resolve(top, platform, archive_reader_fetch, reader, &image, error);
        for (size_t i = 0; r >= 0 && i < image.manifest.n_layers; i++) {
                const Descriptor *layer = &image.manifest.layers[i];

                printf("layer %s %s %" PRIu64 "\n", layer->digest.string, layer->media_type, layer->size);
                r = archive_reader_read(reader, layer, &sink, error);
        }
        if (r >= 0)
                printf("%" PRIu64 " bytes of layers verified\n", bytes);
        return r;
}

int main(int argc, char **argv) {
        _cleanup_(error_clear) Error error = {};
        Platform platform;
        int r = -EINVAL;

        platform_host(&platform);
        if (argc >= 6 && streq(argv[1], "write")) {
                Compression compression = compression_from_string(argv[4]);
                _cleanup_close_ int out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

                r = out < 0 ? error_set_errno(&error, errno, "%s", argv[2])
                            : write_archive(out, argv[3], compression, argv + 5, &error);
        } else if (argc >= 3 && streq(argv[1], "read")) {
                _cleanup_close_ int fd = open(argv[2], O_RDONLY | O_CLOEXEC);

                r = fd < 0 ? error_set_errno(&error, errno, "%s", argv[2]) : 0;
                if (r >= 0 && argc > 3)
                        r = platform_parse(argv[3], &platform, &error);
                if (r >= 0)
                        r = read_archive(fd, &platform, &error);
        } else
                fprintf(stderr,
                        "usage: %s write OUTPUT NAME COMPRESSION DIRECTORY... | read ARCHIVE [PLATFORM]\n",
                        argv[0]);
        if (error_is_set(&error))
                fprintf(stderr, "%s: %s\n", argv[0], error_message(&error));
        return r < 0;
}
