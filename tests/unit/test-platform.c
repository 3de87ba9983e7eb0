/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/media-type.h"
#include "oci/platform.h"
#include "test.h"

static Platform parse(const char *text) {
        _cleanup_(error_clear) Error error = {};
        Platform platform = {};

        if (platform_parse(text, &platform, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s: %s", text, error_message(&error));
        return platform;
}

TEST(normal_form) {
        static const struct {
                const char *text, *normal;
        } cases[] = {
                { "linux/amd64", "linux/amd64" },       { "linux/x86_64", "linux/amd64" },
                { "Linux/AMD64", "linux/amd64" },       { "linux/amd64/v1", "linux/amd64" },
                { "linux/amd64/v3", "linux/amd64/v3" }, { "linux/aarch64", "linux/arm64" },
                { "linux/arm64/v8", "linux/arm64" },    { "linux/arm64/8", "linux/arm64" },
                { "linux/arm", "linux/arm/v7" },        { "linux/arm/6", "linux/arm/v6" },
                { "linux/armhf", "linux/arm/v7" },      { "linux/armel", "linux/arm/v6" },
                { "linux/i686", "linux/386" },          { "linux/riscv64", "linux/riscv64" },
                { "linux/ppc64le", "linux/ppc64le" },
        };
        char buffer[PLATFORM_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Platform platform = parse(cases[i].text);
                ASSERT_STREQ(platform_format(buffer, &platform), cases[i].normal);
        }
        Platform arm = parse("linux/arm/v7");
        ASSERT_STREQ(platform_format_directory(buffer, &arm), "linux-arm-v7");
}

TEST(refused) {
        static const char *const bad[] = { "",
                                           "linux",
                                           "linux/",
                                           "/amd64",
                                           "linux/amd64/",
                                           "a/b/c/d",
                                           "linux/am d64",
                                           "linux/../etc",
                                           "li\nux/amd64",
                                           "linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        Platform platform;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (platform_parse(bad[i], &platform, NULL) >= 0)
                        test_fail(__FILE__, __LINE__, "\"%s\" was taken", bad[i]);
        ASSERT_LT(platform_parse(NULL, &platform, NULL), 0);
}

static unsigned rank(const char *wanted, const char *offered) {
        Platform w = parse(wanted), o = parse(offered);
        return platform_rank(&w, &o);
}

TEST(ranks) {
        ASSERT_GT(rank("linux/amd64", "linux/amd64"), 0);
        ASSERT_EQ(rank("linux/amd64", "linux/arm64"), 0);
        ASSERT_EQ(rank("linux/amd64", "windows/amd64"), 0);
        ASSERT_EQ(rank("linux/amd64", "linux/386"), 0);
        ASSERT_EQ(rank("linux/amd64", "linux/amd64/v2"), 0);
        ASSERT_GT(rank("linux/amd64/v3", "linux/amd64/v3"), rank("linux/amd64/v3", "linux/amd64/v2"));
        ASSERT_GT(rank("linux/amd64/v3", "linux/amd64/v2"), rank("linux/amd64/v3", "linux/amd64"));
        ASSERT_GT(rank("linux/amd64/v3", "linux/amd64"), 0);
        ASSERT_GT(rank("linux/arm", "linux/arm/v6"), rank("linux/arm", "linux/arm/v5"));
        ASSERT_EQ(rank("linux/arm/v6", "linux/arm/v7"), 0);
        ASSERT_GT(rank("linux/arm64/v9", "linux/arm64"), 0);
        ASSERT_EQ(rank("linux/arm64", "linux/arm64/v9"), 0);
        ASSERT_EQ(rank("linux/mips64/hardfloat", "linux/mips64/softfloat"), 0);
}

TEST(host) {
        Platform host;

        platform_host(&host);
        ASSERT_TRUE(platform_is_set(&host));
        ASSERT_STREQ(host.os, "linux");
#ifdef __x86_64__
        ASSERT_STREQ(host.architecture, "amd64");
#endif
}

TEST(media_types) {
        ASSERT_EQ(media_type_kind(MEDIA_TYPE_DOCKER_INDEX), MEDIA_INDEX);
        ASSERT_EQ(media_type_kind(MEDIA_TYPE_MANIFEST), MEDIA_MANIFEST);
        ASSERT_EQ(media_type_kind("application/json"), MEDIA_UNKNOWN);
        ASSERT_EQ(media_type_kind(NULL), MEDIA_UNKNOWN);
        ASSERT_STREQ(media_type_to_oci(MEDIA_TYPE_DOCKER_LAYER_GZIP), MEDIA_TYPE_LAYER_GZIP);
        ASSERT_NULL(media_type_to_oci("application/json"));
        ASSERT_EQ(media_type_compression(MEDIA_TYPE_LAYER_ZSTD), COMPRESSION_ZSTD);
        ASSERT_EQ(media_type_compression(MEDIA_TYPE_CONFIG), _COMPRESSION_INVALID);
        for (Compression c = COMPRESSION_NONE; c < _COMPRESSION_MAX; c++) {
                ASSERT_EQ(compression_from_string(compression_to_string(c)), c);
                ASSERT_EQ(media_type_compression(media_type_of_layer(c)), c);
        }
        ASSERT_EQ(compression_from_string("xz"), _COMPRESSION_INVALID);
        ASSERT_NULL(media_type_of_layer(_COMPRESSION_INVALID));
}
