/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/identifier.h"

#include "base/string-util.h"
#include "protocol/bus-text.h"
#include "protocol/limits.h"

/* How much of what is too long an error shows, in bytes. */
#define QUOTE_MAX 80U

static bool is_alphanumeric(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool identifier_is_valid(const char *s) {
        bool separated = true; /* an identifier begins and ends with a letter or digit, and has no two
                                  separators in a row */
        size_t n = 0;

        for (; s[n]; n++) {
                if (is_alphanumeric(s[n]))
                        separated = false;
                else if (separated || !strchr("._-", s[n]))
                        return false;
                else
                        separated = true;
        }
        return !separated && n <= IDENTIFIER_MAX;
}

int container_id_from_string(const char *s, const char *member, char **ret, Error *error) {
        _cleanup_free_ char *id = strdup(s);

        if (!id)
                return error_oom(error);
        for (char *c = id; *c; c++)
                if (*c == '/')
                        *c = '-';
        if (strlen(id) > IDENTIFIER_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"%s\": \"%.*s…\" is longer than %u bytes", member,
                                 utf8_cut(s, QUOTE_MAX), s, IDENTIFIER_MAX);
        if (!identifier_is_valid(id))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "member \"%s\": \"%s\" is no identifier (letters and digits, single . _ - "
                                 "or / between them)",
                                 member, s);
        *ret = TAKE_PTR(id);
        return 0;
}

static int check_part(const char *member, const char *s, Error *error) {
        if (bus_text_is_valid(s))
                return 0;
        return error_set(error, ERROR_INVALID_ARGUMENT,
                         "member \"%s\": \"%s\" must not contain noncharacters (such as U+FFFF)", member, s);
}

int image_name_from_parts(const char *ref, const char *version, char **ret, Error *error) {
        _cleanup_free_ char *name = format_string("%s:%s", ref, version);
        int r;

        if (!name)
                return error_oom(error);
        if (strlen(name) > IMAGE_NAME_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "image name \"%.*s…\" is longer than %u bytes", utf8_cut(name, QUOTE_MAX),
                                 name, IMAGE_NAME_MAX);
        for (const unsigned char *c = (const unsigned char *) name; *c; c++)
                if (*c <= ' ' || *c == 0x7f)
                        return error_set(
                                error, ERROR_INVALID_ARGUMENT,
                                "image name \"%s\" must not contain white space or control characters", name);
        r = check_part("ref", ref, error);
        if (r >= 0)
                r = check_part("version", version, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(name);
        return 0;
}

bool image_name_split(const char *name, char **ret_ref, char **ret_version) {
        const char *colon = strrchr(name, ':');
        _cleanup_free_ char *ref = NULL, *version = NULL, *whole = NULL;

        if (!colon || colon == name || !colon[1])
                return false;
        ref = strndup(name, (size_t) (colon - name));
        version = strdup(colon + 1);
        if (!ref || !version || image_name_from_parts(ref, version, &whole, NULL) < 0)
                return false;
        *ret_ref = TAKE_PTR(ref);
        *ret_version = TAKE_PTR(version);
        return true;
}
