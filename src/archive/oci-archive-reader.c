/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/oci-archive-reader.h"

#include <stdio.h>
#include <string.h>

#include "archive/archive-table.h"
#include "archive/docker-archive.h"
#include "archive/oci-archive-append.h"
#include "base/json.h"
#include "base/string-util.h"
#include "oci/reference.h"

struct ArchiveReader {
        ArchiveTable table;
        CancelFlag *cancelled;
        ArchiveBlobs blobs; /* what is in memory, or has its digest from us */
        ArchiveImages images;
        bool layout; /* blobs are files named by their digest */
};

/* OCI image specification, "oci-layout file". */
static int check_layout(const Buffer *text, Error *error) {
        _cleanup_json_ json_object *object = NULL;
        const char *version = NULL;

        int r = json_parse(strempty(text->data), text->length, DOCUMENT_DEPTH_MAX, &object, error);
        if (r >= 0)
                r = json_get_string(object, "imageLayoutVersion", &version, error);
        if (r < 0)
                return error_prefix(error, r, "oci-layout");
        if (!version || !startswith(version, "1."))
                return error_set(error, ERROR_UNSUPPORTED, "image layout version \"%s\" is not supported",
                                 strempty(version));
        return 0;
}

static bool is_image(const Descriptor *descriptor) {
        MediaKind kind = media_type_kind(descriptor->media_type);

        return !descriptor->attestation && (kind == MEDIA_INDEX || kind == MEDIA_MANIFEST);
}

static const char *name_of(const Descriptor *descriptor) {
        return descriptor->image_name ? descriptor->image_name : descriptor->ref_name;
}

static bool same_name(const Descriptor *a, const Descriptor *b) {
        const char *x = name_of(a), *y = name_of(b);

        return x && y ? streq(x, y) : x == y;
}

/* Whether all of these are one image: manifests for platforms that differ. */
static bool are_platforms_of_one(const ImageIndex *group) {
        for (size_t i = 0; i < group->n_manifests; i++) {
                const Descriptor *d = &group->manifests[i];

                if (media_type_kind(d->media_type) != MEDIA_MANIFEST || !platform_is_set(&d->platform))
                        return false;
                for (size_t j = 0; j < i; j++)
                        if (platform_equal(&d->platform, &group->manifests[j].platform))
                                return false;
        }
        return true;
}

