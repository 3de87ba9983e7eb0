/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Paths inside a root that is not ours: an image's root filesystem, or a client's.
 *
 * A root is a directory fd. "/" and absolute symlinks mean that directory, ".." at the top stays there, and
 * magic links (/proc/self/fd/N, /proc/PID/root) are not followed, so that no path leads out, whoever changes
 * it meanwhile. See openat2(2). */

#include <linux/openat2.h>
#include <stdint.h>

#include "base/fd-util.h"

/* What every path in a foreign root is resolved with. In an image no mount is crossed either. */
#define RESOLVE_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define RESOLVE_IMAGE (RESOLVE_ROOT | RESOLVE_NO_XDEV)

/* Symlinks that one path may lead through, as in the kernel. */
#define RESOLVE_SYMLINKS_MAX 40

/* What new directories are to be. */
typedef struct MakeDirectory {
        mode_t mode; /* permission bits, whatever the umask */

        /* Made exact where set (both or none of them are -1). Else they are who asks (fsuid, fsgid), and a
         * parent hands its group and its set-group-ID bit down. */
        uid_t uid;
        gid_t gid;
} MakeDirectory;

/* Opens the directory `path` (O_PATH), making it and its parents where they are missing. Symlinks are
 * followed inside the root, dangling ones as well: what they point to is made. *ret_created (may be NULL)
 * says whether the last component is new. fd, or a negative errno: -ENOTDIR for a path through something
 * else, -ELOOP, -ENAMETOOLONG. What was made before a failure stays. */
int resolve_mkdir_p(int root_fd, const char *path, const MakeDirectory *make, uint64_t resolve,
                    bool *ret_created);

/* The last component of a path without what names no entry (trailing slashes): "b" of "/a/b/". "" where it is
 * "/", "." or "..". *ret_length is that of the component; it begins in `path`. */
const char *resolve_last_component(const char *path, size_t *ret_length);

#define FD_PATH_MAX 32

/* Where procfs shows an fd, for calls that take paths alone; gives `buffer`. */
const char *resolve_fd_path(char buffer[static FD_PATH_MAX], int fd);

/* Opens anew what an fd stands for, with other flags: fd, or negative errno. Needs /proc. */
int resolve_reopen(int fd, int flags);

/* What is done with a file. */
typedef enum FileUse {
        FILE_READ = 1 << 0,
        FILE_WRITE = 1 << 1,
} FileUse;

/* An fd bears the rights that it was opened with, save on some of the kernel's own file systems, which look
 * at who reads or writes at the time: they judge it by its rights, or take it for the one that is meant. *ret
 * is the name of one that does so for this use ("procfs"), or NULL. 0, or a negative errno. */
int resolve_judging_file_system(int fd, FileUse use, const char **ret);

/* "a directory", "a socket"; never NULL. */
const char *resolve_type_words(mode_t mode) _const_;
