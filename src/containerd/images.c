/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/images.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/images.pb-c.h"

static const Method get = {
        .path = "/containerd.services.images.v1.Images/Get",
        .request = &images__get_image_request__descriptor,
        .reply = &images__get_image_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method list = {
        .path = "/containerd.services.images.v1.Images/List",
        .request = &images__list_images_request__descriptor,
        .reply = &images__list_images_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method create = {
        .path = "/containerd.services.images.v1.Images/Create",
        .request = &images__create_image_request__descriptor,
        .reply = &images__create_image_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
};

static const Method update = {
        .path = "/containerd.services.images.v1.Images/Update",
        .request = &images__update_image_request__descriptor,
        .reply = &images__update_image_response__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_SAFELY,
};

static const Method delete = {
        .path = "/containerd.services.images.v1.Images/Delete",
        .request = &images__delete_image_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_WORK_SEC,
        .repeat = REPEAT_DELETE,
};

/* How often create and update are tried in turns against somebody who deletes and creates. */
#define PUT_ATTEMPTS 8

void ctr_image_clear(CtrImage *image) {
        free(image->name);
        ctr_labels_clear(&image->labels);
        ctr_descriptor_clear(&image->target);
        *image = (CtrImage) {};
}

void ctr_images_clear(CtrImages *images) {
        for (size_t i = 0; i < images->count; i++)
                ctr_image_clear(&images->items[i]);
        free(images->items);
        *images = (CtrImages) {};
}

static int read_image(const Images__Image *image, CtrImage *ret) {
        ret->created_usec = read_timestamp(image->created_at);
        ret->updated_usec = read_timestamp(image->updated_at);
        if (read_string(&ret->name, image->name) < 0 || read_descriptor(image->target, &ret->target) < 0)
                return -ENOMEM;
        return read_labels(image->labels, image->n_labels, &ret->labels);
}

int ctr_image_get(CtrClient *client, const char *name, CtrImage *ret, Error *error) {
        Images__GetImageRequest request = IMAGES__GET_IMAGE_REQUEST__INIT;
        _cleanup_message_ Images__GetImageResponse *reply = NULL;
        _cleanup_(ctr_image_clear) CtrImage image = {};
        int r;

        request.name = (char *) name;
        r = call_unary(client, &get, &request.base, &reply, error);
        if (r < 0)
                return r;
        if (!reply->image || !reply->image->target)
                return error_set(error, ERROR_INTERNAL, "containerd tells nothing about the image %s", name);
        if (read_image(reply->image, &image) < 0)
                return error_oom(error);
        *ret = TAKE(image, (CtrImage) {});
        return 0;
}

int ctr_image_list(CtrClient *client, char *const *filters, CtrImages *ret, Error *error) {
        Images__ListImagesRequest request = IMAGES__LIST_IMAGES_REQUEST__INIT;
        _cleanup_message_ Images__ListImagesResponse *reply = NULL;
        _cleanup_(ctr_images_clear) CtrImages images = {};
        int r;

        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = call_unary(client, &list, &request.base, &reply, error);
        if (r < 0)
                return r;

        images.items = new0(CtrImage, reply->n_images + 1);
        if (!images.items)
                return error_oom(error);
        for (size_t i = 0; i < reply->n_images; i++)
                if (read_image(reply->images[i], &images.items[images.count++]) < 0)
                        return error_oom(error);
        *ret = TAKE(images, (CtrImages) {});
        return 0;
}

/* An image as a request has it; what it needs to be freed is in `storage`. */
typedef struct WrittenImage {
        Images__Image image;
        Types__Descriptor target;
        Pb__Label **labels, **annotations;
} WrittenImage;

static void written_image_clear(WrittenImage *written) {
        free(written->labels);
        free(written->annotations);
}

static int write_image(const CtrImage *image, WrittenImage *ret) {
        images__image__init(&ret->image);
        ret->image.name = image->name;
        if (write_labels(&image->labels, &ret->labels, &ret->image.n_labels) < 0 ||
            write_descriptor(&image->target, &ret->target, &ret->annotations) < 0)
                return -ENOMEM;
        ret->image.labels = ret->labels;
        ret->image.target = &ret->target;
        return 0;
}

int ctr_image_create(CtrClient *client, const CtrImage *image, Error *error) {
        Images__CreateImageRequest request = IMAGES__CREATE_IMAGE_REQUEST__INIT;
        _cleanup_(written_image_clear) WrittenImage written = {};

        if (write_image(image, &written) < 0)
                return error_oom(error);
        request.image = &written.image;
        return call_unary(client, &create, &request.base, NULL, error);
}

int ctr_image_update(CtrClient *client, const CtrImage *image, Error *error) {
        Images__UpdateImageRequest request = IMAGES__UPDATE_IMAGE_REQUEST__INIT;
        Pb__FieldMask mask = PB__FIELD_MASK__INIT;
        _cleanup_(written_image_clear) WrittenImage written = {};
        static const char *const paths[] = { "labels", "target" };

        if (write_image(image, &written) < 0)
                return error_oom(error);
        mask.paths = (char **) paths;
        mask.n_paths = ELEMENTSOF(paths);
        request.image = &written.image;
        request.update_mask = &mask;
        return call_unary(client, &update, &request.base, NULL, error);
}

int ctr_image_put(CtrClient *client, const CtrImage *image, Error *error) {
        _cleanup_(error_clear) Error e = {};
        int r = -EEXIST;

        for (unsigned i = 0; i < PUT_ATTEMPTS && (r == -EEXIST || r == -ENOENT); i++)
                r = i % 2 == 0 ? ctr_image_create(client, image, &e) : ctr_image_update(client, image, &e);
        if (r < 0)
                error_move(error, &e);
        return r;
}

int ctr_image_delete(CtrClient *client, const char *name, bool sync, Error *error) {
        Images__DeleteImageRequest request = IMAGES__DELETE_IMAGE_REQUEST__INIT;

        request.name = (char *) name;
        request.sync = sync;
        return call_unary(client, &delete, &request.base, NULL, error);
}
