/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "oci/image.h"
#include "test.h"

#define A "sha256:1111111111111111111111111111111111111111111111111111111111111111"

/* A content store of the test. */
static struct {
        Digest digest;
        char *text;
} store[128];
static size_t n_store;

static const char *put(const char *text, Digest *ret) {
        ASSERT_LT(n_store, ELEMENTSOF(store));
        digest_of(text, strlen(text), &store[n_store].digest);
        store[n_store].text = strdup(text);
        *ret = store[n_store++].digest;
        return ret->string;
}

static void store_clear(void) {
        for (; n_store > 0; n_store--)
                free(store[n_store - 1].text);
}

static int fetch(void *userdata, const Descriptor *descriptor, Buffer *ret, Error *error) {
        for (size_t i = 0; i < n_store; i++)
                if (digest_equal(&store[i].digest, &descriptor->digest))
                        return buffer_append_string(ret, store[i].text);
        return error_set(error, ERROR_NOT_FOUND, "blob %s not found", descriptor->digest.string);
}

static char *descriptor(const char *type, const Digest *digest, size_t size, const char *more) {
        return format_string("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", type, digest->string,
                             size, more);
}

/* Puts config and manifest of one layer; gives the manifest's descriptor as text. */
static char *put_image(const char *platform, const char *more) {
        Digest config_digest, digest;
        _cleanup_free_ char *config = format_string("{%s\"rootfs\":{\"diff_ids\":[\"" A "\"]}}", platform);
        put(config, &config_digest);
        _cleanup_free_ char *manifest =
                format_string("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_TYPE_DOCKER_CONFIG
                              "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
                              "\"" MEDIA_TYPE_DOCKER_LAYER_GZIP "\",\"digest\":\"" A "\",\"size\":3}]}",
                              config_digest.string, strlen(config));
        put(manifest, &digest);
        return descriptor(MEDIA_TYPE_MANIFEST, &digest, strlen(manifest), more);
}

static char *put_index(const char *manifests) {
        Digest digest;
        _cleanup_free_ char *index = format_string("{\"schemaVersion\":2,\"manifests\":[%s]}", manifests);

        put(index, &digest);
        return descriptor(MEDIA_TYPE_INDEX, &digest, strlen(index), "");
}

static Image image;
static Error error;

static int resolve(const char *top, const char *platform) {
        _cleanup_json_ json_object *object = NULL;
        _cleanup_(descriptor_clear) Descriptor parsed = {};
        Platform wanted;

        image_clear(&image);
        error_clear(&error);
        ASSERT_OK(json_parse(top, strlen(top), 8, &object, NULL));
        ASSERT_OK(descriptor_parse(object, &parsed, NULL));
        ASSERT_OK(platform_parse(platform, &wanted, NULL));
        int r = image_resolve(&parsed, &wanted, fetch, NULL, &image, &error);
        return r;
}

TEST(single_manifest) {
        _cleanup_free_ char *top = put_image("\"os\":\"linux\",\"architecture\":\"arm64\",", "");

        ASSERT_OK(resolve(top, "linux/arm64"));
        ASSERT_EQ(image.manifest.n_layers, 1);
        ASSERT_STREQ(image.config.diff_ids[0].string, A);
        ASSERT_STREQ(image.descriptor.platform.architecture, "arm64");

        ASSERT_EQ(resolve(top, "linux/amd64"), -EOPNOTSUPP);
        ASSERT_CONTAINS(error_message(&error), "no image for platform linux/amd64: there is linux/arm64");
        store_clear();
}

TEST(without_platform_fits_all) {
        _cleanup_free_ char *top = put_image("", "");

        ASSERT_OK(resolve(top, "linux/s390x"));
        store_clear();
}