static int add_group(ArchiveReader *reader, const ImageIndex *group, Error *error) {
        _cleanup_(buffer_clear) Buffer text = {};
        _cleanup_(descriptor_clear) Descriptor descriptor = {};
        const char *name = name_of(&group->manifests[0]);
        Digest digest;

        if (group->n_manifests == 1 || !are_platforms_of_one(group)) {
                for (size_t i = 0; i < group->n_manifests; i++) {
                        int r = archive_images_add(&reader->images, name, &group->manifests[i], error);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        int r = image_index_write(group, &text, error);
        if (r < 0)
                return r;
        size_t size = text.length;
        if (archive_blobs_add_text(&reader->blobs, &text, &digest) < 0 ||
            descriptor_init(&descriptor, MEDIA_TYPE_INDEX, &digest, size) < 0)
                return error_oom(error);
        return archive_images_add(&reader->images, name, &descriptor, error);
}

/* Gathers the images of one name from the index, of which `taken` remembers those that were looked at. The
 * group borrows. */
static int gather_group(const ImageIndex *all, size_t first, bool *taken, ImageIndex *group, Error *error) {
        const Descriptor *leader = &all->manifests[first];

        group->n_manifests = 0;
        for (size_t i = first; i < all->n_manifests; i++) {
                const Descriptor *d = &all->manifests[i];
                bool repeated = false;

                if (taken[i] || !is_image(d) || !same_name(d, leader))
                        continue;
                taken[i] = true;
                for (size_t j = 0; j < group->n_manifests && !repeated; j++)
                        repeated = digest_equal(&group->manifests[j].digest, &d->digest);
                if (!repeated)
                        group->manifests[group->n_manifests++] = *d;
                if (group->n_manifests > ARCHIVE_IMAGES_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "the archive has more than %u images",
                                         ARCHIVE_IMAGES_MAX);
        }
        return 0;
}

static int add_images(ArchiveReader *reader, const ImageIndex *all, Error *error) {
        _cleanup_free_ bool *taken = new0(bool, all->n_manifests + 1);
        _cleanup_free_ Descriptor *borrowed = new0(Descriptor, all->n_manifests + 1);
        ImageIndex group = { .manifests = borrowed };

        if (!taken || !borrowed)
                return error_oom(error);
        for (size_t i = 0; i < all->n_manifests; i++) {
                if (taken[i] || !is_image(&all->manifests[i]))
                        continue;
                int r = gather_group(all, i, taken, &group, error);
                if (r >= 0)
                        r = add_group(reader, &group, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_layout(ArchiveReader *reader, Error *error) {
        const Buffer *text = &reader->table.documents[DOCUMENT_INDEX];
        _cleanup_(image_index_clear) ImageIndex all = {};

        int r = check_layout(&reader->table.documents[DOCUMENT_LAYOUT], error);
        if (r < 0)
                return r;
        if (!reader->table.has_document[DOCUMENT_INDEX])
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the archive has oci-layout but no index.json");
        reader->layout = true;
        r = image_index_parse(strempty(text->data), text->length, &all, error);
        if (r < 0)
                return error_prefix(error, r, "index.json");
        return add_images(reader, &all, error);
}

int archive_reader_new(int fd, const ArchiveReaderOptions *options, ArchiveReader **ret, Error *error) {
        static const ArchiveReaderOptions defaults = ARCHIVE_READER_OPTIONS_DEFAULT;
        _cleanup_(archive_reader_freep) ArchiveReader *reader = new0(ArchiveReader, 1);

        if (!reader)
                return error_oom(error);
        if (!options)
                options = &defaults;
        reader->cancelled = options->cancelled;
        reader->table.fd = reader->table.spool_fd = -EBADF;

        int r = archive_table_read(fd, options, &reader->table, error);
        if (r < 0)
                return r;
        /* Where there are both, the layout says more; what docker saves in our days is both. */
        if (reader->table.has_document[DOCUMENT_LAYOUT])
                r = read_layout(reader, error);
        else if (reader->table.has_document[DOCUMENT_MANIFEST])
                r = docker_archive_read(&reader->table, options->cancelled, &reader->blobs, &reader->images,
                                        error);
        else
                return error_set(error, ERROR_UNSUPPORTED,
                                 "the archive has neither oci-layout nor manifest.json: it holds no image");
        if (r < 0)
                return r;
        if (reader->images.n == 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the archive names no image");
        *ret = TAKE_PTR(reader);
        return 0;
}

ArchiveReader *archive_reader_free(ArchiveReader *reader) {
        if (reader) {
                archive_table_clear(&reader->table);
                archive_blobs_clear(&reader->blobs);
                archive_images_clear(&reader->images);
        }
        return mfree(reader);
}

const ArchiveImage *archive_reader_images(const ArchiveReader *reader, size_t *ret_n) {
        *ret_n = reader->images.n;
        return reader->images.entries;
}

static bool names_match(const char *wanted, const char *name) {
        _cleanup_(reference_clear) Reference a = {}, b = {};

        if (!name)
                return false;
        return streq(wanted, name) ||
               (reference_parse(wanted, &a, NULL) >= 0 && reference_parse(name, &b, NULL) >= 0 &&
                streq(a.canonical, b.canonical));
}

int archive_reader_image(const ArchiveReader *reader, const char *name, const Descriptor **ret,
                         Error *error) {
        const ArchiveImage *found = NULL;

        for (size_t i = 0; i < reader->images.n; i++) {
                const ArchiveImage *image = &reader->images.entries[i];

                if (name && !names_match(name, image->name))
                        continue;
                /* An image with several names is one image. */
                if (found && !digest_equal(&found->descriptor.digest, &image->descriptor.digest))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "the archive has several images, \"%s\" and \"%s\" among them",
                                         strempty(found->name), strempty(image->name));
                if (!found)
                        found = image;
        }
        if (!found)
                return error_set(error, ERROR_NOT_FOUND, "the archive has no image \"%s\"", strempty(name));
        *ret = &found->descriptor;
        return 0;
}

/* Where a blob lies: 1 with *ret_blob (in memory) or *ret_entry; 0 for nowhere. */
static int locate(const ArchiveReader *reader, const Digest *digest, const ArchiveBlob **ret_blob,
                  const TableEntry **ret_entry) {
        char name[sizeof(BLOBS_PREFIX) + DIGEST_HEX_LENGTH];
        const ArchiveBlob *blob = archive_blobs_find(&reader->blobs, digest);

        *ret_blob = blob;
        *ret_entry = blob ? blob->entry : NULL;
        if (blob)
                return 1;
        if (!reader->layout)
                return 0;
        snprintf(name, sizeof(name), BLOBS_PREFIX "%s", digest_hex(digest));
        *ret_entry = archive_table_find(&reader->table, name);
        return *ret_entry != NULL;
}

bool archive_reader_has(const ArchiveReader *reader, const Digest *digest, uint64_t *ret_size) {
        const ArchiveBlob *blob;
        const TableEntry *entry;

        if (locate(reader, digest, &blob, &entry) == 0)
                return false;
        if (ret_size)
                *ret_size = entry ? entry->size : blob->size;
        return true;
}

typedef struct Verifier {
        const Sink *sink;
        DigestHasher hasher;
} Verifier;

static int verify_piece(void *userdata, const void *data, size_t n, Error *error) {
        Verifier *verifier = userdata;

        digest_hasher_update(&verifier->hasher, data, n);
        return verifier->sink->write(verifier->sink->userdata, data, n, error);
}

int archive_reader_read(ArchiveReader *reader, const Descriptor *descriptor, const Sink *sink, Error *error) {
        Verifier verifier = { .sink = sink };
        Sink verifying = { .write = verify_piece, .userdata = &verifier };
        const ArchiveBlob *blob;
        const TableEntry *entry;
        Digest digest;
        int r;

        if (locate(reader, &descriptor->digest, &blob, &entry) == 0)
                return error_set(error, ERROR_NOT_FOUND, "blob %s is not in the archive",
                                 descriptor->digest.string);
        uint64_t size = entry ? entry->size : blob->size;
        if (size != descriptor->size)
                return error_set(error, ERROR_INVALID_ARGUMENT, "blob %s should have %llu bytes and has %llu",
                                 descriptor->digest.string, (unsigned long long) descriptor->size,
                                 (unsigned long long) size);
        digest_hasher_init(&verifier.hasher);
        if (entry)
                r = archive_table_read_entry(&reader->table, entry, &verifying, reader->cancelled, error);
        else
                r = verify_piece(&verifier, blob->text.data, blob->text.length, error);
        if (r < 0)
                return r;
        digest_hasher_finish(&verifier.hasher, &digest);
        if (!digest_equal(&digest, &descriptor->digest))
                return error_set(error, ERROR_INVALID_ARGUMENT, "blob %s is in truth %s",
                                 descriptor->digest.string, digest.string);
        return 0;
}

static int append_piece(void *userdata, const void *data, size_t n, Error *error) {
        return buffer_append(userdata, data, n) < 0 ? error_oom(error) : 0;
}

int archive_reader_fetch(void *userdata, const Descriptor *descriptor, Buffer *ret, Error *error) {
        Sink sink = { .write = append_piece, .userdata = ret };

        if (descriptor->size > DOCUMENT_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "document %s is larger than %llu bytes",
                                 descriptor->digest.string, (unsigned long long) DOCUMENT_SIZE_MAX);
        return archive_reader_read(userdata, descriptor, &sink, error);
}
