/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/socket-path.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"

/* As systemd's ListenStream= has it. */
#define BACKLOG 4096

#define LOCK_TRIES 50
#define LOCK_PAUSE_USEC 100000

char *socket_path_of_instance(const char *instance) {
        return format_string("/run/cruxd/instances/%s/cruxd.sock", instance);
}

int make_parents(const char *path) {
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                if (mkdir(copy, 0755) < 0) {
                        if (errno != EEXIST)
                                return -errno;
                } else if (chmod(copy, 0755) < 0) /* whatever the umask */
                        return -errno;
                *p = '/';
        }
        return 0;
}

/* The path's directory, locked: two daemons that start at once do not take each other's socket for a dead
 * one's. Anybody who can read the directory could lock it, so that we do not wait for ever. */
static int lock_directory(const char *path) {
        _cleanup_free_ char *directory = strdup(path);

        if (!directory)
                return -ENOMEM;
        char *slash = strrchr(directory, '/');
        if (!slash)
                strcpy(directory, ".");
        else
                slash[slash == directory] = '\0';

        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
                if (errno != EWOULDBLOCK || tries >= LOCK_TRIES)
                        return -errno;
                (void) usleep(LOCK_PAUSE_USEC);
        }
        return TAKE_FD(fd);
}

/* Makes way for our socket. */
static int clear_way(const char *path, const struct sockaddr_un *address, Error *error) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : error_set_errno(error, errno, "socket \"%s\"", path);
        if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode))
                return error_set(error, ERROR_ALREADY_EXISTS, "\"%s\" is there and is no socket", path);

        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set_errno(error, errno, "socket");
        if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) >= 0 || errno == EAGAIN)
                return error_set(error, ERROR_ALREADY_EXISTS, "another daemon listens on \"%s\"", path);
        if (errno != ECONNREFUSED && errno != ENOENT)
                return error_set_errno(error, errno, "socket \"%s\"", path);
        log_debug("Removing \"%s\", which a dead daemon left", path);
        if (unlink(path) < 0)
                return error_set_errno(error, errno, "remove \"%s\"", path);
        return 0;
}

/* Between bind and listen nobody can connect, so that owner and mode are right before anyone does. */
static int bind_and_listen(int fd, const char *path, const struct sockaddr_un *address, gid_t group,
                           struct stat *ret_st) {
        int r = 0;

        if (bind(fd, (const struct sockaddr *) address, sizeof(*address)) < 0)
                return -errno;
        if ((group != (gid_t) -1 && lchown(path, (uid_t) -1, group) < 0) || chmod(path, 0660) < 0 ||
            lstat(path, ret_st) < 0 || listen(fd, BACKLOG) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(path);
        return r;
}

int socket_path_listen(const char *path, gid_t group, struct stat *ret_st, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return error_set(error, ERROR_INVALID_ARGUMENT, "socket path \"%s\" is longer than %zu bytes",
                                 path, sizeof(address.sun_path) - 1);
        memcpy(address.sun_path, path, strlen(path));

        r = make_parents(path);
        if (r < 0)
                return error_set_errno(error, r, "directory of socket \"%s\"", path);
        _cleanup_close_ int lock = lock_directory(path);
        if (lock < 0)
                return error_set_errno(error, lock, "lock the directory of socket \"%s\"", path);
        r = clear_way(path, &address, error);
        if (r < 0)
                return r;

        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        r = fd < 0 ? -errno
                   : bind_and_listen(fd, path, &address, geteuid() == 0 ? group : (gid_t) -1, ret_st);
        if (r < 0)
                return error_set_errno(error, r, "listen on \"%s\"", path);
        return TAKE_FD(fd);
}

void socket_path_remove(const char *path, dev_t device, ino_t inode) {
        struct stat st;

        if (lstat(path, &st) < 0 || st.st_dev != device || st.st_ino != inode)
                return;
        if (unlink(path) < 0)
                log_warning_errno(errno, "remove \"%s\": %m, ignoring", path);
}

void socket_path_link(const char *path, const char *target) {
        struct stat st;

        if (lstat(path, &st) >= 0 && !S_ISLNK(st.st_mode)) {
                log_warning("\"%s\" is there and is no symbolic link, older clients will not find us", path);
                return;
        }
        if ((unlink(path) < 0 && errno != ENOENT) || symlink(target, path) < 0)
                log_warning_errno(errno, "link \"%s\": %m, older clients will not find us", path);
}

void socket_path_unlink(const char *path, const char *target) {
        char old[PATH_MAX];

        ssize_t n = readlink(path, old, sizeof(old) - 1);
        if (n < 0)
                return;
        old[n] = '\0';
        if (streq(old, target))
                (void) unlink(path);
}

int instance_lock(const char *instance, Error *error) {
        _cleanup_free_ char *path = format_string("/run/cruxd/instances/%s/lock", instance);

        int r = path ? make_parents(path) : -ENOMEM;
        _cleanup_close_ int fd = r < 0 ? r : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) { /* not root, most probably: for trying things out */
                log_debug_errno(r < 0 ? r : errno, "lock instance \"%s\": %m, ignoring", instance);
                return -EBADF;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno == EWOULDBLOCK)
                        return error_set(error, ERROR_ALREADY_EXISTS, "instance \"%s\" is running already",
                                         instance);
                return error_set_errno(error, errno, "lock \"%s\"", path);
        }
        return TAKE_FD(fd);
}