TEST(best_of_an_index) {
        _cleanup_free_ char *v6 =
                put_image("\"os\":\"linux\",",
                          ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}");
        _cleanup_free_ char *v7 =
                put_image("\"os\":\"l7\",",
                          ",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}");
        _cleanup_free_ char *amd =
                put_image("\"os\":\"la\",", ",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}");
        _cleanup_free_ char *attestation = put_image(
                "\"os\":\"lu\",", ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}");
        _cleanup_free_ char *absent =
                format_string("{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"" A "\",\"size\":5,"
                              "\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}}");
        _cleanup_free_ char *all = format_string("%s,%s,%s,%s,%s", attestation, absent, v6, v7, amd);
        _cleanup_free_ char *inner = put_index(all), *top = put_index(inner);

        ASSERT_OK(resolve(top, "linux/arm/v7"));
        ASSERT_STREQ(image.config.platform.os, "l7");
        ASSERT_OK(resolve(top, "linux/arm/v6"));
        ASSERT_STREQ(image.config.platform.os, "linux");
        ASSERT_OK(resolve(top, "linux/amd64"));
        ASSERT_STREQ(image.config.platform.os, "la");
        ASSERT_EQ(resolve(top, "linux/riscv64"), -EOPNOTSUPP);
        ASSERT_EQ(resolve(top, "linux/s390x"), -ENOENT);
        ASSERT_CONTAINS(error_message(&error), "blob " A " not found");
        store_clear();
}

TEST(bounds) {
        _cleanup_free_ char *nested = put_image("", "");
        for (unsigned i = 0; i < IMAGE_INDEX_DEPTH_MAX; i++) {
                char *outer = put_index(nested);
                free(nested);
                nested = outer;
        }
        ASSERT_OK(resolve(nested, "linux/amd64"));
        _cleanup_free_ char *deeper = put_index(nested);
        ASSERT_EQ(resolve(deeper, "linux/amd64"), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "nested deeper");

        /* An index that names one foreign image very often costs a bounded number of fetches. */
        _cleanup_free_ char *foreign = put_image("\"os\":\"a\",\"architecture\":\"b\",", "");
        _cleanup_(buffer_clear) Buffer many = {};
        for (unsigned i = 0; i < IMAGE_DOCUMENTS_MAX; i++)
                ASSERT_OK(buffer_printf(&many, "%s%s", i ? "," : "", foreign));
        ASSERT_OK(buffer_append(&many, "", 1));
        _cleanup_free_ char *top = put_index(many.data);
        ASSERT_EQ(resolve(top, "linux/amd64"), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "more than");

        Descriptor huge = { .media_type = (char *) MEDIA_TYPE_INDEX, .size = DOCUMENT_SIZE_MAX + 1 };
        Platform platform = {};
        ASSERT_EQ(image_resolve(&huge, &platform, fetch, NULL, &image, NULL), -EINVAL);
        huge.media_type = (char *) "text/plain";
        ASSERT_EQ(image_resolve(&huge, &platform, fetch, NULL, &image, NULL), -EOPNOTSUPP);
        store_clear();
}

TEST(mismatches) {
        _cleanup_free_ char *top = put_image("", "");

        /* The stored text no longer is what its digest says. */
        store[n_store - 1].text[0] = ' ';
        ASSERT_EQ(resolve(top, "linux/amd64"), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "is in truth sha256:");
        store_clear();

        Digest config_digest, digest;
        static const char config[] = "{\"rootfs\":{\"diff_ids\":[]}}";
        put(config, &config_digest);
        _cleanup_free_ char *manifest = format_string("{\"config\":{\"mediaType\":\"" MEDIA_TYPE_CONFIG
                                                      "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":"
                                                      "[{\"mediaType\":\"" MEDIA_TYPE_LAYER_TAR
                                                      "\",\"digest\":\"" A "\",\"size\":3}]}",
                                                      config_digest.string, strlen(config));
        put(manifest, &digest);
        _cleanup_free_ char *uneven = descriptor(MEDIA_TYPE_MANIFEST, &digest, strlen(manifest), "");
        ASSERT_EQ(resolve(uneven, "linux/amd64"), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "1 layers, its config 0 diff_ids");
        store_clear();
}

