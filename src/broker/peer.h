/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who asks: the process at the other end of a connection, as the kernel knows it. */

#include "base/error.h"

typedef struct Peer {
        uid_t uid;
        gid_t gid;
        pid_t pid;     /* 0: not visible from here (another PID namespace) */
        int pidfd;     /* owned; -EBADF where it is not known or the process has gone */
        gid_t *groups; /* owned; the supplementary ones */
        size_t n_groups;
} Peer;

#define PEER_NULL ((Peer) { .uid = (uid_t) - 1, .gid = (gid_t) - 1, .pidfd = -EBADF })

/* A process with more supplementary groups than this is refused: the request to a worker names them all. */
#define PEER_GROUPS_MAX 4096U

/* Uid, gid and pid of who called connect(2): SO_PEERCRED of unix(7). Groups and pidfd are not there yet, and
 * for most commands need not be. Negative errno. */
int peer_from_socket(int fd, Peer *ret);

/* Adds the supplementary groups (SO_PEERGROUPS). ERROR_PERMISSION_DENIED for more than PEER_GROUPS_MAX. */
int peer_load_groups(Peer *peer, int fd, Error *error);

/* Adds the pidfd (SO_PEERPIDFD, Linux 6.5; before that, pidfd_open(2) of the pid). A process that has gone
 * has none, which is no error. */
int peer_load_pidfd(Peer *peer, int fd, Error *error);

/* Sets the primary group from what the process has now (proc_pid_status(5)), for a peer that came without
 * one; nogroup where the process has gone, which has no files to be found then either. */
void peer_load_gid(Peer *peer);

/* The daemon itself, for what it does of its own accord. */
Peer peer_self(void);

bool peer_in_group(const Peer *peer, gid_t gid) _pure_;

/* The peer's root directory, as it sees it: an O_PATH fd that stays valid when the process goes. -ESRCH when
 * it has gone already: by its pid alone another one might be meant. */
int peer_open_root(const Peer *peer, Error *error);

void peer_clear(Peer *peer);
