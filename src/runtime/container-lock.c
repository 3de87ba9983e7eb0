/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container-lock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/fd-util.h"
#include "base/string-util.h"

#define LOCK_FILE "lock.containers"

/* Between tries, in milliseconds. */
#define LOCK_INTERVAL_MSEC 5

/* The byte that stands for an id (FNV-1a). Two ids of one byte wait for each other, and no harm is done. */
static off_t byte_of(const char *id) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (; *id; id++)
                hash = (hash ^ (unsigned char) *id) * UINT64_C(0x100000001b3);
        return (off_t) (hash >> 2);
}

static int open_file(Runtime *runtime, Error *error) {
        _cleanup_free_ char *path = format_string("%s/" LOCK_FILE, runtime->directory);

        if (!path)
                return error_oom(error);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == ENOENT && mkdir(runtime->directory, 0755) >= 0)
                fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? error_set_errno(error, errno, "open %s", path) : fd;
}

/* -EAGAIN when somebody else has it. */
static int lock_byte(int fd, const char *id, Error *error) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(id), .l_len = 1 };

        if (fcntl(fd, F_OFD_SETLK, &lock) >= 0)
                return 0;
        if (errno == EAGAIN || errno == EACCES || errno == EINTR)
                return -EAGAIN;
        return error_set_errno(error, errno, "lock container \"%s\"", id);
}

int container_try_lock(Runtime *runtime, const char *id, Error *error) {
        _cleanup_close_ int fd = open_file(runtime, error);

        if (fd < 0)
                return fd;
        int r = lock_byte(fd, id, error);
        return r < 0 ? r : TAKE_FD(fd);
}

int container_lock(Runtime *runtime, const char *id, Error *error) {
        _cleanup_close_ int fd = open_file(runtime, error);

        if (fd < 0)
                return fd;
        for (;;) {
                struct pollfd cancel = { .fd = ctr_client_get_cancel_fd(runtime->client), .events = POLLIN };

                int r = lock_byte(fd, id, error);
                if (r >= 0)
                        return TAKE_FD(fd);
                if (r != -EAGAIN)
                        return r;
                if (poll(&cancel, 1, LOCK_INTERVAL_MSEC) > 0)
                        return error_set(error, ERROR_CANCELLED, "cancelled");
        }
}
