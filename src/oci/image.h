/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the descriptor that a name points at, through indexes, to the one manifest and config for a platform.
 * Pure: the caller fetches documents, from an archive or from a content store. */

#include "oci/image-config.h"
#include "oci/manifest.h"

#define IMAGE_INDEX_DEPTH_MAX 4 /* indexes in indexes; a cycle would need a digest that contains itself */
#define IMAGE_DOCUMENTS_MAX 64  /* fetched for one image */

/* Appends the blob's bytes to the empty buffer, at most descriptor->size of them. -ENOENT (any code) for a
 * blob that is not there. What it gives is verified against the descriptor by the caller of the callback. */
typedef int (*ImageFetch)(void *userdata, const Descriptor *descriptor, Buffer *ret, Error *error);

typedef struct Image {
        Descriptor descriptor; /* of the manifest */
        ImageManifest manifest;
        ImageConfig config;
        Buffer manifest_text; /* the bytes that the digests are of */
        Buffer config_text;
} Image;

/* Finds the best manifest for the platform, that of descriptors first, else that of configs; manifests
 * without either are taken as fitting. Attestations are passed over. A single manifest must fit as well.
 * ERROR_UNSUPPORTED names the platform and those that there are. Digests, sizes, counts of layers and diff
 * ids are verified. */
int image_resolve(const Descriptor *top, const Platform *platform, ImageFetch fetch, void *userdata,
                  Image *ret, Error *error);

void image_clear(Image *image);
