/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* References to images as the container world writes and normalises them (github.com/distribution/reference):
 * "alpine" is docker.io/library/alpine:latest. */

#include "base/error.h"
#include "base/macro.h"
#include "oci/digest.h"

#define REFERENCE_PATH_MAX 255 /* bytes of the repository's path */
#define REFERENCE_TAG_MAX 128
#define REFERENCE_DOMAIN_MAX 255
#define REFERENCE_MAX 1024 /* bytes of the whole text */

typedef struct Reference {
        char *domain;    /* host, with ":PORT" where given: "docker.io"; owned, never NULL when parsed */
        char *path;      /* repository: "library/alpine"; owned, never NULL when parsed */
        char *tag;       /* owned; NULL where only a digest was given, "latest" where neither was */
        Digest digest;   /* none where not given */
        char *canonical; /* DOMAIN/PATH[:TAG][@DIGEST]; owned */
} Reference;

/* Parses and normalises. ERROR_INVALID_ARGUMENT with the part that is wrong. *ret is written on success only.
 */
int reference_parse(const char *text, Reference *ret, Error *error);

void reference_clear(Reference *reference);
