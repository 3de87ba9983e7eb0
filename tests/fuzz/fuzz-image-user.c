/* SPDX-License-Identifier: Apache-2.0 */
/* The input is the user, /etc/passwd and /etc/group, with a NUL between them. */
#include "fuzz.h"

#include <string.h>

#include "oci/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(image_user_clear) ImageUser user = {};
        _cleanup_(error_clear) Error error = {};
        _cleanup_free_ char *name = strndup((const char *) data, size);

        if (!name)
                return 0;
        size_t at = size > strlen(name) ? strlen(name) + 1 : size;
        const char *passwd = (const char *) data + at;
        const char *end = size > at ? memchr(passwd, 0, size - at) : NULL;
        size_t n = end ? (size_t) (end - passwd) : size - at;
        const char *group = end ? end + 1 : NULL;

        if (image_user_resolve(name, passwd, n, group, end ? size - at - n - 1 : 0, &user, &error) < 0) {
                FUZZ_ASSERT(error_is_set(&error));
                return 0;
        }
        FUZZ_ASSERT(user.uid <= USER_ID_MAX && user.gid <= USER_ID_MAX);
        FUZZ_ASSERT(user.n_groups > 0 && user.n_groups <= USER_GROUPS_MAX && user.groups[0] == user.gid);
        /* Nothing but the name of root, or 0, makes root. */
        if (user.uid == 0 && name[0] && name[0] != ':' && !strchr("0", name[0]))
                FUZZ_ASSERT(memmem(passwd, n, ":0", 2) || memmem(passwd, n, ":00", 3));
        return 0;
}
