/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* json-c with the rules that the whole project reads and writes JSON by: bounded depth, strict syntax,
 * members found without regard to case, wrong types refused by name, text always valid UTF-8. */

#include <json-c/json.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/macro.h"

static inline void json_freep(json_object **p) {
        if (*p)
                json_object_put(*p);
}
#define _cleanup_json_ _cleanup_(json_freep)

/* Reads one value that fills the text (white space around it aside). Bytes that are not UTF-8 are read as
 * U+FFFD. -EINVAL (ERROR_INVALID_ARGUMENT) with the place and kind of the error; depth is the deepest nesting
 * allowed. The value of the text "null" is *ret = NULL. */
int json_parse(const char *text, size_t length, unsigned depth, json_object **ret, Error *error);

/* A member of an object: an exact match, else the last one that differs only in case, those that are null
 * left out; NULL for none and for an `object` that is NULL or no object. Borrowed. */
json_object *json_member(json_object *object, const char *name);

/* Typed members. An absent or null one leaves *ret as it was and gives 0, a present one gives 1; one of
 * another type is ERROR_INVALID_ARGUMENT naming the member. Strings are borrowed from the object; one that
 * holds a NUL is refused. */
int json_get_string(json_object *object, const char *name, const char **ret, Error *error);
int json_get_bool(json_object *object, const char *name, bool *ret, Error *error);
int json_get_int64(json_object *object, const char *name, int64_t *ret, Error *error);
int json_get_object(json_object *object, const char *name, json_object **ret, Error *error);
int json_get_array(json_object *object, const char *name, json_object **ret, Error *error);

/* An array of strings, copied (`strv_free`). */
int json_get_strv(json_object *object, const char *name, char ***ret, Error *error);

/* A string value from bytes: what is not UTF-8 becomes U+FFFD. NULL without memory. */
json_object *json_new_string(const char *s, size_t length);

/* Adds a member, taking the value over, also on failure. A NULL value is -ENOMEM, so constructors can stand
 * in the call. */
int json_add(json_object *object, const char *name, json_object *value);
int json_add_string(json_object *object, const char *name, const char *s);

/* An array of strings, and an element for one; the same rules. */
json_object *json_new_strv(char *const *strv);
int json_append(json_object *array, json_object *value);

/* Appends the value as text without white space and without escaping slashes: 0 or -ENOMEM. */
int json_write(json_object *value, Buffer *buffer);

/* Appends a quoted JSON string made from any bytes, made valid as json_new_string() does; for large strings,
 * which need no copy this way. */
int json_write_string(const char *s, size_t length, Buffer *buffer);
