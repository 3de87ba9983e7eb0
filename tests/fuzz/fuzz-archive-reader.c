/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/oci-archive-reader.h"
#include "base/fd-util.h"

#define SPOOL_MAX MIB(1)

static int count_bytes(void *userdata, const void *data, size_t n, Error *error) {
        *(uint64_t *) userdata += n;
        return 0;
}

static void try_image(ArchiveReader *reader, const Descriptor *top) {
        _cleanup_(image_clear) Image image = {};
        _cleanup_(error_clear) Error error = {};
        Platform platform;

        platform_host(&platform);
        if (image_resolve(top, &platform, archive_reader_fetch, reader, &image, &error) < 0) {
                FUZZ_ASSERT(error_is_set(&error));
                return;
        }
        for (size_t i = 0; i < image.manifest.n_layers; i++) {
                const Descriptor *layer = &image.manifest.layers[i];
                uint64_t n = 0;
                Sink sink = { count_bytes, &n };

                if (archive_reader_read(reader, layer, &sink, NULL) >= 0)
                        FUZZ_ASSERT(n == layer->size);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(archive_reader_freep) ArchiveReader *reader = NULL;
        _cleanup_(error_clear) Error error = {};
        _cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
        _cleanup_close_ int spool = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ArchiveReaderOptions options = { .spool_dir_fd = spool, .spool_max = SPOOL_MAX, .cancel_fd = -EBADF };
        const Descriptor *top;
        size_t n;

        if (fd < 0 || write_all(fd, data, size) < 0)
                return 0;
        if (archive_reader_new(fd, &options, &reader, &error) < 0) {
                FUZZ_ASSERT(error_is_set(&error));
                return 0;
        }
        const ArchiveImage *images = archive_reader_images(reader, &n);
        FUZZ_ASSERT(n > 0 && n <= ARCHIVE_IMAGES_MAX);
        for (size_t i = 0; i < n; i++)
                try_image(reader, &images[i].descriptor);
        (void) archive_reader_image(reader, NULL, &top, NULL);
        (void) archive_reader_image(reader, "hello:1", &top, NULL);
        return 0;
}
