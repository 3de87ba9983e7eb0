/* SPDX-License-Identifier: Apache-2.0 */
#include "log/journal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd-util.h"

static int set_address(const char *socket_path, struct sockaddr_un *ret) {
        if (strlen(socket_path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        strcpy(ret->sun_path, socket_path);
        return 0;
}

bool journal_is_there(const char *socket_path) {
        struct sockaddr_un address;

        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return fd >= 0 && set_address(socket_path, &address) >= 0 &&
               connect(fd, (struct sockaddr *) &address, sizeof(address)) >= 0;
}

int journal_open(Journal *ret, const char *socket_path) {
        static const int size = JOURNAL_SEND_BUFFER;
        struct sockaddr_un address;

        int r = set_address(socket_path, &address);
        if (r < 0)
                return r;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* More than others may have is root's to take. */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        *ret = (Journal) {
                .fd = fd,
                .address = address,
                .patience = JOURNAL_PATIENCE_USEC,
                .last_patience = JOURNAL_LAST_PATIENCE_USEC,
        };
        return 0;
}

void journal_close(Journal *journal) {
        journal->fd = safe_close(journal->fd);
}

/* The address is looked up anew for each message, so that a journal that comes back is found. */
static int send_datagram(const Journal *journal, const struct iovec *parts, size_t n_parts, void *control,
                         size_t control_length) {
        const struct msghdr header = {
                .msg_name = (void *) &journal->address,
                .msg_namelen = sizeof(journal->address),
                .msg_iov = (struct iovec *) parts,
                .msg_iovlen = n_parts,
                .msg_control = control,
                .msg_controllen = control_length,
        };

        for (;;) {
                if (sendmsg(journal->fd, &header, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static int send_fd(const Journal *journal, int fd) {
        union {
                struct cmsghdr header;
                char buffer[CMSG_SPACE(sizeof(int))];
        } control = {};

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        return send_datagram(journal, NULL, 0, &control, sizeof(control));
}

/* What is too large for a datagram goes as a sealed file in memory. */
static int send_file(const Journal *journal, const struct iovec *parts, size_t n_parts) {
        _cleanup_close_ int fd = memfd_create("journal-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;

        for (size_t i = 0; i < n_parts; i++) {
                int r = write_all(fd, parts[i].iov_base, parts[i].iov_len);
                if (r < 0)
                        return r;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        return send_fd(journal, fd);
}

static int try_send(const Journal *journal, const struct iovec *parts, size_t n_parts) {
        int r = send_datagram(journal, parts, n_parts, NULL, 0);

        return r == -EMSGSIZE || r == -ENOBUFS ? send_file(journal, parts, n_parts) : r;
}

int journal_send(Journal *journal, const struct iovec *parts, size_t n_parts) {
        uint64_t begin = 0, delay = JOURNAL_RETRY_MIN_USEC;

        for (;;) {
                int r = try_send(journal, parts, n_parts);
                if (r >= 0)
                        return r;

                uint64_t now = now_usec(CLOCK_MONOTONIC);
                if (begin == 0)
                        begin = now;
                bool is_last = journal->is_last && journal->is_last(journal->userdata);
                if (journal->lost > 0 ||
                    now - begin >= (is_last ? journal->last_patience : journal->patience)) {
                        journal->lost++;
                        return r;
                }
                (void) usleep((useconds_t) delay);
                delay = MIN(2 * delay, JOURNAL_RETRY_MAX_USEC);
        }
}
