/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/manifest.h"

#include "base/json.h"
#include "base/string-util.h"
#include "oci/document.h"
#include "oci/media-type.h"

#define SCHEMA_VERSION 2

/* A document that can be read as index and as manifest means one image to one reader and another to the next.
 */
static int check_kind(json_object *object, MediaKind kind, Error *error) {
        const char *media_type = NULL;
        int64_t version = SCHEMA_VERSION;

        int r = json_get_int64(object, "schemaVersion", &version, error);
        if (r < 0)
                return r;
        if (version != SCHEMA_VERSION)
                return error_set(error, ERROR_UNSUPPORTED, "schema version %lld is not supported",
                                 (long long) version);
        r = json_get_string(object, "mediaType", &media_type, error);
        if (r < 0)
                return r;
        if (r > 0 && media_type_kind(media_type) != kind)
                return error_set(error, ERROR_INVALID_ARGUMENT, "media type \"%.*s\" is not that of %s",
                                 utf8_cut(media_type, MEDIA_TYPE_LENGTH_MAX), media_type,
                                 kind == MEDIA_INDEX ? "an index" : "a manifest");
        bool foreign = kind == MEDIA_INDEX ? json_member(object, "config") || json_member(object, "layers")
                                           : json_member(object, "manifests") != NULL;
        if (foreign)
                return error_set(error, ERROR_INVALID_ARGUMENT, "it could be an index and a manifest");
        if (json_member(object, "fsLayers"))
                return error_set(error, ERROR_UNSUPPORTED, "schema version 1 is not supported");
        return 0;
}

static int parse_index(json_object *object, ImageIndex *index, Error *error) {
        int r = check_kind(object, MEDIA_INDEX, error);
        if (r < 0)
                return r;
        return document_get_descriptors(object, "manifests", INDEX_MANIFESTS_MAX, &index->manifests,
                                        &index->n_manifests, error);
}

int image_index_parse(const char *text, size_t length, ImageIndex *ret, Error *error) {
        _cleanup_(image_index_clear) ImageIndex parsed = {};
        _cleanup_json_ json_object *object = NULL;

        int r = document_parse("image index", text, length, &object, error);
        if (r < 0)
                return r;
        r = parse_index(object, &parsed, error);
        if (r < 0)
                return error_prefix(error, r, "image index");
        *ret = TAKE(parsed, (ImageIndex) {});
        return 0;
}

static int parse_manifest(json_object *object, ImageManifest *manifest, Error *error) {
        json_object *config = NULL;

        int r = check_kind(object, MEDIA_MANIFEST, error);
        if (r < 0)
                return r;
        r = json_get_object(object, "config", &config, error);
        if (r < 0)
                return r;
        if (!config)
                return error_set(error, ERROR_INVALID_ARGUMENT, "it has no config");
        r = descriptor_parse(config, &manifest->config, error);
        if (r < 0)
                return error_prefix(error, r, "config");
        return document_get_descriptors(object, "layers", MANIFEST_LAYERS_MAX, &manifest->layers,
                                        &manifest->n_layers, error);
}

int image_manifest_parse(const char *text, size_t length, ImageManifest *ret, Error *error) {
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_json_ json_object *object = NULL;

        int r = document_parse("image manifest", text, length, &object, error);
        if (r < 0)
                return r;
        r = parse_manifest(object, &manifest, error);
        if (r < 0)
                return error_prefix(error, r, "image manifest");
        *ret = TAKE(manifest, (ImageManifest) {});
        return 0;
}

MediaKind image_document_kind(const char *text, size_t length) {
        _cleanup_json_ json_object *object = NULL;

        if (document_parse("document", text, length, &object, NULL) < 0)
                return MEDIA_UNKNOWN;
        if (json_member(object, "manifests"))
                return MEDIA_INDEX;
        if (json_member(object, "config") && json_member(object, "layers"))
                return MEDIA_MANIFEST;
        return json_member(object, "rootfs") ? MEDIA_CONFIG : MEDIA_UNKNOWN;
}

int image_manifest_copy(const ImageManifest *manifest, ImageManifest *ret) {
        _cleanup_(image_manifest_clear) ImageManifest copy = {};

        if (manifest->config.media_type && descriptor_copy(&manifest->config, &copy.config) < 0)
                return -ENOMEM;
        copy.layers = new0(Descriptor, manifest->n_layers + 1);
        if (!copy.layers)
                return -ENOMEM;
        for (; copy.n_layers < manifest->n_layers; copy.n_layers++)
                if (descriptor_copy(&manifest->layers[copy.n_layers], &copy.layers[copy.n_layers]) < 0)
                        return -ENOMEM;
        *ret = TAKE(copy, (ImageManifest) {});
        return 0;
}

int image_manifest_append_layer(ImageManifest *manifest, const Descriptor *layer) {
        if (manifest->n_layers >= MANIFEST_LAYERS_MAX)
                return -E2BIG;

        Descriptor *grown = reallocarray(manifest->layers, manifest->n_layers + 1, sizeof(Descriptor));
        if (!grown)
                return -ENOMEM;
        manifest->layers = grown;
        int r = descriptor_copy(layer, &grown[manifest->n_layers]);
        if (r < 0)
                return r;
        manifest->n_layers++;
        return 0;
}

static json_object *descriptors_to_json(const Descriptor *descriptors, size_t n) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (size_t i = 0; i < n; i++)
                if (json_append(array, descriptor_to_json(&descriptors[i])) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

static json_object *new_document(const char *media_type) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add(object, "schemaVersion", json_object_new_int(SCHEMA_VERSION)) < 0 ||
            json_add_string(object, "mediaType", media_type) < 0)
                return NULL;
        return TAKE_PTR(object);
}

int image_manifest_write(const ImageManifest *manifest, Buffer *buffer, Error *error) {
        for (size_t i = 0; i < manifest->n_layers; i++)
                if (media_type_kind(manifest->layers[i].media_type) != MEDIA_LAYER)
                        return error_set(error, ERROR_UNSUPPORTED, "layer %zu is of media type \"%s\"", i + 1,
                                         manifest->layers[i].media_type);

        _cleanup_json_ json_object *object = new_document(MEDIA_TYPE_MANIFEST);
        if (!object || json_add(object, "config", descriptor_to_json(&manifest->config)) < 0 ||
            json_add(object, "layers", descriptors_to_json(manifest->layers, manifest->n_layers)) < 0 ||
            json_write(object, buffer) < 0)
                return error_oom(error);
        return 0;
}

int image_index_write(const ImageIndex *index, Buffer *buffer, Error *error) {
        _cleanup_json_ json_object *object = new_document(MEDIA_TYPE_INDEX);

        if (!object ||
            json_add(object, "manifests", descriptors_to_json(index->manifests, index->n_manifests)) < 0 ||
            json_write(object, buffer) < 0)
                return error_oom(error);
        return 0;
}

void image_index_clear(ImageIndex *index) {
        descriptor_clear_many(index->manifests, index->n_manifests);
        free(index->manifests);
        *index = (ImageIndex) {};
}

void image_manifest_clear(ImageManifest *manifest) {
        descriptor_clear(&manifest->config);
        descriptor_clear_many(manifest->layers, manifest->n_layers);
        free(manifest->layers);
        *manifest = (ImageManifest) {};
}
