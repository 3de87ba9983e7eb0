/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/reference.h"

#include <ctype.h>
#include <string.h>

#include "base/string-util.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL_PREFIX "library/"
#define DEFAULT_TAG "latest"

static bool is_lower_alnum(char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c) {
        return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

static bool has_upper(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (s[i] >= 'A' && s[i] <= 'Z')
                        return true;
        return false;
}

/* One or more dot-separated labels of letters, digits and inner dashes. */
static bool host_is_valid(const char *s, size_t n) {
        if (n == 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                bool edge = i == 0 || i + 1 == n || s[i - 1] == '.' || s[i + 1] == '.';

                if (!is_alnum(s[i]) && (edge || (s[i] != '-' && s[i] != '.')))
                        return false;
        }
        return true;
}

/* "[" IPv6 "]". */
static bool bracketed_is_valid(const char *s, size_t n) {
        if (n < 3 || s[0] != '[' || s[n - 1] != ']')
                return false;
        for (size_t i = 1; i < n - 1; i++)
                if (!isxdigit((unsigned char) s[i]) && s[i] != ':')
                        return false;
        return true;
}

static bool domain_is_valid(const char *s) {
        size_t n = strlen(s), host = n;

        if (n > REFERENCE_DOMAIN_MAX)
                return false;
        const char *colon = strrchr(s, ':');
        if (colon && !strchr(colon, ']')) {
                host = (size_t) (colon - s);
                if (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
                        return false;
        }
        return s[0] == '[' ? bracketed_is_valid(s, host) : host_is_valid(s, host);
}

/* Between two runs of letters and digits stands one dot, one or two underscores, or any number of dashes. */
static size_t separator_length(const char *s) {
        if (s[0] == '.')
                return 1;
        if (s[0] == '_')
                return s[1] == '_' ? 2 : 1;
        return strspn(s, "-");
}

static bool path_is_valid(const char *s) {
        for (;;) {
                if (!is_lower_alnum(*s))
                        return false;
                while (is_lower_alnum(*s))
                        s++;
                if (*s == 0)
                        return true;
                if (*s == '/') {
                        s++;
                        continue;
                }
                size_t n = separator_length(s);
                if (n == 0)
                        return false;
                s += n;
        }
}

static bool tag_is_valid(const char *s) {
        size_t n = strlen(s);

        if (n == 0 || n > REFERENCE_TAG_MAX || s[0] == '.' || s[0] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_alnum(s[i]) && s[i] != '_' && s[i] != '.' && s[i] != '-')
                        return false;
        return true;
}

static bool is_bare_image_id(const char *s) {
        return strlen(s) == DIGEST_HEX_LENGTH && strspn(s, "0123456789abcdef") == DIGEST_HEX_LENGTH;
}

/* The first part is a registry's host when nothing else could look like it: it has a dot, a port or capitals,
 * or is localhost. Otherwise the name is one on the default registry. */
static bool begins_with_domain(const char *name, size_t *ret_length) {
        const char *slash = strchr(name, '/');
        if (!slash)
                return false;

        size_t n = (size_t) (slash - name);
        *ret_length = n;
        return memchr(name, '.', n) || memchr(name, ':', n) || has_upper(name, n) ||
               (n == strlen("localhost") && startswith(name, "localhost"));
}

/* Splits the name, which has lost digest and tag, into domain and path. */
static int split_name(const char *name, Reference *reference, Error *error) {
        size_t n = 0;

        if (begins_with_domain(name, &n)) {
                reference->domain = strndup(name, n);
                name += n + 1;
        } else
                reference->domain = strdup(DEFAULT_DOMAIN);
        if (!reference->domain || (streq(reference->domain, LEGACY_DOMAIN) &&
                                   free_and_strdup(&reference->domain, DEFAULT_DOMAIN) < 0))
                return error_oom(error);

        bool official = streq(reference->domain, DEFAULT_DOMAIN) && !strchr(name, '/');
        reference->path = format_string("%s%s", official ? OFFICIAL_PREFIX : "", name);
        return reference->path ? 0 : error_oom(error);
}

static int check_name(const Reference *reference, Error *error) {
        if (!domain_is_valid(reference->domain))
                return error_set(error, ERROR_INVALID_ARGUMENT, "registry \"%s\" is no valid host",
                                 reference->domain);
        if (has_upper(reference->path, strlen(reference->path)))
                return error_set(error, ERROR_INVALID_ARGUMENT, "repository name \"%s\" must be lower-case",
                                 reference->path);
        if (strlen(reference->path) > REFERENCE_PATH_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "repository name is longer than %u bytes",
                                 REFERENCE_PATH_MAX);
        if (!path_is_valid(reference->path))
                return error_set(error, ERROR_INVALID_ARGUMENT, "repository name \"%s\" is not valid",
                                 reference->path);
        return 0;
}

/* Cuts "@DIGEST" and ":TAG" off the end of the text. */
static int cut_suffixes(char *text, Reference *reference, Error *error) {
        char *at = strchr(text, '@');
        if (at) {
                *at = 0;
                int r = digest_parse(at + 1, &reference->digest, error);
                if (r < 0)
                        return r;
        }

        /* A colon before a slash is a port's. */
        char *colon = strrchr(text, ':');
        if (colon && !strchr(colon, '/')) {
                *colon = 0;
                if (!tag_is_valid(colon + 1))
                        return error_set(error, ERROR_INVALID_ARGUMENT, "tag \"%s\" is not valid", colon + 1);
                reference->tag = strdup(colon + 1);
        } else if (!at)
                reference->tag = strdup(DEFAULT_TAG);
        else
                return 0;
        return reference->tag ? 0 : error_oom(error);
}

static int parse(const char *text, Reference *reference, Error *error) {
        if (isempty(text))
                return error_set(error, ERROR_INVALID_ARGUMENT, "it is empty");
        if (strnlen(text, REFERENCE_MAX + 1) > REFERENCE_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "it is longer than %u bytes", REFERENCE_MAX);
        if (is_bare_image_id(text))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "64 hexadecimal digits are an image id, no name");

        _cleanup_free_ char *name = strdup(text);
        if (!name)
                return error_oom(error);
        int r = cut_suffixes(name, reference, error);
        if (r < 0)
                return r;
        r = split_name(name, reference, error);
        if (r < 0)
                return r;
        r = check_name(reference, error);
        if (r < 0)
                return r;

        reference->canonical =
                format_string("%s/%s%s%s%s%s", reference->domain, reference->path, reference->tag ? ":" : "",
                              strempty(reference->tag), digest_is_set(&reference->digest) ? "@" : "",
                              reference->digest.string);
        return reference->canonical ? 0 : error_oom(error);
}

int reference_parse(const char *text, Reference *ret, Error *error) {
        _cleanup_(reference_clear) Reference reference = {};

        int r = parse(text, &reference, error);
        if (r < 0)
                return error_prefix(error, r, "image reference \"%.*s\"",
                                    utf8_cut(strempty(text), REFERENCE_PATH_MAX), strempty(text));
        *ret = TAKE(reference, (Reference) {});
        return 0;
}

void reference_clear(Reference *reference) {
        free(reference->domain);
        free(reference->path);
        free(reference->tag);
        free(reference->canonical);
        *reference = (Reference) {};
}
