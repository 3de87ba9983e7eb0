/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd-util.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_CHUNK ((size_t) KIB(64))
#define OPEN_TRIES 32

int safe_close(int fd) {
        if (fd >= 0) {
                int saved_errno = errno;
                (void) close(fd);
                errno = saved_errno;
        }
        return -EBADF;
}

int write_all(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

ssize_t read_all(int fd, void *data, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(fd, (char *) data + done, n - done);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        break;
                done += (size_t) k;
        }
        return (ssize_t) done;
}

int read_to_end(int fd, Buffer *buffer, size_t limit) {
        for (size_t total = 0;;) {
                if (buffer_reserve(buffer, READ_CHUNK) < 0)
                        return -ENOMEM;
                ssize_t k = read(fd, buffer->data + buffer->length, READ_CHUNK);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (k == 0)
                        return 0;
                total += (size_t) k;
                if (total > limit)
                        return -EFBIG;
                buffer->length += (size_t) k;
        }
}

DIR *opendir_fd(int fd) {
        _cleanup_close_ int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0)
                return NULL;

        DIR *d = fdopendir(copy);
        if (d)
                TAKE_FD(copy);
        return d;
}

int memfd_new_sealed(const char *name, const void *data, size_t n) {
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        int r = write_all(fd, data, n);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int fd_set_nonblock(int fd, bool nonblock) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        int wanted = nonblock ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return flags == wanted || fcntl(fd, F_SETFL, wanted) >= 0 ? 0 : -errno;
}

int open_beneath(int dir_fd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
        struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

        for (unsigned tries = 0;; tries++) {
                int fd = (int) syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
                if (fd >= 0)
                        return fd;
                if ((errno != EAGAIN && errno != EINTR) || tries >= OPEN_TRIES)
                        return -errno;
        }
}
