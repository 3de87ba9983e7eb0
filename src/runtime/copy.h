/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The copy step: files and trees into an image's root filesystem.
 *
 * What lands where, of `SRC DEST`:
 *
 *   SRC                     DEST                          result
 *   directory               directory, or absent          its contents in DEST
 *   directory               anything else                 error
 *   anything else           ends in "/", "/." or "/.."    DEST/NAME, DEST made where absent
 *   anything else           directory                     DEST/NAME
 *   anything else           anything else, or absent      DEST, replaced
 *
 * NAME is the last component of SRC as given. SRC itself is followed when it is a symlink; symlinks below it
 * are copied as they are. Missing parents of DEST are made, 0755 and 0:0.
 *
 * In the destination a symlink to a directory counts as that directory for DEST itself and wherever a
 * directory is to go, so that an image whose /lib is a symlink to usr/lib stays one. Wherever something else
 * is to go, a symlink is replaced and not followed, wherever it points. A directory never replaces something
 * else, nor something else a directory: that is an error that names both.
 *
 * A directory that was there keeps its mode, owner and attributes, so that a copy into / or /tmp leaves them
 * as they are. What is new has those of its source: modes with the set-ID bits, modification times in
 * nanoseconds, extended attributes (user.* and security.capability), hard links among what is copied, holes.
 * Owners are kept or 0:0, as asked for.
 *
 * FIFOs are copied as FIFOs. Sockets are left out, below a directory, as they mean nothing without who
 * listens. Device nodes are copied from a stage (with CAP_MKNOD), and refused from the host. Files of procfs
 * and others that judge their readers are refused. A file is copied up to the length that it has when it is
 * opened. What vanishes between being listed and being opened was never there; anything else that cannot be
 * read is an error.
 *
 * Both sides may be changed by strangers meanwhile. No path leads out of either root (runtime/resolve.h),
 * below SRC no symlink is followed at all, no FIFO or device is waited for, and there is no recursion: the
 * depth is bounded by the length of a path (COPY_PATH_MAX), all else by COPY_ENTRIES_MAX.
 *
 * Where it fails, what was copied so far stays. */

#include <stdint.h>

#include "base/error.h"
#include "runtime/identity.h"

/* Files, directories and so on in one copy. */
#define COPY_ENTRIES_MAX UINT64_C(8000000)

/* Bytes of the paths of directories that have been seen and are still to be gone through: a million of them,
 * beside one another, unless they lie deep. */
#define COPY_PENDING_MAX MIB(64)

/* Bytes of a path below SRC or in DEST, its NUL included. */
#define COPY_PATH_MAX 4096

typedef struct CopyStatistics {
        uint64_t bytes;   /* of regular files; holes and second links not counted */
        uint64_t entries; /* everything made or replaced, directories that were there not counted */
} CopyStatistics;

typedef struct CopySource {
        int root_fd;      /* what `path` is resolved in, and cannot leave */
        const char *path; /* SRC */
        const char *name; /* how messages call it: "/srv/hello/nope", "builder:/out/hello"; NULL: `path` */
        const Identity *identity; /* it is read with this client's rights; NULL: with ours */
        bool keep_owners;         /* else 0:0 */
        bool refuse_devices;
} CopySource;

typedef struct CopyDestination {
        int root_fd;      /* an image's root filesystem */
        const char *path; /* DEST, absolute in the image */

        /* A directory that the destination is really written to and that must not be copied from, or NULL:
         * an overlay's upper directory, which has an inode of its own. Copying a directory into itself is an
         * error either way. */
        const char *upper;
} CopyDestination;

/* Called after each entry and each MiB or so. A negative value ends the copy, which then gives
 * ERROR_CANCELLED. */
typedef int (*CopyProgress)(void *userdata, const CopyStatistics *so_far);

/* Copies. Statistics are added up in *statistics (may be NULL), on failure too. Made for one thread; the
 * umask does not matter. Messages are such as "stat /srv/hello/nope: no such file or directory" and "open
 * /srv/hello/secret: permission denied". */
int copy_tree(const CopySource *source, const CopyDestination *destination, CopyProgress progress,
              void *userdata, CopyStatistics *statistics, Error *error);
