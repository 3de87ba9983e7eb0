/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The media types of images: OCI's (image specification, "OCI Image Media Types") and docker's that say the
 * same (distribution, "Image Manifest Version 2, Schema 2"). */

#include "base/macro.h"

#define MEDIA_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_TYPE_LAYER_TAR "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_TYPE_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_TYPE_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"

#define MEDIA_TYPE_DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_TYPE_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_TYPE_DOCKER_LAYER_TAR "application/vnd.docker.image.rootfs.diff.tar"
#define MEDIA_TYPE_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_TYPE_DOCKER_LAYER_ZSTD "application/vnd.docker.image.rootfs.diff.tar.zstd"

typedef enum MediaKind {
        MEDIA_UNKNOWN,
        MEDIA_INDEX,
        MEDIA_MANIFEST,
        MEDIA_CONFIG,
        MEDIA_LAYER,
} MediaKind;

typedef enum Compression {
        COMPRESSION_NONE,
        COMPRESSION_GZIP,
        COMPRESSION_ZSTD,
        _COMPRESSION_MAX,
        _COMPRESSION_INVALID = -1,
} Compression;

/* What a media type says a blob is; MEDIA_UNKNOWN for NULL and for what is not listed above. */
MediaKind media_type_kind(const char *media_type) _pure_;

/* The OCI spelling, a constant, of a type listed above in either; NULL for any other. */
const char *media_type_to_oci(const char *media_type) _pure_;

/* A layer's compression, and _COMPRESSION_INVALID for what is no layer. */
Compression media_type_compression(const char *media_type) _pure_;

/* The OCI media type of a layer. */
const char *media_type_of_layer(Compression compression) _const_;

/* "none", "gzip", "zstd", and back (_COMPRESSION_INVALID). */
const char *compression_to_string(Compression compression) _const_;
Compression compression_from_string(const char *word) _pure_;
