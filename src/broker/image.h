/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image of the instance's namespace, as the watch (worker/watch-reply.h) has told of it last. */

#include "base/error.h"
#include "base/json.h"
#include "broker/object-table.h"

/* What is over it is not shown. */
#define IMAGES_MAX 4096U

typedef struct Manager Manager;

typedef struct Image {
        Object object; /* its name is the image's: "REF:VERSION" */
        Manager *manager;
        char *digest; /* of what the name points at: an index or a manifest */
        uint64_t created_usec;
} Image;

/* Reads the "image" of a watch's line: 0, or ERROR_INVALID_ARGUMENT for what is none. */
int image_read(json_object *json, Image **ret, Error *error);
Image *image_free(Image *image);
DEFINE_CLEANUP(Image *, image_free);

typedef enum ImageChange {
        IMAGE_CHANGE_DIGEST = 1 << 0,
        IMAGE_CHANGE_CREATED = 1 << 1,
} ImageChange;

/* Gives the image what the newer one of the same name has, which is left with the old: a mask of what has
 * become different. */
unsigned image_take(Image *image, Image *newer);
