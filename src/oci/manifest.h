/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Image indexes and manifests, OCI's and docker's (OCI image specification, "Image Index", "Image Manifest").
 * The bounds hold for documents from anywhere: a document is refused before it is parsed when it is too
 * large. */

#include "base/buffer.h"
#include "oci/descriptor.h"
#include "oci/media-type.h"

#define DOCUMENT_SIZE_MAX \
        MIB(4)                   /* bytes of an index, manifest or config; containerd's own bound is 8 MiB \
                                  */
#define DOCUMENT_DEPTH_MAX 32    /* nesting of JSON in any of them */
#define INDEX_MANIFESTS_MAX 1024 /* entries of one index */
#define MANIFEST_LAYERS_MAX 512  /* the kernel's overlay takes 500 */

typedef struct ImageIndex {
        Descriptor *manifests; /* owned; indexes may be among them */
        size_t n_manifests;
} ImageIndex;

typedef struct ImageManifest {
        Descriptor config;
        Descriptor *layers; /* owned; the lowest first */
        size_t n_layers;
} ImageManifest;

/* Parse a document. What holds the members of the other kind, or a mediaType of another kind, is refused, as
 * it could be read as either (CVE-2021-41190). ERROR_INVALID_ARGUMENT; ERROR_UNSUPPORTED for schema
 * version 1. */
int image_index_parse(const char *text, size_t length, ImageIndex *ret, Error *error);
int image_manifest_parse(const char *text, size_t length, ImageManifest *ret, Error *error);

/* What a document is by its own members, where a descriptor's media type does not tell. */
MediaKind image_document_kind(const char *text, size_t length);

/* -ENOMEM. */
int image_manifest_copy(const ImageManifest *manifest, ImageManifest *ret);

/* Puts a layer on top; the descriptor is copied. -ENOMEM, or -E2BIG beyond MANIFEST_LAYERS_MAX. */
int image_manifest_append_layer(ImageManifest *manifest, const Descriptor *layer);

/* Append the text of a document in OCI form (docker's media types become OCI's). ERROR_UNSUPPORTED for a
 * layer whose media type has no OCI form. */
int image_manifest_write(const ImageManifest *manifest, Buffer *buffer, Error *error);
int image_index_write(const ImageIndex *index, Buffer *buffer, Error *error);

void image_index_clear(ImageIndex *index);
void image_manifest_clear(ImageManifest *manifest);
