/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/document.h"

#include "oci/manifest.h"

int document_parse(const char *what, const char *text, size_t length, json_object **ret, Error *error) {
        _cleanup_json_ json_object *object = NULL;

        if (length > DOCUMENT_SIZE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "%s of %zu bytes is larger than the %llu allowed", what, length,
                                 (unsigned long long) DOCUMENT_SIZE_MAX);
        int r = json_parse(text, length, DOCUMENT_DEPTH_MAX, &object, error);
        if (r < 0)
                return error_prefix(error, r, "%s", what);
        if (!object || !json_object_is_type(object, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s must be an object", what);
        *ret = TAKE_PTR(object);
        return 0;
}

int document_get_descriptors(json_object *object, const char *name, size_t max, Descriptor **ret,
                             size_t *ret_n, Error *error) {
        json_object *array = NULL;

        int r = json_get_array(object, name, &array, error);
        if (r < 0)
                return r;
        size_t n = array ? json_object_array_length(array) : 0;
        if (n > max)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%zu %s are more than the %zu allowed", n,
                                 name, max);

        Descriptor *descriptors = new0(Descriptor, n + 1);
        if (!descriptors)
                return error_oom(error);
        for (size_t i = 0; i < n; i++) {
                r = descriptor_parse(json_object_array_get_idx(array, i), &descriptors[i], error);
                if (r < 0) {
                        descriptor_clear_many(descriptors, i);
                        free(descriptors);
                        return error_prefix(error, r, "%s[%zu]", name, i);
                }
        }
        *ret = descriptors;
        *ret_n = n;
        return 0;
}
