/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/docker-archive.h"

#include <search.h>
#include <string.h>

#include "base/json.h"
#include "base/string-util.h"

static int compare_blobs(const void *a, const void *b) {
        return strcmp(((const ArchiveBlob *) a)->digest.string, ((const ArchiveBlob *) b)->digest.string);
}

static int add_blob(ArchiveBlobs *blobs, const ArchiveBlob *blob) {
        ArchiveBlob *copy = new0(ArchiveBlob, 1);

        if (!copy)
                return -ENOMEM;
        *copy = *blob;
        if (!tsearch(copy, &blobs->tree, compare_blobs)) {
                free(copy);
                return -ENOMEM;
        }
        return 0;
}

int archive_blobs_add_text(ArchiveBlobs *blobs, Buffer *text, Digest *ret_digest) {
        digest_of(text->data, text->length, ret_digest);
        if (archive_blobs_find(blobs, ret_digest))
                return 0;
        int r = add_blob(blobs,
                         &(ArchiveBlob) { .digest = *ret_digest, .size = text->length, .text = *text });
        if (r >= 0)
                *text = (Buffer) {};
        return r;
}

int archive_blobs_add_entry(ArchiveBlobs *blobs, const Digest *digest, TableEntry *entry) {
        if (archive_blobs_find(blobs, digest))
                return 0;
        return add_blob(blobs, &(ArchiveBlob) { .digest = *digest, .size = entry->size, .entry = entry });
}

const ArchiveBlob *archive_blobs_find(const ArchiveBlobs *blobs, const Digest *digest) {
        const ArchiveBlob key = { .digest = *digest };
        ArchiveBlob *const *node = tfind(&key, &blobs->tree, compare_blobs);

        return node ? *node : NULL;
}

static void free_blob(void *p) {
        ArchiveBlob *blob = p;

        buffer_clear(&blob->text);
        free(blob);
}

void archive_blobs_clear(ArchiveBlobs *blobs) {
        tdestroy(blobs->tree, free_blob);
        *blobs = (ArchiveBlobs) {};
}

int archive_images_add(ArchiveImages *images, const char *name, const Descriptor *descriptor, Error *error) {
        if (images->n >= ARCHIVE_IMAGES_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive has more than %u images",
                                 ARCHIVE_IMAGES_MAX);

        _cleanup_free_ char *copy = NULL;
        ArchiveImage *grown = reallocarray(images->entries, images->n + 1, sizeof(ArchiveImage));
        if (grown)
                images->entries = grown;
        if (!grown || free_and_strdup(&copy, name) < 0 ||
            descriptor_copy(descriptor, &grown[images->n].descriptor) < 0)
                return error_oom(error);
        grown[images->n++].name = TAKE_PTR(copy);
        return 0;
}

void archive_images_clear(ArchiveImages *images) {
        for (size_t i = 0; i < images->n; i++) {
                free(images->entries[i].name);
                descriptor_clear(&images->entries[i].descriptor);
        }
        free(images->entries);
        *images = (ArchiveImages) {};
}

typedef struct Reading {
        ArchiveTable *table;
        CancelFlag *cancelled;
        ArchiveBlobs *blobs;
        ArchiveImages *images;
} Reading;

static TableEntry *find_file(Reading *reading, const char *what, const char *name, Error *error) {
        TableEntry *entry = archive_table_find(reading->table, name);

        if (!entry)
                error_set(error, ERROR_INVALID_ARGUMENT, "%s \"%.*s\" is not in the archive", what,
                          utf8_cut(name, ARCHIVE_PATH_MAX), name);
        return entry;
}

static int hash_piece(void *userdata, const void *data, size_t n, Error *error) {
        digest_hasher_update(userdata, data, n);
        return 0;
}

static int hash_entry(Reading *reading, TableEntry *entry, Error *error) {
        DigestHasher hasher;
        Sink sink = { .write = hash_piece, .userdata = &hasher };

        if (digest_is_set(&entry->digest))
                return 0;
        digest_hasher_init(&hasher);
        int r = archive_table_read_entry(reading->table, entry, &sink, reading->cancelled, error);
        if (r >= 0)
                digest_hasher_finish(&hasher, &entry->digest);
        return r;
}

/* docker writes plain tars, but takes compressed ones as well: the first bytes tell. */
static const char *layer_media_type(const Reading *reading, const TableEntry *entry) {
        static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
        unsigned char magic[sizeof(zstd)];
        ssize_t n = archive_table_peek(reading->table, entry, magic, sizeof(magic));

        if (n >= (ssize_t) sizeof(gzip) && memcmp(magic, gzip, sizeof(gzip)) == 0)
                return MEDIA_TYPE_LAYER_GZIP;
        if (n >= (ssize_t) sizeof(zstd) && memcmp(magic, zstd, sizeof(zstd)) == 0)
                return MEDIA_TYPE_LAYER_ZSTD;
        return MEDIA_TYPE_LAYER_TAR;
}

