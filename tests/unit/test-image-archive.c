/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/oci-archive-reader.h"
#include "archive/oci-archive-writer.h"
#include "archive/ustar.h"
#include "base/fd-util.h"
#include "base/string-util.h"
#include "scratch.h"
#include "test.h"

static Error error;

static int new_file(void) {
        int fd = memfd_create("archive", MFD_CLOEXEC);

        ASSERT_OK(fd);
        error_clear(&error);
        return fd;
}

/* An image of one layer, which holds `content`, in the archive; gives the descriptor of its manifest. */
static Descriptor write_image(int fd, const char *platform, const char *content, const char *name) {
        _cleanup_(archive_writer_freep) ArchiveWriter *writer = NULL;
        _cleanup_(image_manifest_clear) ImageManifest manifest = {};
        _cleanup_(image_config_clear) ImageConfig config = {};
        _cleanup_(descriptor_clear) Descriptor layer = {};
        Descriptor top = {};
        Digest digest;

        ASSERT_OK(archive_writer_new(fd, &writer, NULL));
        ASSERT_OK(archive_writer_add(writer, content, strlen(content), &digest, NULL));
        ASSERT_OK(descriptor_init(&layer, MEDIA_TYPE_LAYER_TAR, &digest, strlen(content)));
        ASSERT_OK(image_manifest_append_layer(&manifest, &layer));
        _cleanup_free_ char *text = format_string("{%s}", platform);
        ASSERT_OK(image_config_parse(text, strlen(text), &config, NULL));
        ASSERT_OK(image_config_append_layer(&config, &digest, 0, "test"));
        ASSERT_OK(archive_writer_finish(writer, &manifest, &config, name, &top, &error));
        return top;
}

#define AMD64 "\"os\":\"linux\",\"architecture\":\"amd64\""

