/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/import.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "archive/oci-archive-reader.h"
#include "base/string-util.h"
#include "containerd/content-writer.h"
#include "containerd/content.h"

/* The labels by which containerd's garbage collector follows documents to what they name. */
#define LABEL_REF_MANIFEST "containerd.io/gc.ref.content.m.%zu"
#define LABEL_REF_LAYER "containerd.io/gc.ref.content.l.%zu"
#define LABEL_REF_CONFIG "containerd.io/gc.ref.content.config"

typedef struct Importer {
        Runtime *runtime;
        ArchiveReader *reader;
        unsigned n_documents;
        /* Of tsearch(3): descriptors of what was stored by this import, owned. One blob may be in both: where
         * it was named as a config or a layer, nothing that it names as a document has been stored. */
        void *blobs, *documents;
} Importer;

/* Two that differ in size or kind are two: each is to be checked. */
static int compare_stored(const void *a, const void *b) {
        const Descriptor *x = a, *y = b;
        MediaKind k = media_type_kind(x->media_type), l = media_type_kind(y->media_type);
        int c = strcmp(x->digest.string, y->digest.string);

        return c != 0               ? c
               : x->size != y->size ? (x->size > y->size) - (x->size < y->size)
                                    : (int) k - (int) l;
}

static void free_stored(void *p) {
        descriptor_clear(p);
        free(p);
}

static void importer_clear(Importer *importer) {
        tdestroy(importer->blobs, free_stored);
        tdestroy(importer->documents, free_stored);
}

/* What is named a thousand times is stored once: containerd is asked about everything that is stored. */
static bool is_stored(void *const *stored, const Descriptor *descriptor) {
        return tfind(descriptor, stored, compare_stored);
}

static int note_stored(void **stored, const Descriptor *descriptor, Error *error) {
        Descriptor *copy = new0(Descriptor, 1);

        if (copy && descriptor_copy(descriptor, copy) >= 0 && tsearch(copy, stored, compare_stored))
                return 0;
        if (copy)
                free_stored(copy);
        return error_oom(error);
}

static int write_to_store(void *userdata, const void *data, size_t n, Error *error) {
        return ctr_writer_write(userdata, data, n, error);
}

/* What is not read is not verified against its descriptor: its size at least is asked for. */
static int check_size(Importer *importer, const Descriptor *blob, Error *error) {
        uint64_t size;

        if (!archive_reader_has(importer->reader, &blob->digest, &size)) {
                _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
                int r = ctr_content_info(importer->runtime->client, blob->digest.string, &info, error);
                if (r < 0)
                        return r;
                size = (uint64_t) info.size;
        }
        if (size == blob->size)
                return 0;
        return error_set(error, ERROR_INVALID_ARGUMENT,
                         "blob %s should have %" PRIu64 " bytes and has %" PRIu64, blob->digest.string,
                         blob->size, size);
}

/* A blob that the content store lacks, streamed out of the archive. */
static int store_blob(Importer *importer, const Descriptor *blob, Error *error) {
        _cleanup_(ctr_writer_freep) CtrWriter *writer = NULL;
        _cleanup_free_ char *reference =
                format_string("cruxd-%s-%s", importer->runtime->lease, blob->digest.string);
        int r;

        if (!reference)
                return error_oom(error);
        if (is_stored(&importer->blobs, blob))
                return 0;
        r = ctr_writer_new(importer->runtime->client, reference, blob->digest.string, blob->size, &writer,
                           error);
        if (r != 0) {
                if (r > 0)
                        r = check_size(importer, blob, error);
                return r < 0 ? r : note_stored(&importer->blobs, blob, error);
        }

        /* At its end already: another namespace has the blob, and containerd shares what it has. */
        if (ctr_writer_get_offset(writer) != blob->size || blob->size == 0) {
                if (ctr_writer_get_offset(writer) > 0)
                        r = ctr_writer_truncate(writer, error);
                if (r >= 0)
                        r = archive_reader_read(importer->reader, blob,
                                                &(Sink) { .write = write_to_store, .userdata = writer },
                                                error);
        }
        if (r >= 0)
                r = ctr_writer_commit(writer, blob->digest.string, blob->size, NULL, NULL, error);
        if (r < 0) {
                writer = ctr_writer_free(writer);
                CTR_SHIELD();
                (void) ctr_content_abort(importer->runtime->client, reference, NULL);
        }
        return r < 0 ? r : note_stored(&importer->blobs, blob, error);
}

static int label_reference(CtrLabels *labels, const char *format, size_t i, const Digest *digest) {
        char key[64];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(key, sizeof(key), format, i);
#pragma GCC diagnostic pop
        return ctr_labels_set(labels, key, digest->string);
}

