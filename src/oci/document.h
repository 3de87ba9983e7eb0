/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What indexes, manifests and configs have in common. Of this layer alone. */

#include "base/error.h"
#include "base/json.h"
#include "oci/descriptor.h"

/* Parses a document (`what` names it in errors) of DOCUMENT_SIZE_MAX and DOCUMENT_DEPTH_MAX at most into an
 * object. */
int document_parse(const char *what, const char *text, size_t length, json_object **ret, Error *error);

/* An array member of descriptors, `max` at most. An absent one gives none. */
int document_get_descriptors(json_object *object, const char *name, size_t max, Descriptor **ret,
                             size_t *ret_n, Error *error);