static ArchiveReader *open_reader(int fd) {
        ArchiveReader *reader = NULL;

        error_clear(&error);
        if (archive_reader_new(fd, NULL, &reader, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        return reader;
}

static const char *blob_text(ArchiveReader *reader, const Descriptor *descriptor) {
        static Buffer text;

        buffer_clear(&text);
        error_clear(&error);
        if (archive_reader_fetch(reader, descriptor, &text, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        ASSERT_OK(buffer_append(&text, "", 1));
        return text.data;
}

/* The layer's content, found through all documents. */
static const char *content_of_image(ArchiveReader *reader, const char *name, const char *platform) {
        const Descriptor *top = NULL;
        Platform wanted;
        Image image = {};

        error_clear(&error);
        ASSERT_OK(platform_parse(platform, &wanted, NULL));
        if (archive_reader_image(reader, name, &top, &error) < 0 ||
            image_resolve(top, &wanted, archive_reader_fetch, reader, &image, &error) < 0)
                return error_message(&error);
        const char *text = blob_text(reader, &image.manifest.layers[0]);
        image_clear(&image);
        return text;
}

TEST(round_trip) {
        int fd = new_file();
        Descriptor top = write_image(fd, AMD64, "a layer", "acme/hello:1.0.0");
        ArchiveReader *reader = open_reader(fd);
        size_t n;
        const ArchiveImage *images = archive_reader_images(reader, &n);

        ASSERT_EQ(n, 1);
        ASSERT_STREQ(images[0].name, "acme/hello:1.0.0");
        ASSERT_STREQ(images[0].descriptor.digest.string, top.digest.string);
        ASSERT_STREQ(images[0].descriptor.ref_name, "1.0.0");
        ASSERT_STREQ(images[0].descriptor.platform.architecture, "amd64");
        ASSERT_STREQ(content_of_image(reader, NULL, "linux/amd64"), "a layer");
        ASSERT_STREQ(content_of_image(reader, "docker.io/acme/hello:1.0.0", "linux/amd64"), "a layer");
        ASSERT_CONTAINS(content_of_image(reader, "other", "linux/amd64"), "no image \"other\"");
        ASSERT_CONTAINS(content_of_image(reader, NULL, "linux/arm64"), "there is linux/amd64");
        archive_reader_free(reader);
        descriptor_clear(&top);
        close(fd);
}

TEST(same_bytes) {
        char bytes[2][32768];
        ssize_t n[2];

        for (unsigned i = 0; i < 2; i++) {
                int fd = new_file();
                Descriptor top = write_image(fd, AMD64, "x", NULL);
                descriptor_clear(&top);
                n[i] = pread(fd, bytes[i], sizeof(bytes[i]), 0);
                close(fd);
        }
        ASSERT_EQ(n[0], n[1]);
        ASSERT_EQ(memcmp(bytes[0], bytes[1], (size_t) n[0]), 0);
}

TEST(blobs_in_pieces) {
        _cleanup_(archive_writer_freep) ArchiveWriter *writer = NULL;
        int fd = new_file();
        Digest digest;
        Descriptor blob = { .media_type = (char *) MEDIA_TYPE_LAYER_TAR, .size = 600 };
        char content[600];

        memset(content, 'x', sizeof(content));
        digest_of(content, sizeof(content), &digest);
        blob.digest = digest;
        ASSERT_OK(archive_writer_new(fd, &writer, NULL));
        uint64_t start = archive_writer_size(writer);
        Sink sink = archive_writer_sink(writer);

        /* Without a blob there is nowhere to write to. */
        ASSERT_LT(sink.write(sink.userdata, "x", 1, NULL), 0);

        /* Given up. */
        ASSERT_OK(archive_writer_begin(writer, NULL, NULL));
        ASSERT_LT(archive_writer_begin(writer, NULL, NULL), 0);
        ASSERT_OK(sink.write(sink.userdata, "abc", 3, NULL));
        ASSERT_OK(archive_writer_abort(writer, NULL));
        ASSERT_EQ(archive_writer_size(writer), start);
        ASSERT_OK(archive_writer_abort(writer, NULL));

        /* Too short, too long, another. */
        ASSERT_OK(archive_writer_begin(writer, &blob, NULL));
        ASSERT_OK(sink.write(sink.userdata, content, 599, NULL));
        ASSERT_EQ(archive_writer_end(writer, &digest, 600, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "in truth");
        ASSERT_OK(archive_writer_begin(writer, &blob, NULL));
        ASSERT_OK(sink.write(sink.userdata, content, 600, NULL));
        ASSERT_EQ(sink.write(sink.userdata, content, 1, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "longer than");
        ASSERT_OK(archive_writer_abort(writer, NULL));
        ASSERT_OK(archive_writer_begin(writer, &blob, NULL));
        ASSERT_OK(sink.write(sink.userdata, "y", 1, NULL));
        ASSERT_OK(sink.write(sink.userdata, content, 599, NULL));
        ASSERT_EQ(archive_writer_end(writer, &digest, 600, NULL), -EINVAL);
        ASSERT_FALSE(archive_writer_has(writer, &digest));
        ASSERT_EQ(archive_writer_size(writer), start);

        /* As it should be, and again. */
        for (unsigned i = 0; i < 2; i++) {
                ASSERT_OK(archive_writer_begin(writer, i == 0 ? &blob : NULL, NULL));
                ASSERT_OK(sink.write(sink.userdata, content, 300, NULL));
                ASSERT_OK(sink.write(sink.userdata, content + 300, 300, NULL));
                ASSERT_OK(archive_writer_end(writer, &digest, 600, NULL));
                ASSERT_TRUE(archive_writer_has(writer, &digest));
                ASSERT_EQ(archive_writer_size(writer), start + 512 + 1024);
        }
        close(fd);
}

TEST(blobs_from_files) {
        _cleanup_(archive_writer_freep) ArchiveWriter *writer = NULL;
        int dir = scratch_new();
        static char content[100001], back[100001];

        memset(content, 'f', sizeof(content) - 1);
        put_file(dir, "blob", content, 0644);
        put_file(dir, "archive", "", 0644);
        int blob_fd = openat(dir, "blob", O_RDONLY | O_CLOEXEC);
        Descriptor blob = { .media_type = (char *) MEDIA_TYPE_LAYER_TAR, .size = sizeof(content) - 1 };
        digest_of(content, sizeof(content) - 1, &blob.digest);

        /* To the same file system and to another one. */
        for (unsigned i = 0; i < 2; i++) {
                int fd = i == 0 ? openat(dir, "archive", O_RDWR | O_CLOEXEC) : new_file();
                ASSERT_OK(archive_writer_new(fd, &writer, NULL));
                ASSERT_OK(archive_writer_add_file(writer, &blob, blob_fd, NULL, NULL));
                ASSERT_OK(archive_writer_add_file(writer, &blob, blob_fd, NULL, NULL));
                ASSERT_EQ(archive_writer_size(writer), 1024 + 512 + 100352);
                ASSERT_EQ(pread(fd, back, sizeof(back) - 1, 1024 + 512), sizeof(back) - 1);
                ASSERT_EQ(memcmp(content, back, sizeof(back)), 0);
                writer = archive_writer_free(writer);
                close(fd);
        }

        int fd = new_file();
        ASSERT_OK(archive_writer_new(fd, &writer, NULL));
        blob.size++;
        ASSERT_EQ(archive_writer_add_file(writer, &blob, blob_fd, NULL, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "100000 bytes");
        close(blob_fd);
        close(fd);
}

TEST(writer_refuses) {
        ArchiveWriter *writer = NULL;
        int pair[2], dir = scratch_new();

        put_file(dir, "f", "", 0644);
        ASSERT_OK(pipe2(pair, O_CLOEXEC));
        ASSERT_LT(archive_writer_new(pair[1], &writer, NULL), 0);
        int append = openat(dir, "f", O_WRONLY | O_APPEND | O_CLOEXEC),
            read = openat(dir, "f", O_RDONLY | O_CLOEXEC);
        ASSERT_LT(archive_writer_new(append, &writer, NULL), 0);
        ASSERT_LT(archive_writer_new(read, &writer, NULL), 0);
        close(pair[0]);
        close(pair[1]);
        close(append);
        close(read);

        /* A layer that is not there. */
        int fd = new_file();
        _cleanup_(image_config_clear) ImageConfig config = {};
        Descriptor layer = { .media_type = (char *) MEDIA_TYPE_LAYER_TAR };
        ImageManifest manifest = { .layers = &layer, .n_layers = 1 };
        ASSERT_OK(image_config_parse("{}", 2, &config, NULL));
        ASSERT_OK(archive_writer_new(fd, &writer, NULL));
        ASSERT_LT(archive_writer_finish(writer, &manifest, &config, NULL, NULL, &error), 0);
        ASSERT_CONTAINS(error_message(&error), "was not put into");
        archive_writer_free(writer);
        close(fd);
}

/* A tar for the reader, made by libarchive with these files (NULL-terminated pairs; "NAME>" is a symlink,
 * "NAME=" a hard link). */
static int tar_of(const char *const *pairs, int filter) {
        int fd = new_file();
        struct archive *a = archive_write_new();

        archive_write_set_format_gnutar(a);
        archive_write_add_filter(a, filter);
        ASSERT_EQ(archive_write_open_fd(a, fd), ARCHIVE_OK);
        for (; pairs[0]; pairs += 2) {
                struct archive_entry *e = archive_entry_new();
                char name[512];
                size_t n = strlen(pairs[0]);
                char kind = n > 0 ? pairs[0][n - 1] : 0;

                snprintf(name, sizeof(name), "%.*s", (int) (kind == '>' || kind == '=' ? n - 1 : n),
                         pairs[0]);
                archive_entry_set_pathname(e, name);
                archive_entry_set_mode(e, kind == '>' ? S_IFLNK | 0777 : S_IFREG | 0644);
                if (kind == '>')
                        archive_entry_set_symlink(e, pairs[1]);
                else if (kind == '=')
                        archive_entry_set_hardlink(e, pairs[1]);
                else
                        archive_entry_set_size(e, (la_int64_t) strlen(pairs[1]));
                ASSERT_EQ(archive_write_header(a, e), ARCHIVE_OK);
                if (kind != '>' && kind != '=')
                        ASSERT_EQ(archive_write_data(a, pairs[1], strlen(pairs[1])), strlen(pairs[1]));
                archive_entry_free(e);
        }
        archive_write_free(a);
        return fd;
}

#define TAR(...) tar_of((const char *const[]) { __VA_ARGS__, NULL }, ARCHIVE_FILTER_NONE)

static void refuse_tar(int fd, ErrorCode code, const char *words) {
        ArchiveReader *reader = NULL;

        error_clear(&error);
        ASSERT_LT(archive_reader_new(fd, NULL, &reader, &error), 0);
        ASSERT_CONTAINS(error_message(&error), words);
        ASSERT_EQ(error.code, code);
        ASSERT_NULL(reader);
        close(fd);
}

static const char *const docker_archive[] = {
        "./manifest.json",
        "[{\"Config\":\"c.json\",\"RepoTags\":[\"hello:1\",\"hello:latest\"],"
        "\"Layers\":[\"1/layer.tar\",\"2/layer.tar\",\"3/layer.tar\"]}]",
        "c.json",
        "{\"os\":\"linux\",\"architecture\":\"arm64\",\"rootfs\":{\"diff_ids\":["
        "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
        "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","
        "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"]}}",
        "1/layer.tar",
        "the first",
        "2/layer.tar>",
        "../1/layer.tar",
        "3/layer.tar=",
        "./2/layer.tar",
        NULL,
};

static void check_docker_archive(ArchiveReader *reader) {
        Image image = {};
        const Descriptor *top = NULL;
        Platform platform;

        ASSERT_OK(platform_parse("linux/arm64", &platform, NULL));
        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        ASSERT_OK(archive_reader_image(reader, "docker.io/library/hello", &top, NULL));
        ASSERT_OK(image_resolve(top, &platform, archive_reader_fetch, reader, &image, NULL));
        ASSERT_EQ(image.manifest.n_layers, 3);
        for (unsigned i = 0; i < 3; i++) {
                ASSERT_STREQ(image.manifest.layers[i].media_type, MEDIA_TYPE_LAYER_TAR);
                ASSERT_STREQ(blob_text(reader, &image.manifest.layers[i]), "the first");
        }
        image_clear(&image);
}

TEST(docker_save) {
        int fd = tar_of(docker_archive, ARCHIVE_FILTER_NONE);
        ArchiveReader *reader = open_reader(fd);
        size_t n;

        ASSERT_STREQ(archive_reader_images(reader, &n)[1].name, "hello:latest");
        ASSERT_EQ(n, 2);
        check_docker_archive(reader);
        archive_reader_free(reader);
        close(fd);
}

TEST(compressed) {
        static const int filters[] = { ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD };

        for (unsigned i = 0; i < 2; i++) {
                int fd = tar_of(docker_archive, filters[i]);
                ArchiveReader *reader = open_reader(fd);

                check_docker_archive(reader);
                archive_reader_free(reader);
                close(fd);
        }
        refuse_tar(tar_of(docker_archive, ARCHIVE_FILTER_XZ), ERROR_UNSUPPORTED, "no tar archive");
}

TEST(through_a_pipe) {
        int fd = tar_of(docker_archive, ARCHIVE_FILTER_NONE), pair[2];
        char bytes[65536];
        ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

        ASSERT_OK(pipe2(pair, O_CLOEXEC));
        ASSERT_EQ(write(pair[1], bytes, (size_t) n), n);
        close(pair[1]);
        ArchiveReader *reader = open_reader(pair[0]);
        check_docker_archive(reader);
        archive_reader_free(reader);
        close(pair[0]);
        close(fd);
}

TEST(layers_by_their_first_bytes) {
        int fd = TAR("manifest.json", "[{\"Config\":\"c\",\"RepoTags\":null,\"Layers\":[\"g\",\"z\",\"e\"]}]",
                     "c", "{}", "g", "\x1f\x8bgzip", "z", "\x28\xb5\x2f\xfdzstd", "e", "");
        ArchiveReader *reader = open_reader(fd);
        const Descriptor *top = NULL;
        ImageManifest manifest = {};

        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        const char *text = blob_text(reader, top);
        ASSERT_OK(image_manifest_parse(text, strlen(text), &manifest, NULL));
        ASSERT_STREQ(manifest.layers[0].media_type, MEDIA_TYPE_LAYER_GZIP);
        ASSERT_STREQ(manifest.layers[1].media_type, MEDIA_TYPE_LAYER_ZSTD);
        ASSERT_STREQ(manifest.layers[2].media_type, MEDIA_TYPE_LAYER_TAR);
        image_manifest_clear(&manifest);
        archive_reader_free(reader);
        close(fd);
}

#define LAYOUT "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"
#define A "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define B "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define MANIFEST(digest, more) \
        "{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"" digest "\",\"size\":7" more "}"
#define NAMED(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"
#define FOR(arch) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"

TEST(several_images) {
        const Descriptor *top = NULL;
        size_t n;

        int fd = TAR(LAYOUT, "index.json",
                     "{\"manifests\":[" MANIFEST(A, NAMED("a:1")) "," MANIFEST(B, NAMED("b:1")) "]}");
        ArchiveReader *reader = open_reader(fd);
        ASSERT_EQ(archive_reader_image(reader, NULL, &top, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "\"a:1\" and \"b:1\"");
        ASSERT_OK(archive_reader_image(reader, "b:1", &top, NULL));
        ASSERT_STREQ(top->digest.string, B);
        archive_reader_free(reader);
        close(fd);

        /* Platforms of one image, and what stands beside images. */
        fd = TAR(LAYOUT, "index.json",
                 "{\"manifests\":[" MANIFEST(A, FOR("amd64")) "," MANIFEST(B, FOR("arm64")) "," MANIFEST(
                         B, FOR("arm64")) "," MANIFEST(A, ",\"platform\":{\"os\":\"unknown\","
                                                          "\"architecture\":\"unknown\"}") "]}");
        reader = open_reader(fd);
        archive_reader_images(reader, &n);
        ASSERT_EQ(n, 1);
        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        ASSERT_STREQ(top->media_type, MEDIA_TYPE_INDEX);
        const char *text = blob_text(reader, top);
        ASSERT_CONTAINS(text, A);
        ASSERT_CONTAINS(text, B);
        archive_reader_free(reader);
        close(fd);

        /* The same platform twice is no such image. */
        fd = TAR(LAYOUT, "index.json",
                 "{\"manifests\":[" MANIFEST(A, FOR("amd64")) "," MANIFEST(B, FOR("amd64")) "]}");
        reader = open_reader(fd);
        ASSERT_EQ(archive_reader_image(reader, NULL, &top, NULL), -EINVAL);
        archive_reader_free(reader);
        close(fd);
}

TEST(the_layout_counts) {
        /* What is saved in our days has both. */
        int fd = TAR(LAYOUT, "manifest.json", "garbage", "index.json",
                     "{\"manifests\":[" MANIFEST(A, "") "]}");
        ArchiveReader *reader = open_reader(fd);
        const Descriptor *top = NULL;

        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        ASSERT_STREQ(top->digest.string, A);
        ASSERT_FALSE(archive_reader_has(reader, &top->digest, NULL));
        _cleanup_(buffer_clear) Buffer text = {};
        ASSERT_EQ(archive_reader_fetch(reader, top, &text, NULL), -ENOENT);
        archive_reader_free(reader);
        close(fd);
}

TEST(blobs_that_lie) {
        static const char a[] =
                "blobs/sha256/1111111111111111111111111111111111111111111111111111111111111111";
        int fd = TAR(LAYOUT, "index.json", "{\"manifests\":[" MANIFEST(A, "") "]}", a, "short", a, "content");
        ArchiveReader *reader = open_reader(fd);
        const Descriptor *top = NULL;
        _cleanup_(buffer_clear) Buffer text = {};
        uint64_t size;

        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        ASSERT_TRUE(archive_reader_has(reader, &top->digest, &size));
        ASSERT_EQ(size, 7);
        ASSERT_EQ(archive_reader_fetch(reader, top, &text, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "is in truth sha256:ed7002b439e9");
        Descriptor other = *top;
        other.size = 6;
        ASSERT_EQ(archive_reader_fetch(reader, &other, &text, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "should have 6 bytes and has 7");
        other.size = DOCUMENT_SIZE_MAX + 1;
        ASSERT_EQ(archive_reader_fetch(reader, &other, &text, &error), -EINVAL);
        archive_reader_free(reader);
        close(fd);
}

TEST(hostile_documents) {
        refuse_tar(TAR("hello", "world"), ERROR_UNSUPPORTED, "holds no image");
        refuse_tar(TAR(LAYOUT), ERROR_INVALID_ARGUMENT, "no index.json");
        refuse_tar(TAR("oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", "index.json", "{}"),
                   ERROR_UNSUPPORTED, "version \"2.0.0\"");
        refuse_tar(TAR("oci-layout", "", "index.json", "{}"), ERROR_INVALID_ARGUMENT, "oci-layout");
        refuse_tar(TAR(LAYOUT, "index.json", "{\"manifests\":[]}"), ERROR_INVALID_ARGUMENT, "names no image");
        refuse_tar(TAR(LAYOUT, "index.json", "["), ERROR_INVALID_ARGUMENT, "index.json");
        refuse_tar(TAR(LAYOUT, "index.json", "{}", "./index.json", "{}"), ERROR_INVALID_ARGUMENT,
                   "two files index.json");
        refuse_tar(TAR("manifest.json", "{}"), ERROR_INVALID_ARGUMENT, "must be an array");
        refuse_tar(TAR("manifest.json", "[]"), ERROR_INVALID_ARGUMENT, "names no image");
        refuse_tar(TAR("manifest.json", "[1]"), ERROR_INVALID_ARGUMENT, "must be an object");
        refuse_tar(TAR("manifest.json", "[{\"Config\":\"/etc/passwd\"}]", "/etc/passwd", "{}"),
                   ERROR_INVALID_ARGUMENT, "config \"/etc/passwd\" is not in the archive");
        refuse_tar(TAR("manifest.json", "[{\"Config\":\"../c\"}]", "../c", "{}"), ERROR_INVALID_ARGUMENT,
                   "is not in the archive");
        refuse_tar(TAR("manifest.json", "[{\"Config\":\"c\"}]", "c>", "../etc/passwd"),
                   ERROR_INVALID_ARGUMENT, "is not in the archive");
        refuse_tar(TAR("manifest.json", "[{\"Config\":\"c\"}]", "c>", "c"), ERROR_INVALID_ARGUMENT,
                   "is not in the archive");
        refuse_tar(TAR("manifest.json", "[{\"Config\":\"c\",\"Layers\":[\"l\"]}]", "c", "{}", "l>",
                       "/proc/self/environ"),
                   ERROR_INVALID_ARGUMENT, "layer \"l\" is not in the archive");
}

TEST(damaged) {
        int fd = new_file();
        refuse_tar(fd, ERROR_UNSUPPORTED, "");

        fd = new_file();
        ASSERT_OK(write_all(fd, "This is no archive at all, but it is longer than nothing.\n", 58));
        refuse_tar(fd, ERROR_UNSUPPORTED, "no tar archive");

        /* Cut off in a file's content and in the compressed stream. */
        fd = tar_of(docker_archive, ARCHIVE_FILTER_NONE);
        ASSERT_OK(ftruncate(fd, 600));
        refuse_tar(fd, ERROR_INVALID_ARGUMENT, "");
        fd = tar_of(docker_archive, ARCHIVE_FILTER_NONE);
        ASSERT_OK(ftruncate(fd, 5 * 512 + 3));
        refuse_tar(fd, ERROR_INVALID_ARGUMENT, "ends within \"1/layer.tar\"");
        fd = tar_of(docker_archive, ARCHIVE_FILTER_GZIP);
        ASSERT_OK(ftruncate(fd, 300));
        refuse_tar(fd, ERROR_UNSUPPORTED, "truncated gzip");
        refuse_tar(open("/", O_RDONLY | O_CLOEXEC), ERROR_UNSUPPORTED, "directory");
}

/* An archive that became shorter after its table was read. */
TEST(truncated_later) {
        int fd = new_file();
        Descriptor top = write_image(fd, AMD64, "a layer", NULL);
        ArchiveReader *reader = open_reader(fd);
        _cleanup_(buffer_clear) Buffer text = {};

        ASSERT_OK(ftruncate(fd, 1536));
        ASSERT_EQ(archive_reader_fetch(reader, &top, &text, &error), -EBADMSG);
        ASSERT_CONTAINS(error_message(&error), "ends within");
        archive_reader_free(reader);
        descriptor_clear(&top);
        close(fd);
}

TEST(bombs) {
        static const uint64_t claims[] = { UINT64_C(1) << 40, UINT64_C(1) << 60 };
        ArchiveReaderOptions options = ARCHIVE_READER_OPTIONS_DEFAULT;
        ArchiveReader *reader = NULL;

        /* A sparse file that claims far more than it has, plain and compressed. */
        for (unsigned i = 0; i < 4; i++) {
                int fd = new_file();
                struct archive *a = archive_write_new();
                struct archive_entry *e = archive_entry_new();

                archive_write_set_format_pax(a);
                archive_write_add_filter(a, i % 2 ? ARCHIVE_FILTER_GZIP : ARCHIVE_FILTER_NONE);
                ASSERT_EQ(archive_write_open_fd(a, fd), ARCHIVE_OK);
                archive_entry_set_pathname(e, "bomb");
                archive_entry_set_mode(e, S_IFREG | 0644);
                archive_entry_set_size(e, (la_int64_t) claims[i / 2]);
                archive_entry_sparse_add_entry(e, 0, 1);
                ASSERT_EQ(archive_write_header(a, e), ARCHIVE_OK);
                ASSERT_EQ(archive_write_data(a, "x", 1), 1);
                archive_entry_free(e);
                archive_write_free(a);
                /* By us, or by a libarchive (3.8 and later) that refuses such a header itself. */
                error_clear(&error);
                ASSERT_LT(archive_reader_new(fd, NULL, &reader, &error), 0);
                ASSERT_NULL(reader);
                if (error.code == ERROR_UNSUPPORTED)
                        ASSERT_CONTAINS(error_message(&error), "Tar entry size overflow");
                else {
                        ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
                        ASSERT_CONTAINS(error_message(&error), "unpacks to more than");
                }
                close(fd);
        }

        /* One that is really there, over a small bound. */
        static char zeros[1 << 20];
        memset(zeros, '0', sizeof(zeros) - 1);
        int fd = tar_of((const char *const[]) { "zeros", zeros, NULL }, ARCHIVE_FILTER_GZIP);
        options.spool_max = 1000000;
        ASSERT_EQ(archive_reader_new(fd, &options, &reader, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "unpacks to more than 1000000 bytes");
        close(fd);
}

TEST(sparse_layer) {
        _cleanup_(buffer_clear) Buffer text = {};
        int fd = new_file();
        struct archive *a = archive_write_new();

        archive_write_set_format_pax(a);
        ASSERT_EQ(archive_write_open_fd(a, fd), ARCHIVE_OK);
        static const char manifest[] = "[{\"Config\":\"c\",\"Layers\":[\"l\"]}]";
        for (unsigned i = 0; i < 3; i++) {
                static const char *const names[] = { "l", "manifest.json", "c" };
                static char zeros[70000] = { [69000] = 'x' };
                const char *data = i == 0 ? zeros : i == 1 ? manifest : "{}";
                size_t n = i == 0 ? sizeof(zeros) : strlen(data);
                struct archive_entry *e = archive_entry_new();

                archive_entry_set_pathname(e, names[i]);
                archive_entry_set_mode(e, S_IFREG | 0644);
                archive_entry_set_size(e, (la_int64_t) n);
                if (i == 0)
                        archive_entry_sparse_add_entry(e, 69000, 10);
                ASSERT_EQ(archive_write_header(a, e), ARCHIVE_OK);
                ASSERT_EQ(archive_write_data(a, data, n), n);
                archive_entry_free(e);
        }
        archive_write_free(a);

        ArchiveReader *reader = open_reader(fd);
        const Descriptor *top = NULL;
        ImageManifest parsed = {};
        ASSERT_OK(archive_reader_image(reader, NULL, &top, NULL));
        const char *s = blob_text(reader, top);
        ASSERT_OK(image_manifest_parse(s, strlen(s), &parsed, NULL));
        ASSERT_OK(archive_reader_fetch(reader, &parsed.layers[0], &text, NULL));
        ASSERT_EQ(text.length, 70000);
        ASSERT_EQ(text.data[69000], 'x');
        ASSERT_EQ(text.data[68999], 0);
        image_manifest_clear(&parsed);
        archive_reader_free(reader);
        close(fd);
}

TEST(cancelled) {
        _Atomic(bool) flag = true;
        ArchiveReaderOptions options = ARCHIVE_READER_OPTIONS_DEFAULT;
        ArchiveReader *reader = NULL;
        int fd = tar_of(docker_archive, ARCHIVE_FILTER_NONE);

        options.cancelled = &flag;
        ASSERT_EQ(archive_reader_new(fd, &options, &reader, &error), -ECANCELED);
        ASSERT_EQ(error.code, ERROR_CANCELLED);
        close(fd);
}

/* Sizes around those that a header can say in digits, read back by libarchive. */
TEST(large_blobs) {
        static const uint64_t sizes[] = { 0, 1, (UINT64_C(1) << 33) - 1, UINT64_C(1) << 33,
                                          UINT64_C(1) << 50 };

        for (unsigned i = 0; i < ELEMENTSOF(sizes); i++) {
                char header[USTAR_BLOCK];
                struct archive *a = archive_read_new();
                struct archive_entry *e;

                ustar_header(header, "blobs/sha256/x", sizes[i]);
                archive_read_support_format_tar(a);
                ASSERT_EQ(archive_read_open_memory(a, header, sizeof(header)), ARCHIVE_OK);
                ASSERT_EQ(archive_read_next_header(a, &e), ARCHIVE_OK);
                ASSERT_STREQ(archive_entry_pathname(e), "blobs/sha256/x");
                ASSERT_EQ(archive_entry_size(e), sizes[i]);
                archive_read_free(a);
        }
}
