/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/image.h"

#include "base/string-util.h"
#include "protocol/identifier.h"

int image_read(json_object *json, Image **ret, Error *error) {
        _cleanup_(image_freep) Image *image = new0(Image, 1);
        _cleanup_free_ char *ref = NULL, *version = NULL;
        const char *name = "", *digest = "";
        int64_t created = 0;
        int r;

        if (!image)
                return error_oom(error);
        r = json_get_string(json, "name", &name, error);
        if (r >= 0)
                r = json_get_string(json, "digest", &digest, error);
        if (r >= 0)
                r = json_get_int64(json, "created", &created, error);
        if (r < 0)
                return r;
        if (!image_name_split(name, &ref, &version))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no image's name", name);
        if (created < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"created\" is out of range");
        image->object.name = strdup(name);
        image->digest = strdup(digest);
        image->created_usec = (uint64_t) created;
        if (!image->object.name || !image->digest)
                return error_oom(error);
        *ret = TAKE_PTR(image);
        return 0;
}

Image *image_free(Image *image) {
        if (!image)
                return NULL;
        free(image->object.name);
        free(image->digest);
        return mfree(image);
}

unsigned image_take(Image *image, Image *newer) {
        unsigned changes = 0;

        if (!streq(image->digest, newer->digest)) {
                char *kept = image->digest;

                image->digest = newer->digest;
                newer->digest = kept;
                changes |= IMAGE_CHANGE_DIGEST;
        }
        if (image->created_usec != newer->created_usec)
                changes |= IMAGE_CHANGE_CREATED;
        image->created_usec = newer->created_usec;
        return changes;
}
