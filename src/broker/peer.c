/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd-util.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h, since Linux 6.5 */
#endif

#define PEER_GROUPS_FIRST 64U

#define PROC_PATH_MAX 64
#define PROC_FILE_MAX ((size_t) KIB(512)) /* /proc/PID/status names all groups */
#define NOGROUP ((gid_t) 65534)

int peer_from_socket(int fd, Peer *ret) {
        struct ucred ucred;
        socklen_t length = sizeof(ucred);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &length) < 0)
                return -errno;
        *ret = (Peer) { .uid = ucred.uid, .gid = ucred.gid, .pid = ucred.pid, .pidfd = -EBADF };
        return 0;
}

int peer_load_groups(Peer *peer, int fd, Error *error) {
        socklen_t length = PEER_GROUPS_FIRST * sizeof(gid_t);

        for (;;) {
                _cleanup_free_ gid_t *groups = malloc(MAX(length, (socklen_t) sizeof(gid_t)));
                if (!groups)
                        return error_oom(error);
                if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) >= 0) {
                        free(peer->groups);
                        peer->groups = TAKE_PTR(groups);
                        peer->n_groups = length / sizeof(gid_t);
                        return 0;
                }
                if (errno != ERANGE) /* which sets the length that it takes */
                        return error_set_errno(error, errno, "groups of the client");
                if (length > PEER_GROUPS_MAX * sizeof(gid_t))
                        return error_set(error, ERROR_PERMISSION_DENIED,
                                         "the client is in more than %u groups", PEER_GROUPS_MAX);
        }
}

int peer_load_pidfd(Peer *peer, int fd, Error *error) {
        int pidfd = -EBADF;
        socklen_t length = sizeof(pidfd);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) < 0) {
                if (errno != ENOPROTOOPT && errno != ESRCH && errno != ENODATA && errno != EINVAL)
                        return error_set_errno(error, errno, "pidfd of the client");
                /* An older kernel. The connection is fresh, so the pid is most probably still the peer's. */
                pidfd = errno == ENOPROTOOPT && peer->pid > 0 ? pidfd_open(peer->pid, 0) : -EBADF;
                if (pidfd < 0)
                        pidfd = -EBADF;
        }
        safe_close(peer->pidfd);
        peer->pidfd = pidfd;
        return 0;
}

static bool process_has_gone(int pidfd) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };

        return pidfd < 0 || poll(&p, 1, 0) != 0;
}

void peer_load_gid(Peer *peer) {
        _cleanup_(buffer_clear) Buffer text = {};
        char path[PROC_PATH_MAX];
        unsigned real, effective;

        peer->gid = NOGROUP;
        snprintf(path, sizeof(path), "/proc/%i/status", (int) peer->pid);
        _cleanup_close_ int fd = peer->pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
        if (fd < 0 || read_to_end(fd, &text, PROC_FILE_MAX) < 0 || buffer_append(&text, "", 1) < 0 ||
            process_has_gone(peer->pidfd))
                return;
        const char *line = strstr(text.data, "\nGid:");
        if (line && sscanf(line, "\nGid:%u%u", &real, &effective) == 2)
                peer->gid = effective;
}

Peer peer_self(void) {
        return (Peer) { .uid = geteuid(), .gid = getegid(), .pid = getpid(), .pidfd = -EBADF };
}

bool peer_in_group(const Peer *peer, gid_t gid) {
        if (peer->gid == gid)
                return true;
        for (size_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] == gid)
                        return true;
        return false;
}

int peer_open_root(const Peer *peer, Error *error) {
        char path[PROC_PATH_MAX];

        snprintf(path, sizeof(path), "/proc/%i/root", (int) peer->pid);
        _cleanup_close_ int fd = peer->pid > 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        int r = fd >= 0 ? 0 : peer->pid > 0 ? -errno : -ESRCH;

        /* Asked after the opening: a process that lives now has had its pid all along. */
        if (process_has_gone(peer->pidfd)) {
                (void) error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the client's process has gone, so its files cannot be found");
                return -ESRCH;
        }
        if (r < 0)
                return error_set_errno(error, r, "root directory of the client");
        return TAKE_FD(fd);
}

void peer_clear(Peer *peer) {
        safe_close(peer->pidfd);
        free(peer->groups);
        *peer = PEER_NULL;
}
