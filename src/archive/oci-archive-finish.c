/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "archive/oci-archive-append.h"
#include "base/json.h"
#include "base/string-util.h"
#include "oci/reference.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

static int add_config(ArchiveWriter *writer, const ImageConfig *config, ImageManifest *manifest,
                      Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(image_config_clear) ImageConfig again = {};
        Digest digest;

        if (image_config_write(config, &text) < 0)
                return error_oom(error);
        /* What would be too much for whoever reads the image is noticed while it can still be said. */
        int r = image_config_parse(text.data, text.length, &again, error);
        if (r >= 0)
                r = archive_writer_add(writer, text.data, text.length, &digest, error);
        if (r < 0)
                return r;
        descriptor_clear(&manifest->config);
        return descriptor_init(&manifest->config, MEDIA_TYPE_CONFIG, &digest, text.length) < 0
                       ? error_oom(error)
                       : 0;
}

/* The tag of a name, or the name where it has none. */
static const char *tag_of(const char *name) {
        const char *colon = strrchr(name, ':');

        return colon && !strchr(colon, '/') && colon[1] ? colon + 1 : name;
}

static int add_manifest(ArchiveWriter *writer, const ImageManifest *manifest, const ImageConfig *config,
                        const char *name, Descriptor *ret, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        Digest digest;

        int r = image_manifest_write(manifest, &text, error);
        if (r < 0)
                return r;
        r = archive_writer_add(writer, text.data, text.length, &digest, error);
        if (r < 0)
                return r;
        if (descriptor_init(ret, MEDIA_TYPE_MANIFEST, &digest, text.length) < 0)
                return error_oom(error);
        ret->platform = config->platform;
        if (name && (free_and_strdup(&ret->image_name, name) < 0 ||
                     free_and_strdup(&ret->ref_name, tag_of(name)) < 0))
                return error_oom(error);
        return 0;
}

static int append_index(ArchiveWriter *writer, Descriptor *descriptor, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        ImageIndex top = { .manifests = descriptor, .n_manifests = 1 };

        int r = image_index_write(&top, &text, error);
        return r < 0 ? r : archive_writer_append_entry(writer, "index.json", text.data, text.length, error);
}

static json_object *blob_path(const Digest *digest) {
        char path[sizeof(BLOBS_PREFIX) + DIGEST_HEX_LENGTH];
        int n = snprintf(path, sizeof(path), BLOBS_PREFIX "%s", digest_hex(digest));

        return json_new_string(path, (size_t) n);
}

/* docker takes only full references for names. */
static bool is_docker_tag(const char *name) {
        _cleanup_(reference_clear) Reference reference = {};

        return name && reference_parse(name, &reference, NULL) >= 0 && reference.tag &&
               endswith(name, reference.tag) && !digest_is_set(&reference.digest);
}

static json_object *docker_manifest(const ImageManifest *manifest, const char *name) {
        _cleanup_json_ json_object *image = json_object_new_object(), *tags = json_object_new_array(),
                                   *layers = json_object_new_array(), *all = json_object_new_array();

        if (!image || !tags || !layers || !all ||
            (is_docker_tag(name) && json_append(tags, json_new_string(name, strlen(name))) < 0))
                return NULL;
        for (size_t i = 0; i < manifest->n_layers; i++)
                if (json_append(layers, blob_path(&manifest->layers[i].digest)) < 0)
                        return NULL;
        if (json_add(image, "Config", blob_path(&manifest->config.digest)) < 0 ||
            json_add(image, "RepoTags", TAKE_PTR(tags)) < 0 ||
            json_add(image, "Layers", TAKE_PTR(layers)) < 0 || json_append(all, TAKE_PTR(image)) < 0)
                return NULL;
        return TAKE_PTR(all);
}

static int append_docker_manifest(ArchiveWriter *writer, const ImageManifest *manifest, const char *name,
                                  Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_json_ json_object *document = docker_manifest(manifest, name);

        if (!document || json_write(document, &text) < 0)
                return error_oom(error);
        return archive_writer_append_entry(writer, "manifest.json", text.data, text.length, error);
}

static int check_layers(const ArchiveWriter *writer, const ImageManifest *manifest, Error *error) {
        for (size_t i = 0; i < manifest->n_layers; i++)
                if (!archive_writer_has(writer, &manifest->layers[i].digest))
                        return error_set(error, ERROR_INTERNAL, "layer %s was not put into the archive",
                                         manifest->layers[i].digest.string);
        return 0;
}

int archive_writer_finish(ArchiveWriter *writer, const ImageManifest *manifest, const ImageConfig *config,
                          const char *name, Descriptor *ret, Error *error) {
        _cleanup_(image_manifest_clear) ImageManifest copy = {};
        _cleanup_(descriptor_clear) Descriptor descriptor = {};

        int r = check_layers(writer, manifest, error);
        if (r < 0)
                return r;
        if (image_manifest_copy(manifest, &copy) < 0)
                return error_oom(error);
        r = add_config(writer, config, &copy, error);
        if (r >= 0)
                r = add_manifest(writer, &copy, config, name, &descriptor, error);
        if (r >= 0)
                r = append_index(writer, &descriptor, error);
        if (r >= 0)
                r = append_docker_manifest(writer, &copy, name, error);
        if (r >= 0)
                r = archive_writer_append_entry(writer, "oci-layout", LAYOUT, strlen(LAYOUT), error);
        if (r >= 0)
                r = archive_writer_append_end(writer, error);
        if (r >= 0 && ret)
                *ret = TAKE(descriptor, (Descriptor) {});
        return r;
}
