/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/credentials.h"

#include <fcntl.h>
#include <nettle/base64.h>
#include <string.h>

#include "base/fd-util.h"
#include "base/json.h"
#include "base/string-util.h"

#define CREDENTIALS_DEPTH_MAX 8U

static void wipe(char *s, size_t n) {
        explicit_bzero(s, n);
}

static void buffer_wipe(Buffer *b) {
        if (b->data)
                wipe(b->data, b->allocated);
        buffer_clear(b);
}

/* The host of a key, which may be a whole URL; docker's own registry has several names. *ret_length is that
 * of the result, which begins in the key or is a constant. */
static const char *host_of(const char *key, size_t *ret_length) {
        static const char *const docker[] = { "docker.io", "index.docker.io", "registry-1.docker.io" };
        const char *host = strstr(key, "://");

        host = host ? host + 3 : key;
        *ret_length = strcspn(host, "/");
        for (size_t i = 0; i < ELEMENTSOF(docker); i++)
                if (*ret_length == strlen(docker[i]) && startswith(host, docker[i])) {
                        *ret_length = strlen(docker[0]);
                        return docker[0];
                }
        return host;
}

static bool same_host(const char *a, const char *b) {
        size_t n_a, n_b;

        a = host_of(a, &n_a);
        b = host_of(b, &n_b);
        return n_a == n_b && strncasecmp(a, b, n_a) == 0;
}

/* "BASE64 OF USER:PASSWORD" taken apart. */
static int decode_auth(const char *auth, CtrCredentials *ret, Error *error) {
        size_t length = strlen(auth), n = BASE64_DECODE_LENGTH(length);
        _cleanup_(buffer_wipe) Buffer text = {};
        struct base64_decode_ctx context;

        if (buffer_reserve(&text, n + 1) < 0)
                return error_oom(error);
        base64_decode_init(&context);
        if (!base64_decode_update(&context, &n, (uint8_t *) text.data, length, auth) ||
            !base64_decode_final(&context))
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"auth\" is not base64");
        text.data[n] = '\0';
        char *colon = strchr(text.data, ':');
        if (!colon || strlen(text.data) != n)
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"auth\" is not USER:PASSWORD");
        ret->username = strndup(text.data, (size_t) (colon - text.data));
        ret->secret = strdup(colon + 1);
        return ret->username && ret->secret ? 0 : error_oom(error);
}

static int read_entry(json_object *entry, CtrCredentials *ret, Error *error) {
        const char *auth = NULL, *username = NULL, *password = NULL, *token = NULL;
        int r;

        r = json_get_string(entry, "auth", &auth, error);
        if (r >= 0)
                r = json_get_string(entry, "username", &username, error);
        if (r >= 0)
                r = json_get_string(entry, "password", &password, error);
        if (r >= 0)
                r = json_get_string(entry, "identitytoken", &token, error);
        if (r < 0)
                return r;
        if (!isempty(token))
                return free_and_strdup(&ret->secret, token) < 0 ? error_oom(error) : 1;
        if (!isempty(auth)) {
                r = decode_auth(auth, ret, error);
                return r < 0 ? r : 1;
        }
        if (isempty(username))
                return 0;
        if (free_and_strdup(&ret->username, username) < 0 ||
            free_and_strdup(&ret->secret, strempty(password)) < 0)
                return error_oom(error);
        return 1;
}

int credentials_find_in(const char *text, size_t length, const char *host, CtrCredentials *ret,
                        Error *error) {
        _cleanup_(ctr_credentials_clear) CtrCredentials found = {};
        _cleanup_json_ json_object *document = NULL;
        json_object *auths = NULL;
        int r;

        if (json_parse(text, length, CREDENTIALS_DEPTH_MAX, &document, NULL) < 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "it is not JSON");
        r = json_get_object(document, "auths", &auths, error);
        if (r <= 0)
                return r;
        r = 0;
        json_object_object_foreach (auths, key, entry) {
                if (!same_host(key, host))
                        continue;
                r = read_entry(entry, &found, error);
                if (r != 0)
                        break;
        }
        if (r <= 0)
                return r;
        *ret = found;
        found = (CtrCredentials) {};
        return 1;
}

/* 0 also where there is no such file, or none that we may read: it is not for us then. */
static int find_in_file(const char *directory, const char *name, const char *host, CtrCredentials *ret,
                        Error *error) {
        _cleanup_free_ char *path = directory ? format_string("%s/%s", directory, name) : NULL;
        _cleanup_(buffer_wipe) Buffer text = {};
        int r;

        if (!directory)
                return 0;
        if (!path)
                return error_oom(error);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return 0;
        /* Room at once, so that no copy stays behind when the buffer grows. */
        if (buffer_reserve(&text, CREDENTIALS_FILE_MAX * 2) < 0)
                return error_oom(error);
        r = read_to_end(fd, &text, CREDENTIALS_FILE_MAX);
        if (r < 0)
                return error_set_errno(error, r, "read %s", path);
        r = credentials_find_in(text.data, text.length, host, ret, error);
        return r < 0 ? error_prefix(error, r, "%s", path) : r;
}

int credentials_find(const char *host, CtrCredentials *ret, Error *error) {
        const char *home = getenv("HOME");
        _cleanup_free_ char *docker = format_string("%s/.docker", home ?: "/root");
        int r;

        if (!docker)
                return error_oom(error);
        r = find_in_file(getenv("CREDENTIALS_DIRECTORY"), CREDENTIALS_CREDENTIAL, host, ret, error);
        if (r == 0)
                r = find_in_file(getenv("DOCKER_CONFIG"), "config.json", host, ret, error);
        if (r == 0)
                r = find_in_file(docker, "config.json", host, ret, error);
        return r;
}