static int store_document(Importer *importer, const Descriptor *descriptor, const Buffer *text,
                          const CtrLabels *labels, Error *error) {
        int r = ctr_content_write(importer->runtime->client, descriptor->digest.string, text->data,
                                  text->length, labels, error);

        return r < 0 ? r : note_stored(&importer->documents, descriptor, error);
}

static int store_manifest(Importer *importer, const Descriptor *descriptor, const Buffer *text,
                          Error *error) {
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        int r;

        r = image_manifest_parse(text->data, text->length, &manifest, error);
        if (r < 0)
                return r;
        r = store_blob(importer, &manifest.config, error);
        if (r < 0)
                return error_prefix(error, r, "config %s", manifest.config.digest.string);
        if (ctr_labels_set(&labels, LABEL_REF_CONFIG, manifest.config.digest.string) < 0)
                return error_oom(error);
        for (size_t i = 0; i < manifest.n_layers; i++) {
                r = store_blob(importer, manifest.layers + i, error);
                if (r < 0)
                        return error_prefix(error, r, "layer %s", manifest.layers[i].digest.string);
                if (label_reference(&labels, LABEL_REF_LAYER, i, &manifest.layers[i].digest) < 0)
                        return error_oom(error);
        }
        return store_document(importer, descriptor, text, &labels, error);
}

static int store_tree(Importer *importer, const Descriptor *descriptor, unsigned depth, Error *error);

/* An archive need not hold all that its index names: what it lacks was for other platforms. */
static int store_index(Importer *importer, const Descriptor *descriptor, const Buffer *text, unsigned depth,
                       Error *error) {
        _cleanup_(image_index_clear) ImageIndex index = {};
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        int r;

        r = image_index_parse(text->data, text->length, &index, error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < index.n_manifests; i++) {
                const Descriptor *child = index.manifests + i;

                if (!archive_reader_has(importer->reader, &child->digest, NULL))
                        continue;
                r = store_tree(importer, child, depth + 1, error);
                if (r < 0)
                        return r;
                if (label_reference(&labels, LABEL_REF_MANIFEST, i, &child->digest) < 0)
                        return error_oom(error);
        }
        return store_document(importer, descriptor, text, &labels, error);
}

static int store_tree(Importer *importer, const Descriptor *descriptor, unsigned depth, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        int r;

        if (depth > IMAGE_INDEX_DEPTH_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "indexes are nested deeper than %u levels",
                                 IMAGE_INDEX_DEPTH_MAX);
        if (is_stored(&importer->documents, descriptor))
                return 0;
        if (++importer->n_documents > IMPORT_DOCUMENTS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive has more than %u manifests",
                                 IMPORT_DOCUMENTS_MAX);

        r = archive_reader_fetch(importer->reader, descriptor, &text, error);
        if (r < 0)
                return r;
        MediaKind kind = media_type_kind(descriptor->media_type);
        if (kind == MEDIA_UNKNOWN)
                kind = image_document_kind(text.data, text.length);
        if (kind == MEDIA_INDEX)
                return store_index(importer, descriptor, &text, depth, error);
        if (kind != MEDIA_MANIFEST)
                return error_set(error, ERROR_UNSUPPORTED, "%s is neither an index nor a manifest (%s)",
                                 descriptor->digest.string, descriptor->media_type);
        r = store_manifest(importer, descriptor, &text, error);
        return error_prefix(error, r, "manifest %s", descriptor->digest.string);
}

int image_import(Runtime *runtime, int fd, const Platform *platform, Import *ret, Error *error) {
        ArchiveReaderOptions options = {
                .spool_dir_fd = -EBADF,
                .spool_max = runtime->archive_unpacked_max,
                .cancelled = runtime->cancelled,
                .cancel_fd = ctr_client_get_cancel_fd(runtime->client),
        };
        _cleanup_(archive_reader_freep) ArchiveReader *reader = NULL;
        _cleanup_(import_clear) Import import = {};
        const Descriptor *top = NULL;
        int r;

        r = archive_reader_new(fd, &options, &reader, error);
        if (r >= 0)
                r = archive_reader_image(reader, NULL, &top, error);
        if (r < 0)
                return r;

        /* Before anything is copied: an archive without an image for us is refused. */
        r = image_resolve(top, platform, archive_reader_fetch, reader, &import.image, error);
        if (r == -ENOENT)
                return error_recode(error, ERROR_INVALID_ARGUMENT);
        if (r < 0)
                return r;
        if (descriptor_copy(top, &import.target) < 0)
                return error_oom(error);

        _cleanup_(importer_clear) Importer importer = { .runtime = runtime, .reader = reader };
        r = store_tree(&importer, top, 0, error);
        if (r >= 0)
                r = image_unpack(runtime, &import.image, &import.chain, error);
        if (r < 0)
                return r;
        *ret = import;
        import = (Import) {};
        return 0;
}

void import_clear(Import *import) {
        descriptor_clear(&import->target);
        image_clear(&import->image);
        *import = (Import) {};
}
