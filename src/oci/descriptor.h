/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Descriptors (OCI image specification, "OCI Content Descriptors"): what points at a blob. */

#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/macro.h"
#include "oci/digest.h"
#include "oci/platform.h"

#define MEDIA_TYPE_LENGTH_MAX 255
#define ANNOTATION_REF_NAME "org.opencontainers.image.ref.name"
#define ANNOTATION_IMAGE_NAME "io.containerd.image.name"

typedef struct Descriptor {
        char *media_type; /* owned; as it stands in the document; never NULL when parsed */
        Digest digest;
        uint64_t size;     /* bytes */
        Platform platform; /* not set where the document gives none */
        bool attestation;  /* about another manifest, no image: unknown/unknown, or annotated so (BuildKit) */
        char *ref_name;    /* annotation ANNOTATION_REF_NAME; owned, or NULL */
        char *image_name;  /* annotation ANNOTATION_IMAGE_NAME; owned, or NULL */
} Descriptor;

/* Reads a descriptor object. ERROR_INVALID_ARGUMENT (ERROR_UNSUPPORTED of a digest) naming the member. */
int descriptor_parse(json_object *object, Descriptor *ret, Error *error);

/* Fills in one of one's own; `media_type` is copied. -ENOMEM. */
int descriptor_init(Descriptor *ret, const char *media_type, const Digest *digest, uint64_t size);

/* Writes "mediaType" (in its OCI spelling), "digest", "size", and platform and annotations where there are
 * any. NULL without memory. */
json_object *descriptor_to_json(const Descriptor *descriptor);

/* -ENOMEM. */
int descriptor_copy(const Descriptor *descriptor, Descriptor *ret);

void descriptor_clear(Descriptor *descriptor);
static inline void descriptor_clear_many(Descriptor *descriptors, size_t n) {
        for (size_t i = 0; i < n; i++)
                descriptor_clear(&descriptors[i]);
}
