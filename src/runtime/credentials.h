/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who we are to registries, in the form of docker's config.json:
 *
 *     {"auths":{"registry.example:5000":{"auth":"BASE64 OF USER:PASSWORD"},
 *               "https://index.docker.io/v1/":{"username":"…","password":"…"},
 *               "other.example":{"identitytoken":"…"}}}
 *
 * Looked for in the credential "docker-config.json" of the service (LoadCredential= in systemd.exec(5)), then
 * in $DOCKER_CONFIG/config.json, then in ~/.docker/config.json; the first file that names the registry
 * counts. Helpers (credsStore, credHelpers) are programs of a user's session and not run. Nothing of it is
 * ever logged. */

#include "containerd/transfer.h"

/* The file's size, in bytes. */
#define CREDENTIALS_FILE_MAX ((size_t) KIB(256))
#define CREDENTIALS_CREDENTIAL "docker-config.json"

/* Those for a registry's host ("docker.io", "127.0.0.1:5000"): 1, or 0 and an empty *ret where there are
 * none. A file that is not as above is ERROR_INVALID_ARGUMENT that names it. */
int credentials_find(const char *host, CtrCredentials *ret, Error *error);

/* The same in the text of one file; messages do not quote it. */
int credentials_find_in(const char *text, size_t length, const char *host, CtrCredentials *ret, Error *error);
