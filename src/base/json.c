/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/json-syntax.h"
#include "base/string-util.h"

static inline void tokener_freep(json_tokener **p) {
        if (*p)
                json_tokener_free(*p);
}

int json_parse(const char *text, size_t length, unsigned depth, json_object **ret, Error *error) {
        _cleanup_(tokener_freep) json_tokener *tokener = NULL;
        _cleanup_free_ char *clean = NULL;
        int r;

        r = json_check_syntax(text, length, depth, error);
        if (r < 0)
                return r;
        if (!utf8_is_valid(text, length)) {
                clean = utf8_sanitize(text, length, &length);
                if (!clean)
                        return error_oom(error);
                text = clean;
        }
        if (length > INT_MAX - 1)
                return error_set(error, ERROR_INVALID_ARGUMENT, "text of %zu bytes is too long", length);

        /* It counts a scalar as a level of its own. */
        tokener = json_tokener_new_ex((int) depth + 1);
        if (!tokener)
                return error_oom(error);
        _cleanup_json_ json_object *value = json_tokener_parse_ex(tokener, text, (int) length);
        if (json_tokener_get_error(tokener) == json_tokener_continue)
                /* A bare number or null is complete only when something follows it. */
                value = json_tokener_parse_ex(tokener, "", 1);
        enum json_tokener_error e = json_tokener_get_error(tokener);
        if (e != json_tokener_success)
                return error_set(error, ERROR_INVALID_ARGUMENT, "invalid JSON at byte %zu: %s",
                                 json_tokener_get_parse_end(tokener) + 1, json_tokener_error_desc(e));
        *ret = TAKE_PTR(value);
        return 0;
}

json_object *json_member(json_object *object, const char *name) {
        json_object *value = NULL;

        if (!json_object_is_type(object, json_type_object) || !object)
                return NULL;
        if (json_object_object_get_ex(object, name, &value) && value)
                return value;
        json_object_object_foreach (object, key, candidate)
                if (candidate && strcasecmp(key, name) == 0)
                        value = candidate;
        return value;
}

static int get_typed(json_object *object, const char *name, json_type type, json_object **ret, Error *error) {
        static const char *const words[] = {
                [json_type_boolean] = "true or false", [json_type_int] = "a whole number",
                [json_type_object] = "an object",      [json_type_array] = "an array",
                [json_type_string] = "a string",       [json_type_double] = "a number",
        };
        json_object *value = json_member(object, name);

        if (!value)
                return 0;
        if (!json_object_is_type(value, type))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"%s\" must be %s", name,
                                 words[type]);
        *ret = value;
        return 1;
}

static int check_no_nul(json_object *value, const char *name, Error *error) {
        const char *s = json_object_get_string(value);

        if (strlen(s) != (size_t) json_object_get_string_len(value))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"%s\" must not contain a NUL character", name);
        return 0;
}

int json_get_string(json_object *object, const char *name, const char **ret, Error *error) {
        json_object *value = NULL;
        int r = get_typed(object, name, json_type_string, &value, error);

        if (r <= 0)
                return r;
        r = check_no_nul(value, name, error);
        if (r < 0)
                return r;
        *ret = json_object_get_string(value);
        return 1;
}

int json_get_bool(json_object *object, const char *name, bool *ret, Error *error) {
        json_object *value = NULL;
        int r = get_typed(object, name, json_type_boolean, &value, error);

        if (r > 0)
                *ret = json_object_get_boolean(value);
        return r;
}

int json_get_int64(json_object *object, const char *name, int64_t *ret, Error *error) {
        json_object *value = NULL;
        int r = get_typed(object, name, json_type_int, &value, error);

        if (r > 0)
                *ret = json_object_get_int64(value);
        return r;
}

int json_get_object(json_object *object, const char *name, json_object **ret, Error *error) {
        return get_typed(object, name, json_type_object, ret, error);
}

int json_get_array(json_object *object, const char *name, json_object **ret, Error *error) {
        return get_typed(object, name, json_type_array, ret, error);
}

int json_get_strv(json_object *object, const char *name, char ***ret, Error *error) {
        json_object *array = NULL;
        int r = get_typed(object, name, json_type_array, &array, error);

        if (r <= 0)
                return r;

        size_t n = json_object_array_length(array);
        _cleanup_strv_ char **strv = new0(char *, n + 1);
        if (!strv)
                return error_oom(error);
        for (size_t i = 0; i < n; i++) {
                json_object *value = json_object_array_get_idx(array, i);

                if (!json_object_is_type(value, json_type_string))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "member \"%s\" must be an array of strings", name);
                r = check_no_nul(value, name, error);
                if (r < 0)
                        return r;
                strv[i] = strdup(json_object_get_string(value));
                if (!strv[i])
                        return error_oom(error);
        }
        strv_free(*ret);
        *ret = TAKE_PTR(strv);
        return 1;
}

json_object *json_new_string(const char *s, size_t length) {
        _cleanup_free_ char *clean = NULL;

        if (!utf8_is_valid(s, length)) {
                clean = utf8_sanitize(s, length, &length);
                if (!clean)
                        return NULL;
                s = clean;
        }
        return length > INT_MAX ? NULL : json_object_new_string_len(s, (int) length);
}

int json_add(json_object *object, const char *name, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, name, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_add_string(json_object *object, const char *name, const char *s) {
        return json_add(object, name, json_new_string(s, strlen(s)));
}

json_object *json_new_strv(char *const *strv) {
        _cleanup_json_ json_object *array = json_object_new_array();

        if (!array)
                return NULL;
        for (; strv && *strv; strv++)
                if (json_append(array, json_new_string(*strv, strlen(*strv))) < 0)
                        return NULL;
        return TAKE_PTR(array);
}

int json_append(json_object *array, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int json_write(json_object *value, Buffer *buffer) {
        size_t length = 0;
        const char *text = json_object_to_json_string_length(
                value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

        return text ? buffer_append(buffer, text, length) : -ENOMEM;
}

static int write_escape(unsigned char c, Buffer *buffer) {
        switch (c) {
        case '"':
                return buffer_append_string(buffer, "\\\"");
        case '\\':
                return buffer_append_string(buffer, "\\\\");
        case '\n':
                return buffer_append_string(buffer, "\\n");
        case '\r':
                return buffer_append_string(buffer, "\\r");
        case '\t':
                return buffer_append_string(buffer, "\\t");
        default:
                return buffer_printf(buffer, "\\u%04x", c);
        }
}

static inline bool is_plain(unsigned char c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != 0x7f;
}

int json_write_string(const char *s, size_t length, Buffer *buffer) {
        int r = buffer_reserve(buffer, length + 2);

        if (r >= 0)
                r = buffer_append(buffer, "\"", 1);
        for (size_t i = 0; i < length && r >= 0;) {
                size_t run = 0;
                while (i + run < length && is_plain((unsigned char) s[i + run]))
                        run++;
                r = buffer_append(buffer, s + i, run);
                i += run;
                if (r < 0 || i >= length)
                        break;

                if ((unsigned char) s[i] < 0x80) {
                        r = write_escape((unsigned char) s[i++], buffer);
                        continue;
                }
                size_t sequence = utf8_sequence_length(s + i, length - i);
                r = sequence > 0 ? buffer_append(buffer, s + i, sequence)
                                 : buffer_append_string(buffer, UTF8_REPLACEMENT);
                i += MAX(sequence, (size_t) 1);
        }
        return r < 0 ? r : buffer_append(buffer, "\"", 1);
}
