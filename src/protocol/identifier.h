/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/error.h"
#include "base/macro.h"

/* Whether containerd takes it as an identifier: `[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*`, IDENTIFIER_MAX bytes at
 * most. */
bool identifier_is_valid(const char *s) _pure_;

/* The container's id that a client's id means: every '/' made '-'. ERROR_INVALID_ARGUMENT, naming `member`
 * and the id, for what is no identifier then. *ret is the caller's to free. */
int container_id_from_string(const char *s, const char *member, char **ret, Error *error);

/* An image's name in containerd, `ref:version`, taken as it stands. ERROR_INVALID_ARGUMENT where it would
 * hold white space, control characters or what the bus cannot show (bus-text.h), or be over IMAGE_NAME_MAX.
 * *ret is the caller's to free. */
int image_name_from_parts(const char *ref, const char *version, char **ret, Error *error);

/* The parts of a name that image_name_from_parts() would make of them; false for a name that has none, which
 * no command can be about. They are the caller's to free; false as well without memory. */
bool image_name_split(const char *name, char **ret_ref, char **ret_version);
