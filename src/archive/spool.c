/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/spool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd-util.h"

#define NAME_TRIES 16

/* For file systems without O_TMPFILE: the name is there for a moment. */
static int open_and_unlink(int dir_fd) {
        for (unsigned i = 0; i < NAME_TRIES; i++) {
                char name[40];
                uint64_t random;

                if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                        return -EIO;
                snprintf(name, sizeof(name), ".spool-%016" PRIx64, random);
                int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd >= 0) {
                        (void) unlinkat(dir_fd, name, 0);
                        return fd;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

int spool_open(int dir_fd, Error *error) {
        _cleanup_close_ int own = -EBADF;

        if (dir_fd < 0) {
                dir_fd = own = open(SPOOL_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (own < 0)
                        return error_set_errno(error, errno, "opening " SPOOL_DIRECTORY);
        }
        int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
                fd = open_and_unlink(dir_fd);
                errno = fd < 0 ? -fd : 0;
        }
        return fd < 0 ? error_set_errno(error, errno, "making a temporary file") : fd;
}