static void refuse_manifest(const char *text) {
        ImageManifest manifest = {};
        if (image_manifest_parse(text, strlen(text), &manifest, NULL) >= 0)
                test_fail(__FILE__, __LINE__, "%s was taken", text);
}

TEST(documents_refused) {
        ImageIndex index = {};

        refuse_manifest("{}");
        refuse_manifest("[]");
        refuse_manifest("{\"config\":{}}");
        refuse_manifest("{\"schemaVersion\":1,\"fsLayers\":[]}");
        refuse_manifest("{\"mediaType\":\"" MEDIA_TYPE_INDEX
                        "\",\"config\":{\"mediaType\":\"a/b\",\"digest\":\"" A "\",\"size\":1}}");
        /* Manifest to one reader, index to another. */
        refuse_manifest("{\"config\":{\"mediaType\":\"a/b\",\"digest\":\"" A
                        "\",\"size\":1},\"layers\":[],\"manifests\":[]}");
        refuse_manifest("{\"config\":{\"mediaType\":\"a/b\",\"digest\":\"" A
                        "\",\"size\":-1},\"layers\":[]}");
        refuse_manifest("{\"config\":{\"mediaType\":\"a/b\",\"digest\":\"" A
                        "\",\"size\":1.5},\"layers\":[]}");
        static const char both[] = "{\"manifests\":[],\"Layers\":[]}";
        ASSERT_LT(image_index_parse(both, strlen(both), &index, NULL), 0);
        ASSERT_EQ(image_document_kind("{\"manifests\":[]}", 16), MEDIA_INDEX);
        ASSERT_EQ(image_document_kind("{}", 2), MEDIA_UNKNOWN);

        _cleanup_(buffer_clear) Buffer many = {};
        ASSERT_OK(buffer_append_string(&many, "{\"manifests\":["));
        for (unsigned i = 0; i <= INDEX_MANIFESTS_MAX; i++)
                ASSERT_OK(buffer_printf(&many, "%s{}", i ? "," : ""));
        ASSERT_OK(buffer_append_string(&many, "]}"));
        ASSERT_LT(image_index_parse(many.data, many.length, &index, &error), 0);
        ASSERT_CONTAINS(error_message(&error), "more than");
        error_clear(&error);
}

TEST(manifest_written_in_oci_form) {
        _cleanup_free_ char *top = put_image("", "");
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(image_manifest_clear) ImageManifest copy = {};

        ASSERT_OK(resolve(top, "linux/amd64"));
        Descriptor layer = image.manifest.layers[0];
        layer.media_type = (char *) MEDIA_TYPE_LAYER_ZSTD;
        ASSERT_OK(image_manifest_copy(&image.manifest, &copy));
        ASSERT_OK(image_manifest_append_layer(&copy, &layer));
        ASSERT_OK(image_manifest_write(&copy, &text, NULL));
        ASSERT_OK(buffer_append(&text, "", 1));

        _cleanup_free_ char *expected = format_string(
                "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"config\":{\"mediaType\":"
                "\"" MEDIA_TYPE_CONFIG "\",\"digest\":\"%s\",\"size\":%" PRIu64 "},\"layers\":["
                "{\"mediaType\":\"" MEDIA_TYPE_LAYER_GZIP "\",\"digest\":\"" A "\",\"size\":3},"
                "{\"mediaType\":\"" MEDIA_TYPE_LAYER_ZSTD "\",\"digest\":\"" A "\",\"size\":3}]}",
                image.manifest.config.digest.string, image.manifest.config.size);
        ASSERT_STREQ(text.data, expected);

        copy.layers[0].media_type[0] = 'x';
        ASSERT_EQ(image_manifest_write(&copy, &text, NULL), -EOPNOTSUPP);
        image_clear(&image);
        store_clear();
}
