/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/access.h"

#include <grp.h>
#include <unistd.h>

#include "base/log.h"

void access_load(Access *access) {
        errno = 0;
        const struct group *group = getgrnam(ACCESS_GROUP);

        if (!group && errno != 0 && errno != ENOENT)
                log_warning_errno(errno, "look up group \"" ACCESS_GROUP "\": %m, only root has access");
        access->group = group ? group->gr_gid : (gid_t) -1;
}

int access_check(const Access *access, const Peer *peer, Action action, Error *error) {
        static const char *const words[_ACTION_MAX] = {
                [ACTION_INSPECT] = "look at images and containers",
                [ACTION_BUILD] = "build images",
                [ACTION_MANAGE] = "manage images and containers",
                [ACTION_EXEC] = "execute programs in containers",
        };

        if (peer->uid == 0 || peer->uid == geteuid())
                return 0;
        if (access->group != (gid_t) -1 && peer_in_group(peer, access->group))
                return 0;
        return error_set(error, ERROR_PERMISSION_DENIED,
                         "user %u may not %s: it is not in group \"" ACCESS_GROUP "\"", peer->uid,
                         words[action]);
}
