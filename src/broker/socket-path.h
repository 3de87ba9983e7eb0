/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A listening socket in the file system, for daemons that no systemd gives one. */

#include <sys/stat.h>

#include "base/error.h"

/* Where clients look for an instance: "/run/cruxd/instances/INSTANCE/cruxd.sock". NULL without memory. */
char *socket_path_of_instance(const char *instance);

/* Where older clients look for the default instance: a symbolic link to the above. */
#define SOCKET_PATH_OLD "/run/cruxd/cruxd.sock"

/* Makes the directory (0755) and the socket (0660, of this group unless it is (gid_t) -1) and listens: the
 * fd. A socket that nobody listens on is replaced; one that somebody does is ERROR_ALREADY_EXISTS, and so is
 * whatever is no socket. *ret_st is the socket's. */
int socket_path_listen(const char *path, gid_t group, struct stat *ret_st, Error *error);

/* Removes the path if it is still this file. Failures are logged. */
void socket_path_remove(const char *path, dev_t device, ino_t inode);

/* Makes the directories that a path lies in, 0755, where they are not there. Negative errno. */
int make_parents(const char *path);

/* Makes the symbolic link, in place of another one, and removes it if it still leads to the target. Failures
 * are logged. */
void socket_path_link(const char *path, const char *target);
void socket_path_unlink(const char *path, const char *target);

/* Takes the lock that one daemon of an instance holds as long as it lives, because a starting daemon removes
 * what seems to be left over: the fd, -EBADF where there is no place for it (no error is set then),
 * ERROR_ALREADY_EXISTS. */
int instance_lock(const char *instance, Error *error);
