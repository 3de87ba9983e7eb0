/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/descriptor.h"

#include <string.h>

#include "base/string-util.h"
#include "oci/media-type.h"

#define ANNOTATION_REFERENCE_TYPE "vnd.docker.reference.type"
#define REFERENCE_TYPE_ATTESTATION "attestation-manifest"

static int parse_media_type(json_object *object, Descriptor *descriptor, Error *error) {
        const char *media_type = NULL;

        int r = json_get_string(object, "mediaType", &media_type, error);
        if (r < 0)
                return r;
        if (isempty(media_type) || strlen(media_type) > MEDIA_TYPE_LENGTH_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "a descriptor needs a mediaType of 1 to %u bytes", MEDIA_TYPE_LENGTH_MAX);
        return free_and_strdup(&descriptor->media_type, media_type) < 0 ? error_oom(error) : 0;
}

static int parse_content(json_object *object, Descriptor *descriptor, Error *error) {
        const char *digest = NULL;
        int64_t size = -1;

        int r = json_get_string(object, "digest", &digest, error);
        if (r < 0)
                return r;
        r = digest_parse(strempty(digest), &descriptor->digest, error);
        if (r < 0)
                return r;
        r = json_get_int64(object, "size", &size, error);
        if (r < 0)
                return r;
        if (size < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "descriptor %s needs a size of 0 or more",
                                 descriptor->digest.string);
        descriptor->size = (uint64_t) size;
        return 0;
}

static int parse_platform(json_object *object, Descriptor *descriptor, Error *error) {
        const char *os = NULL, *architecture = NULL, *variant = NULL;
        json_object *platform = NULL;

        int r = json_get_object(object, "platform", &platform, error);
        if (r <= 0)
                return r;
        r = json_get_string(platform, "os", &os, error);
        if (r < 0)
                return r;
        r = json_get_string(platform, "architecture", &architecture, error);
        if (r < 0)
                return r;
        r = json_get_string(platform, "variant", &variant, error);
        if (r < 0)
                return r;
        r = platform_from_parts(os, architecture, variant, &descriptor->platform, error);
        if (r < 0)
                return r;
        descriptor->attestation = streq(descriptor->platform.os, "unknown") &&
                                  streq(descriptor->platform.architecture, "unknown");
        return 0;
}

static int parse_annotations(json_object *object, Descriptor *descriptor, Error *error) {
        const char *ref_name = NULL, *image_name = NULL, *type = NULL;
        json_object *annotations = NULL;

        int r = json_get_object(object, "annotations", &annotations, error);
        if (r <= 0)
                return r;
        r = json_get_string(annotations, ANNOTATION_REF_NAME, &ref_name, error);
        if (r < 0)
                return r;
        r = json_get_string(annotations, ANNOTATION_IMAGE_NAME, &image_name, error);
        if (r < 0)
                return r;
        r = json_get_string(annotations, ANNOTATION_REFERENCE_TYPE, &type, error);
        if (r < 0)
                return r;
        if (streq(strempty(type), REFERENCE_TYPE_ATTESTATION))
                descriptor->attestation = true;
        if (free_and_strdup(&descriptor->ref_name, ref_name) < 0 ||
            free_and_strdup(&descriptor->image_name, image_name) < 0)
                return error_oom(error);
        return 0;
}

int descriptor_parse(json_object *object, Descriptor *ret, Error *error) {
        _cleanup_(descriptor_clear) Descriptor descriptor = {};

        if (!object || !json_object_is_type(object, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "a descriptor must be an object");
        int r = parse_media_type(object, &descriptor, error);
        if (r < 0)
                return r;
        r = parse_content(object, &descriptor, error);
        if (r < 0)
                return r;
        r = parse_platform(object, &descriptor, error);
        if (r < 0)
                return r;
        r = parse_annotations(object, &descriptor, error);
        if (r < 0)
                return r;
        *ret = TAKE(descriptor, (Descriptor) {});
        return 0;
}

int descriptor_init(Descriptor *ret, const char *media_type, const Digest *digest, uint64_t size) {
        char *copy = strdup(media_type);

        if (!copy)
                return -ENOMEM;
        *ret = (Descriptor) { .media_type = copy, .digest = *digest, .size = size };
        return 0;
}

static json_object *platform_to_json(const Platform *platform) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_string(object, "architecture", platform->architecture) < 0 ||
            json_add_string(object, "os", platform->os) < 0 ||
            (platform->variant[0] && json_add_string(object, "variant", platform->variant) < 0))
                return NULL;
        return TAKE_PTR(object);
}

static json_object *annotations_to_json(const Descriptor *descriptor) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object ||
            (descriptor->image_name &&
             json_add_string(object, ANNOTATION_IMAGE_NAME, descriptor->image_name) < 0) ||
            (descriptor->ref_name && json_add_string(object, ANNOTATION_REF_NAME, descriptor->ref_name) < 0))
                return NULL;
        return TAKE_PTR(object);
}

json_object *descriptor_to_json(const Descriptor *descriptor) {
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *media_type = media_type_to_oci(descriptor->media_type);

        if (!object ||
            json_add_string(object, "mediaType", media_type ? media_type : descriptor->media_type) < 0 ||
            json_add_string(object, "digest", descriptor->digest.string) < 0 ||
            json_add(object, "size", json_object_new_int64((int64_t) descriptor->size)) < 0)
                return NULL;
        if (platform_is_set(&descriptor->platform) &&
            json_add(object, "platform", platform_to_json(&descriptor->platform)) < 0)
                return NULL;
        if ((descriptor->ref_name || descriptor->image_name) &&
            json_add(object, "annotations", annotations_to_json(descriptor)) < 0)
                return NULL;
        return TAKE_PTR(object);
}

int descriptor_copy(const Descriptor *descriptor, Descriptor *ret) {
        _cleanup_(descriptor_clear) Descriptor copy = *descriptor;

        copy.media_type = copy.ref_name = copy.image_name = NULL;
        if (free_and_strdup(&copy.media_type, descriptor->media_type) < 0 ||
            free_and_strdup(&copy.ref_name, descriptor->ref_name) < 0 ||
            free_and_strdup(&copy.image_name, descriptor->image_name) < 0)
                return -ENOMEM;
        *ret = TAKE(copy, (Descriptor) {});
        return 0;
}

void descriptor_clear(Descriptor *descriptor) {
        free(descriptor->media_type);
        free(descriptor->ref_name);
        free(descriptor->image_name);
        *descriptor = (Descriptor) {};
}
