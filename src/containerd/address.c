/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/address.h"

#include <ctype.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/string-util.h"
#include "containerd/client.h"

/* The longest that unix(7) takes, without the NUL that gRPC adds. */
#define PATH_LENGTH_MAX (sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1)

/* A target is a URI (RFC 3986), in which a path's odd characters have to be escaped. */
static char *target_from_path(const char *path) {
        char *target = malloc(sizeof("unix:") + 3 * strlen(path)), *t;

        if (!target)
                return NULL;
        t = stpcpy(target, "unix:");
        for (const unsigned char *p = (const unsigned char *) path; *p; p++)
                if (isascii(*p) && (isalnum(*p) || strchr("/._~-", *p)))
                        *t++ = (char) *p;
                else {
                        static const char digits[] = "0123456789ABCDEF";
                        *t++ = '%';
                        *t++ = digits[*p >> 4];
                        *t++ = digits[*p & 15];
                }
        *t = '\0';
        return target;
}

int address_parse(const char *address, char **ret_path, char **ret_target, Error *error) {
        const char *path = isempty(address) ? CTR_DEFAULT_ADDRESS : address, *rest;

        rest = skip_prefix(path, "unix://");
        if (!rest)
                rest = skip_prefix(path, "unix:");
        if (rest)
                path = rest;

        if (path[0] != '/')
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "containerd's address has to be the absolute path of a socket, not \"%s\"",
                                 address);
        if (strlen(path) > PATH_LENGTH_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "containerd's socket \"%s\" has a path of more than %zu bytes", path,
                                 PATH_LENGTH_MAX);

        _cleanup_free_ char *copy = strdup(path), *target = target_from_path(path);
        if (!copy || !target)
                return error_oom(error);
        *ret_path = TAKE_PTR(copy);
        *ret_target = TAKE_PTR(target);
        return 0;
}
