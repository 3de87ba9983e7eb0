/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who may do what. The socket's mode keeps strangers out before they are asked; this is the rule for every
 * surface. */

#include "broker/peer.h"
#include "protocol/command.h"

/* Its members may use the daemon. */
#define ACCESS_GROUP "cruxd"

typedef struct Access {
        gid_t group; /* (gid_t) -1: there is no such group */
} Access;

/* Looks the group up. To be called again on reload. */
void access_load(Access *access);

/* Root, the daemon's own user and members of the group may: 0, or ERROR_PERMISSION_DENIED. */
int access_check(const Access *access, const Peer *peer, Action action, Error *error);
