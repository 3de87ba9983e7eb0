/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Acting as the client: what a client names on the host is opened with the client's rights, from the client's
 * root directory.
 *
 * identity_enter() turns the calling thread, and it alone, into the client as far as files are concerned:
 * fsuid, fsgid and supplementary groups are the client's and no capability is effective, so that neither
 * CAP_DAC_OVERRIDE nor CAP_SYS_PTRACE opens what the client could not. identity_leave() undoes it. A turn
 * there and back is eight system calls, about 10 µs: whoever opens many files does several in a turn.
 *
 * An open fd keeps the right that it was opened with, so that reading and writing need no turn. The exception
 * are files of procfs and its like, which judge the reader anew at each read: they are refused
 * (resolve_judging_file_system()).
 *
 * Paths are resolved by RESOLVE_ROOT in `dir_fd`, which is their root: the client's own root directory when
 * it is negative, or a directory fd got from here, beneath which everything then stays, symlinks and ".."
 * included.
 *
 * Errors name the path as it was given: "open src/main.c: permission denied".
 *
 * The mounts that are seen are those of the root directory. FUSE mounts of the client are as closed to us as
 * to any other user, unless they were mounted with allow_other. */

#include <linux/capability.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/macro.h"

typedef struct Identity {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* supplementary, owned */
        size_t n_groups;
        int root_fd; /* the client's root directory, owned */
} Identity;

#define IDENTITY_NULL { .uid = (uid_t) - 1, .gid = (gid_t) - 1, .root_fd = -EBADF }

/* Takes root_fd over on success; copies the groups. ERROR_INVALID_ARGUMENT for what is no identity: an id of
 * -1, a root_fd that is no directory. *ret is cleared by identity_clear(). */
int identity_init(Identity *ret, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, int root_fd,
                  Error *error);

/* Who runs this process. */
int identity_init_self(Identity *ret, Error *error);

void identity_clear(Identity *identity);

/* Who we were, for identity_leave(). Zero-initialised there is no turn. */
typedef struct IdentityTurn {
        bool entered;
        uid_t fsuid;
        gid_t fsgid;
        gid_t *groups; /* owned */
        size_t n_groups;
        struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];
} IdentityTurn;

/* Begins a turn: `_cleanup_(identity_leave) IdentityTurn turn = {};`. Nothing happens where the client is who
 * we are already, root among them. Turns do not nest. -EPERM and words where we lack the rights to become the
 * client; then nothing has changed. NULL is us. */
int identity_enter(const Identity *identity, IdentityTurn *turn, Error *error);

/* Ends a turn, if there is one. errno is kept. A thread that cannot become itself again ends the process. */
void identity_leave(IdentityTurn *turn);

/* One operation, in a turn of its own. `flags` as for open(2), without those that make files; O_CLOEXEC,
 * O_NOCTTY and O_NONBLOCK are understood. What is opened judges no reader. fd, or negative errno. */
int identity_open(const Identity *identity, int dir_fd, const char *path, int flags, Error *error);

/* A directory, O_RDONLY. */
int identity_open_directory(const Identity *identity, int dir_fd, const char *path, Error *error);

/* A regular file, O_RDONLY; anything else is ERROR_INVALID_ARGUMENT and is not even touched. */
int identity_open_file(const Identity *identity, int dir_fd, const char *path, Error *error);

/* Follows symlinks. */
int identity_stat(const Identity *identity, int dir_fd, const char *path, struct stat *ret, Error *error);

/* Makes a directory and its missing parents, 0755 and the client's; gives it opened O_PATH, or a negative
 * errno. */
int identity_mkdir_p(const Identity *identity, int dir_fd, const char *path, Error *error);
