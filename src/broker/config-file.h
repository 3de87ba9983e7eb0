/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Configuration files in the form and the places of systemd's own daemons.
 *
 * A file NAME is taken from the first of the directories that has it; of each NAME.d the files "*.conf" are
 * taken after it, all directories' together in the order of their names, where one name hides the same in the
 * later directories. So a package ships /usr/lib, the administrator overrides one key in /etc, and a link to
 * /dev/null switches a file off. A key that comes again counts instead of the former; an empty value takes it
 * back. What does not parse costs its line alone. */

#include "base/error.h"

/* One "Key=Value". `line` counts from 1. All strings are borrowed. Errors are the callee's to tell. */
typedef void (*ConfigHandler)(const char *file, unsigned line, const char *section, const char *key,
                              const char *value, void *userdata);

#define CONFIG_FILE_MAX ((size_t) KIB(256))

/* Reads one file; lines that are none are logged and ignored. -ENOENT and the like as errors. */
int config_read_file(const char *path, ConfigHandler handler, void *userdata, Error *error);

/* Reads a file and its drop-ins from directories in the order of precedence, NULL-terminated. Files that
 * cannot be read are logged and ignored; absent ones are as good as empty. */
void config_read_directories(const char *const *directories, const char *name, ConfigHandler handler,
                             void *userdata);
