/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "broker/access.h"
#include "broker/peer.h"
#include "broker/socket-path.h"
#include "test.h"

static char directory[] = "/tmp/test-peer-XXXXXX";
static char path[128];

/* A listening socket in a directory that is not there yet. */
static int set_up(struct stat *st, Error *error) {
        ASSERT_NOT_NULL(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/sub/dir/socket", directory);
        return socket_path_listen(path, (gid_t) -1, st, error);
}

static void tear_down(void) {
        char *slash;

        unlink(path);
        while ((slash = strrchr(path, '/')) && slash - path >= (ssize_t) strlen(directory)) {
                *slash = '\0';
                rmdir(path);
        }
        strcpy(directory, "/tmp/test-peer-XXXXXX");
}

static int connect_to(const char *where) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path, where);
        return connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ? (close(fd), -errno) : fd;
}

TEST(a_socket_is_made_where_none_lives) {
        Error error = {};
        struct stat st, other;

        int fd = set_up(&st, &error);
        ASSERT_OK(fd);
        ASSERT_EQ(st.st_mode & 07777, 0660);

        /* One that lives is not touched. */
        ASSERT_EQ(socket_path_listen(path, (gid_t) -1, &other, &error), -EEXIST);
        ASSERT_CONTAINS(error_message(&error), "another daemon listens");

        /* One whose daemon is dead makes way, and is not removed by who had the one before. */
        close(fd);
        fd = socket_path_listen(path, (gid_t) -1, &other, &error);
        ASSERT_OK(fd);
        ASSERT_NE(st.st_ino, 0);
        int client = connect_to(path);
        ASSERT_OK(client);
        close(client);
        if (other.st_ino != st.st_ino) {
                socket_path_remove(path, st.st_dev, st.st_ino);
                ASSERT_OK(access(path, F_OK));
        }
        socket_path_remove(path, other.st_dev, other.st_ino);
        ASSERT_LT(access(path, F_OK), 0);
        close(fd);

        /* What is no socket stays. */
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        ASSERT_EQ(socket_path_listen(path, (gid_t) -1, &other, &error), -EEXIST);
        ASSERT_CONTAINS(error_message(&error), "is no socket");
        ASSERT_OK(access(path, F_OK));
        error_clear(&error);
        tear_down();
}

TEST(a_path_can_be_too_long) {
        Error error = {};
        struct stat st;
        char long_path[200];

        memset(long_path, 'x', sizeof(long_path));
        memcpy(long_path, "/tmp/", 5);
        long_path[199] = '\0';
        ASSERT_EQ(socket_path_listen(long_path, (gid_t) -1, &st, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "longer than 107 bytes");
        error_clear(&error);
}

TEST(the_kernel_says_who_it_is) {
        Peer peer = PEER_NULL;
        Error error = {};
        struct stat st, root, ours;

        int listener = set_up(&st, &error);
        ASSERT_OK(listener);
        int client = connect_to(path);
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ASSERT_OK(fd);

        ASSERT_OK(peer_from_socket(fd, &peer));
        ASSERT_EQ(peer.uid, getuid());
        ASSERT_EQ(peer.gid, getgid());
        ASSERT_EQ(peer.pid, getpid());
        ASSERT_OK(peer_load_groups(&peer, fd, &error));
        ASSERT_EQ(peer.n_groups, getgroups(0, NULL));
        ASSERT_TRUE(peer_in_group(&peer, getgid()));
        ASSERT_FALSE(peer_in_group(&peer, 54321));
        ASSERT_OK(peer_load_pidfd(&peer, fd, &error));
        ASSERT_OK(peer.pidfd);

        int root_fd = peer_open_root(&peer, &error);
        ASSERT_OK(root_fd);
        ASSERT_OK(fstat(root_fd, &root));
        ASSERT_OK(stat("/", &ours));
        ASSERT_EQ(root.st_ino, ours.st_ino);
        close(root_fd);
        peer_clear(&peer);
        close(fd);
        close(client);
        close(listener);
        tear_down();
}

TEST(who_has_gone_has_no_root) {
        Peer peer = PEER_NULL;
        Error error = {};
        struct stat st;

        int listener = set_up(&st, &error);
        ASSERT_OK(listener);
        pid_t pid = fork();
        if (pid == 0)
                _exit(connect_to(path) < 0);
        ASSERT_OK(waitpid(pid, NULL, 0));
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        ASSERT_OK(fd);
        ASSERT_OK(peer_from_socket(fd, &peer));
        ASSERT_EQ(peer.pid, pid);
        ASSERT_OK(peer_load_pidfd(&peer, fd, &error));
        ASSERT_EQ(peer_open_root(&peer, &error), -ESRCH);
        ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
        error_clear(&error);
        peer_clear(&peer);
        close(fd);
        close(listener);
        tear_down();
}

TEST(access_is_by_group) {
        gid_t groups[] = { 20, 30 };
        Access with_group = { .group = 30 }, without = { .group = (gid_t) -1 };
        Peer root = { .uid = 0 }, member = { .uid = 4242, .gid = 10, .groups = groups, .n_groups = 2 };
        Peer primary = { .uid = 4242, .gid = 30 }, stranger = { .uid = 4242, .gid = (gid_t) 10 };
        Error error = {};

        ASSERT_OK(access_check(&without, &root, ACTION_BUILD, NULL));
        ASSERT_OK(access_check(&with_group, &member, ACTION_BUILD, NULL));
        ASSERT_OK(access_check(&with_group, &primary, ACTION_EXEC, NULL));
        ASSERT_EQ(access_check(&without, &member, ACTION_INSPECT, NULL), -EACCES);
        ASSERT_EQ(access_check(&with_group, &stranger, ACTION_MANAGE, &error), -EACCES);
        ASSERT_CONTAINS(error_message(&error), "user 4242 may not manage images and containers");
        error_clear(&error);
}
