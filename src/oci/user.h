/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whom an image's process runs as: the config's `User` looked up in the image's own passwd(5) and group(5)
 * files, as docker does. The caller reads the files, inside the image and bounded. */

#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

#define USER_FILE_MAX MIB(1)  /* bytes of /etc/passwd or /etc/group worth reading */
#define USER_NAME_MAX 255     /* bytes of each half of a User */
#define USER_GROUPS_MAX 1024  /* supplementary groups */
#define USER_ID_MAX INT32_MAX /* the largest id that runc takes */

typedef struct ImageUser {
        uint32_t uid;
        uint32_t gid;
        uint32_t *groups; /* owned; the supplementary groups, gid first, as containerd gives them */
        size_t n_groups;
        char *home; /* owned; that of passwd, or NULL */
} ImageUser;

/* `user` is "", "USER" or "USER:GROUP", each a name or a number; NULL is "", which is root. passwd and group
 * are the texts of the files, NULL where the image has none. A name that is not found is ERROR_NOT_FOUND; a
 * number needs no entry. A group that is named rules out supplementary groups. Lines that are malformed are
 * passed over, files over USER_FILE_MAX and ids over USER_ID_MAX are ERROR_INVALID_ARGUMENT. */
int image_user_resolve(const char *user, const char *passwd, size_t passwd_length, const char *group,
                       size_t group_length, ImageUser *ret, Error *error);

void image_user_clear(ImageUser *user);