static int describe(Reading *reading, TableEntry *entry, const char *media_type, Descriptor *ret,
                    Error *error) {
        int r = hash_entry(reading, entry, error);
        if (r < 0)
                return r;
        if (archive_blobs_add_entry(reading->blobs, &entry->digest, entry) < 0 ||
            descriptor_init(ret, media_type, &entry->digest, entry->size) < 0)
                return error_oom(error);
        return 0;
}

static int read_layers(Reading *reading, char *const *names, ImageManifest *manifest, Error *error) {
        for (; names && *names; names++) {
                _cleanup_(descriptor_clear) Descriptor layer = {};
                TableEntry *entry = find_file(reading, "layer", *names, error);
                if (!entry)
                        return -EINVAL;
                int r = describe(reading, entry, layer_media_type(reading, entry), &layer, error);
                if (r < 0)
                        return r;
                r = image_manifest_append_layer(manifest, &layer);
                if (r == -E2BIG)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "an image has more than %u layers",
                                         MANIFEST_LAYERS_MAX);
                if (r < 0)
                        return error_oom(error);
        }
        return 0;
}

static int append_piece(void *userdata, const void *data, size_t n, Error *error) {
        return buffer_append(userdata, data, n) < 0 ? error_oom(error) : 0;
}

/* The platform of an image whose only record of it is its config. */
static int read_platform(Reading *reading, const TableEntry *entry, Platform *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(image_config_clear) ImageConfig config = {};
        Sink sink = { .write = append_piece, .userdata = &text };

        if (entry->size > DOCUMENT_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "config \"%s\" is larger than %llu bytes",
                                 entry->name, (unsigned long long) DOCUMENT_SIZE_MAX);
        int r = archive_table_read_entry(reading->table, entry, &sink, reading->cancelled, error);
        if (r >= 0)
                r = image_config_parse(text.data, text.length, &config, error);
        if (r < 0)
                return error_prefix(error, r, "config \"%s\"", entry->name);
        *ret = config.platform;
        return 0;
}

static int add_manifest(Reading *reading, const ImageManifest *manifest, const Platform *platform,
                        char *const *names, Error *error) {
        _cleanup_(descriptor_clear) Descriptor descriptor = {};
        _cleanup_(buffer_clear) Buffer text = {};
        Digest digest;

        int r = image_manifest_write(manifest, &text, error);
        if (r < 0)
                return r;
        size_t size = text.length;
        if (archive_blobs_add_text(reading->blobs, &text, &digest) < 0 ||
            descriptor_init(&descriptor, MEDIA_TYPE_MANIFEST, &digest, size) < 0)
                return error_oom(error);
        descriptor.platform = *platform;
        if (!names || !names[0])
                return archive_images_add(reading->images, NULL, &descriptor, error);
        for (; *names; names++) {
                r = archive_images_add(reading->images, *names, &descriptor, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_image(Reading *reading, json_object *object, Error *error) {
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_strv_ char **layers = NULL, **names = NULL;
        const char *config = NULL;
        Platform platform = {};

        if (!object || !json_object_is_type(object, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "an image must be an object");
        int r = json_get_string(object, "Config", &config, error);
        if (r >= 0)
                r = json_get_strv(object, "RepoTags", &names, error);
        if (r >= 0)
                r = json_get_strv(object, "Layers", &layers, error);
        if (r < 0)
                return r;
        TableEntry *entry = find_file(reading, "config", strempty(config), error);
        if (!entry)
                return -EINVAL;
        r = read_platform(reading, entry, &platform, error);
        if (r >= 0)
                r = describe(reading, entry, MEDIA_TYPE_CONFIG, &manifest.config, error);
        if (r >= 0)
                r = read_layers(reading, layers, &manifest, error);
        return r < 0 ? r : add_manifest(reading, &manifest, &platform, names, error);
}

int docker_archive_read(ArchiveTable *table, CancelFlag *cancelled, ArchiveBlobs *blobs,
                        ArchiveImages *images, Error *error) {
        Reading reading = { .table = table, .cancelled = cancelled, .blobs = blobs, .images = images };
        const Buffer *text = &table->documents[DOCUMENT_MANIFEST];
        _cleanup_json_ json_object *array = NULL;

        int r = json_parse(text->data, text->length, DOCUMENT_DEPTH_MAX, &array, error);
        if (r < 0)
                return error_prefix(error, r, "manifest.json");
        if (!array || !json_object_is_type(array, json_type_array))
                return error_set(error, ERROR_INVALID_ARGUMENT, "manifest.json must be an array");
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                r = read_image(&reading, json_object_array_get_idx(array, i), error);
                if (r < 0)
                        return error_prefix(error, r, "manifest.json: image %zu", i + 1);
        }
        return 0;
}
