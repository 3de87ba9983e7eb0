/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/macro.h"

/* Closes unless negative, keeping errno; gives -EBADF, for `fd = safe_close(fd)`. */
int safe_close(int fd);
static inline void closep(int *fd) {
        safe_close(*fd);
}
#define _cleanup_close_ _cleanup_(closep)

static inline void closedirp(DIR **d) {
        if (*d)
                closedir(*d);
}
#define _cleanup_closedir_ _cleanup_(closedirp)

#define _cleanup_close_pair_ _cleanup_(close_pairp)
static inline void close_pairp(int (*pair)[2]) {
        safe_close((*pair)[0]);
        safe_close((*pair)[1]);
}

/* All of it, whatever short writes and EINTR say. Negative errno. For blocking fds. */
int write_all(int fd, const void *data, size_t n);

/* Reads until n bytes or the end of file: the bytes read, or a negative errno. For blocking fds. */
ssize_t read_all(int fd, void *data, size_t n);

/* The whole of a file from where the fd stands, -EFBIG beyond the limit (bytes). Appends to the buffer. */
int read_to_end(int fd, Buffer *buffer, size_t limit);

/* A DIR of one's own for a directory fd that stays the caller's and keeps its offset; NULL and errno. */
DIR *opendir_fd(int fd);

/* An anonymous file in memory with this content, at offset 0, sealed against every change. fd or negative
 * errno. */
int memfd_new_sealed(const char *name, const void *data, size_t n);

int fd_set_nonblock(int fd, bool nonblock);

/* openat2(2). `resolve` are RESOLVE_ flags; EAGAIN, which the kernel gives when a path changes while it is
 * walked, is tried again a bounded number of times. O_CLOEXEC is always set. fd or negative errno. */
int open_beneath(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
