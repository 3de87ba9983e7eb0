/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/media-type.h"

#include "base/string-util.h"

typedef struct MediaType {
        MediaKind kind;
        Compression compression;
        const char *oci;
        const char *docker;
} MediaType;

static const MediaType media_types[] = {
        { MEDIA_INDEX, _COMPRESSION_INVALID, MEDIA_TYPE_INDEX, MEDIA_TYPE_DOCKER_INDEX },
        { MEDIA_MANIFEST, _COMPRESSION_INVALID, MEDIA_TYPE_MANIFEST, MEDIA_TYPE_DOCKER_MANIFEST },
        { MEDIA_CONFIG, _COMPRESSION_INVALID, MEDIA_TYPE_CONFIG, MEDIA_TYPE_DOCKER_CONFIG },
        { MEDIA_LAYER, COMPRESSION_NONE, MEDIA_TYPE_LAYER_TAR, MEDIA_TYPE_DOCKER_LAYER_TAR },
        { MEDIA_LAYER, COMPRESSION_GZIP, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_DOCKER_LAYER_GZIP },
        { MEDIA_LAYER, COMPRESSION_ZSTD, MEDIA_TYPE_LAYER_ZSTD, MEDIA_TYPE_DOCKER_LAYER_ZSTD },
};

static const char *const compressions[_COMPRESSION_MAX] = {
        [COMPRESSION_NONE] = "none",
        [COMPRESSION_GZIP] = "gzip",
        [COMPRESSION_ZSTD] = "zstd",
};

static const MediaType *find(const char *media_type) {
        for (size_t i = 0; media_type && i < ELEMENTSOF(media_types); i++)
                if (streq(media_type, media_types[i].oci) || streq(media_type, media_types[i].docker))
                        return &media_types[i];
        return NULL;
}

MediaKind media_type_kind(const char *media_type) {
        const MediaType *type = find(media_type);
        return type ? type->kind : MEDIA_UNKNOWN;
}

const char *media_type_to_oci(const char *media_type) {
        const MediaType *type = find(media_type);
        return type ? type->oci : NULL;
}

Compression media_type_compression(const char *media_type) {
        const MediaType *type = find(media_type);
        return type ? type->compression : _COMPRESSION_INVALID;
}

const char *media_type_of_layer(Compression compression) {
        switch (compression) {
        case COMPRESSION_NONE:
                return MEDIA_TYPE_LAYER_TAR;
        case COMPRESSION_GZIP:
                return MEDIA_TYPE_LAYER_GZIP;
        case COMPRESSION_ZSTD:
                return MEDIA_TYPE_LAYER_ZSTD;
        case _COMPRESSION_MAX:
        case _COMPRESSION_INVALID:
                break;
        }
        return NULL;
}

const char *compression_to_string(Compression compression) {
        return compression >= 0 && compression < _COMPRESSION_MAX ? compressions[compression] : NULL;
}

Compression compression_from_string(const char *word) {
        for (Compression c = COMPRESSION_NONE; c < _COMPRESSION_MAX; c++)
                if (streq(strempty(word), compressions[c]))
                        return c;
        return _COMPRESSION_INVALID;
}
