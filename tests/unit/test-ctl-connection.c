/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "ctl/connection.h"
#include "test.h"

static void connection_clearp(Connection *connection) {
        connection_clear(connection);
}

/* A connection whose other side has said `text` and is gone. */
static Connection connection_saying(const char *text) {
        _cleanup_close_pair_ int pair[2] = { -EBADF, -EBADF };

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
        ASSERT_OK(write_all(pair[1], text, strlen(text)));
        return (Connection) { .fd = TAKE_FD(pair[0]) };
}

static void expect_line(Connection *connection, const char *expected) {
        const char *line;
        size_t n;

        ASSERT_OK(connection_receive(connection, &line, &n, NULL));
        ASSERT_EQ(n, strlen(expected));
        ASSERT_TRUE(memcmp(line, expected, n) == 0);
}

TEST(lines) {
        _cleanup_(connection_clearp) Connection connection = connection_saying("one\n\nthree\nrest");
        _cleanup_(error_clear) Error error = {};
        const char *line;
        size_t n;

        expect_line(&connection, "one");
        expect_line(&connection, "");
        expect_line(&connection, "three");
        ASSERT_LT(connection_receive(&connection, &line, &n, &error), 0);
        ASSERT_EQ(error.code, ERROR_UNAVAILABLE);
        ASSERT_CONTAINS(error_message(&error), "before it had answered");
}

TEST(a_line_longer_than_any_buffer) {
        _cleanup_close_pair_ int pair[2] = { -EBADF, -EBADF };
        const size_t length = MIB(3);
        const char *line;
        int status;
        size_t n;

        ASSERT_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
        pid_t child = fork();
        ASSERT_OK(child);
        if (child == 0) {
                char *text = malloc(length + 3);
                memset(text, 'x', length);
                memcpy(text + length, "\ny\n", 3);
                int r = write_all(pair[1], text, length + 3);
                free(text);
                _exit(r < 0);
        }
        _cleanup_(connection_clearp) Connection connection = { .fd = TAKE_FD(pair[0]) };
        ASSERT_OK(connection_receive(&connection, &line, &n, NULL));
        ASSERT_EQ(n, length);
        expect_line(&connection, "y");
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_EQ(status, 0);
}

/* It may have been refused with a reason, which is there to be read. */
TEST(sending_to_one_who_has_gone) {
        _cleanup_(connection_clearp) Connection connection = connection_saying("no\n");

        ASSERT_OK(connection_send(&connection, "hello\n", 6, NULL));
        expect_line(&connection, "no");
}

TEST(nobody_listens) {
        _cleanup_(error_clear) Error error = {};
        Connection connection;

        ASSERT_LT(connection_open("/nonexistent/cruxd.sock", &connection, &error), 0);
        ASSERT_EQ(error.code, ERROR_UNAVAILABLE);
        ASSERT_CONTAINS(error_message(&error), "nobody listens at /nonexistent/cruxd.sock");
}

TEST(a_path_that_is_no_address) {
        _cleanup_(error_clear) Error error = {};
        Connection connection;
        char path[200];

        memset(path, 'x', sizeof(path));
        path[sizeof(path) - 1] = '\0';
        ASSERT_EQ(connection_open(path, &connection, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "longer than the 107 bytes");
}
