/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a build asks of the daemon, made of the command line and a recipe. */

#include "base/json.h"
#include "ctl/options.h"

/* Reads a recipe; `name` is for messages. */
int recipe_read(int fd, const char *name, json_object **ret, Error *error);

/* The payload of a build; paths are taken as relative to `directory`, which is absolute. Without `progress`
 * only the end is told. */
int build_request_new(const Options *options, json_object *recipe, const char *directory, bool progress,
                      json_object **ret, Error *error);

/* `path` as it is seen from `directory`, an absolute path: symbolic links are left to whoever opens it. NULL
 * without memory. */
char *path_make_absolute(const char *directory, const char *path);
