/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/image.h"

#include "base/string-util.h"

/* The names of platforms that an error lists. */
#define OFFERS_LISTED_MAX 16

typedef struct Search {
        const Platform *platform;
        ImageFetch fetch;
        void *userdata;
        unsigned n_fetched;
        unsigned rank; /* of *found; 0: nothing found */
        Image *found;
        Buffer offers; /* names of the platforms that did not fit */
        unsigned n_offers;
} Search;

static int search_index(Search *search, const Descriptor *descriptor, unsigned depth, Error *error);

static int fetch_document(Search *search, const Descriptor *descriptor, Buffer *ret, Error *error) {
        if (descriptor->size > DOCUMENT_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "document %s is larger than %llu bytes",
                                 descriptor->digest.string, (unsigned long long) DOCUMENT_SIZE_MAX);
        if (search->n_fetched++ >= IMAGE_DOCUMENTS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the image needs more than %u documents to be read", IMAGE_DOCUMENTS_MAX);
        int r = search->fetch(search->userdata, descriptor, ret, error);
        if (r < 0)
                return r;

        Digest digest;
        digest_of(ret->data, ret->length, &digest);
        if (ret->length != descriptor->size || !digest_equal(&digest, &descriptor->digest))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "document %s of %llu bytes is in truth %s of %zu bytes",
                                 descriptor->digest.string, (unsigned long long) descriptor->size,
                                 digest.string, ret->length);
        return 0;
}

static void note_offer(Search *search, const Platform *platform) {
        char name[PLATFORM_MAX];

        if (search->n_offers++ < OFFERS_LISTED_MAX)
                (void) buffer_printf(&search->offers, "%s%s", search->offers.length > 0 ? ", " : "",
                                     platform_format(name, platform));
}

/* How well this platform fits; one that a document does not give fits everything, but badly. */
static unsigned rank_of(Search *search, const Platform *platform) {
        if (!platform_is_set(platform))
                return 1;
        unsigned rank = platform_rank(search->platform, platform);
        if (rank == 0)
                note_offer(search, platform);
        return rank;
}

static int check_layers(const Image *image, Error *error) {
        const ImageManifest *manifest = &image->manifest;

        for (size_t i = 0; i < manifest->n_layers; i++)
                if (media_type_kind(manifest->layers[i].media_type) != MEDIA_LAYER)
                        return error_set(error, ERROR_UNSUPPORTED,
                                         "layer %zu is of media type \"%s\", which is not supported", i + 1,
                                         manifest->layers[i].media_type);
        if (manifest->n_layers != image->config.n_diff_ids)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "its manifest has %zu layers, its config %zu diff_ids", manifest->n_layers,
                                 image->config.n_diff_ids);
        return 0;
}

static int read_manifest(Search *search, const Descriptor *descriptor, Image *image, Error *error) {
        if (descriptor_copy(descriptor, &image->descriptor) < 0)
                return error_oom(error);
        int r = fetch_document(search, descriptor, &image->manifest_text, error);
        if (r < 0)
                return r;
        r = image_manifest_parse(image->manifest_text.data, image->manifest_text.length, &image->manifest,
                                 error);
        if (r < 0)
                return r;
        if (media_type_kind(image->manifest.config.media_type) != MEDIA_CONFIG)
                return error_set(error, ERROR_UNSUPPORTED,
                                 "its config is of media type \"%s\": it is no container image",
                                 image->manifest.config.media_type);
        r = fetch_document(search, &image->manifest.config, &image->config_text, error);
        if (r < 0)
                return r;
        return image_config_parse(image->config_text.data, image->config_text.length, &image->config, error);
}

/* `rank` is that of the descriptor's platform. Keeps the image when it is better than what was found. */
static int search_manifest(Search *search, const Descriptor *descriptor, unsigned rank, Error *error) {
        _cleanup_(image_clear) Image image = {};

        int r = read_manifest(search, descriptor, &image, error);
        if (r < 0)
                return error_prefix(error, r, "manifest %s", descriptor->digest.string);
        if (!platform_is_set(&descriptor->platform)) {
                rank = rank_of(search, &image.config.platform);
                image.descriptor.platform = image.config.platform;
        }
        if (rank <= search->rank)
                return 0;
        r = check_layers(&image, error);
        if (r < 0)
                return error_prefix(error, r, "manifest %s", descriptor->digest.string);
        image_clear(search->found);
        *search->found = TAKE(image, (Image) {});
        search->rank = rank;
        return 0;
}

static int search_descriptor(Search *search, const Descriptor *descriptor, unsigned depth, Error *error) {
        if (descriptor->attestation)
                return 0;
        switch (media_type_kind(descriptor->media_type)) {
        case MEDIA_INDEX:
                return search_index(search, descriptor, depth + 1, error);
        case MEDIA_MANIFEST: {
                unsigned rank = rank_of(search, &descriptor->platform);
                /* Of equals the first counts, and no worse one is worth fetching. */
                return rank > search->rank ? search_manifest(search, descriptor, rank, error) : 0;
        }
        case MEDIA_UNKNOWN:
        case MEDIA_CONFIG:
        case MEDIA_LAYER:
                break;
        }
        /* Signatures and other artifacts stand beside images in an index. */
        return 0;
}

static int search_index(Search *search, const Descriptor *descriptor, unsigned depth, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(image_index_clear) ImageIndex parsed = {};

        if (depth > IMAGE_INDEX_DEPTH_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "indexes are nested deeper than %u levels",
                                 IMAGE_INDEX_DEPTH_MAX);
        int r = fetch_document(search, descriptor, &text, error);
        if (r >= 0)
                r = image_index_parse(text.data, text.length, &parsed, error);
        if (r < 0)
                return error_prefix(error, r, "index %s", descriptor->digest.string);

        for (size_t i = 0; i < parsed.n_manifests; i++) {
                r = search_descriptor(search, &parsed.manifests[i], depth, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int not_found(const Search *search, Error *error) {
        char name[PLATFORM_MAX];

        platform_format(name, search->platform);
        if (search->offers.length == 0)
                return error_set(error, ERROR_UNSUPPORTED, "no image for platform %s", name);
        return error_set(error, ERROR_UNSUPPORTED, "no image for platform %s: there is %.*s%s", name,
                         (int) search->offers.length, search->offers.data,
                         search->n_offers > OFFERS_LISTED_MAX ? " and more" : "");
}

int image_resolve(const Descriptor *top, const Platform *platform, ImageFetch fetch, void *userdata,
                  Image *ret, Error *error) {
        _cleanup_(image_clear) Image found = {};
        Search search = { .platform = platform, .fetch = fetch, .userdata = userdata, .found = &found };

        MediaKind kind = media_type_kind(top->media_type);
        if (kind != MEDIA_INDEX && kind != MEDIA_MANIFEST)
                return error_set(error, ERROR_UNSUPPORTED, "media type \"%s\" is not that of an image",
                                 top->media_type);
        int r = search_descriptor(&search, top, 0, error);
        if (r >= 0 && search.rank == 0)
                r = not_found(&search, error);
        buffer_clear(&search.offers);
        if (r < 0)
                return r;
        *ret = TAKE(found, (Image) {});
        return 0;
}

void image_clear(Image *image) {
        descriptor_clear(&image->descriptor);
        image_manifest_clear(&image->manifest);
        image_config_clear(&image->config);
        buffer_clear(&image->manifest_text);
        buffer_clear(&image->config_text);
}
