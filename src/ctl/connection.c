/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/connection.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd-util.h"

#define RECEIVE_CHUNK ((size_t) KIB(64))

static int connect_error(const char *path, int errnum, Error *error) {
        switch (errnum) {
        case ENOENT:
        case ECONNREFUSED:
                return error_set(error, ERROR_UNAVAILABLE,
                                 "nobody listens at %s: is the daemon's socket unit started?", path);
        case EACCES:
        case EPERM:
                return error_set(error, ERROR_PERMISSION_DENIED,
                                 "%s is not open to you: root and members of the group \"cruxd\" may use it",
                                 path);
        default:
                error_set_errno(error, errnum, "connect to %s", path);
                return error_recode(error, ERROR_UNAVAILABLE);
        }
}

int connection_open(const char *path, Connection *ret, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "the socket's path \"%s\" is longer than the %zu bytes that it may have",
                                 path, sizeof(address.sun_path) - 1);
        strcpy(address.sun_path, path);

        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_set_errno(error, errno, "socket");
        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return connect_error(path, errno, error);
        *ret = (Connection) { .fd = TAKE_FD(fd) };
        return 0;
}

int connection_send(Connection *connection, const char *data, size_t n, Error *error) {
        while (n > 0) {
                ssize_t k = send(connection->fd, data, n, MSG_NOSIGNAL);
                if (k >= 0) {
                        data += k;
                        n -= (size_t) k;
                } else if (errno == EPIPE || errno == ECONNRESET)
                        return 0;
                else if (errno != EINTR)
                        return error_set_errno(error, errno, "send the request");
        }
        return 0;
}

/* More than 0, or an error: a connection that ends here has not given its answer. */
static int receive_more(Connection *connection, Error *error) {
        ssize_t k;

        if (connection->input.length > REPLY_LINE_MAX)
                return error_set(error, ERROR_INTERNAL, "the daemon's answer is longer than %zu bytes",
                                 REPLY_LINE_MAX);
        if (buffer_reserve(&connection->input, RECEIVE_CHUNK) < 0)
                return error_oom(error);
        do
                k = read(connection->fd, connection->input.data + connection->input.length, RECEIVE_CHUNK);
        while (k < 0 && errno == EINTR);
        if (k < 0 && errno != ECONNRESET)
                return error_set_errno(error, errno, "read the daemon's answer");
        if (k <= 0)
                return error_set(error, ERROR_UNAVAILABLE,
                                 "the daemon closed the connection before it had answered");
        connection->input.length += (size_t) k;
        return 1;
}

int connection_receive(Connection *connection, const char **ret, size_t *ret_length, Error *error) {
        Buffer *input = &connection->input;
        const char *end = NULL;
        size_t seen = 0;

        buffer_consume(input, TAKE(connection->taken, 0));
        for (;;) {
                if (input->length > seen)
                        end = memchr(input->data + seen, '\n', input->length - seen);
                if (end)
                        break;
                seen = input->length;
                int r = receive_more(connection, error);
                if (r < 0)
                        return r;
        }
        *ret = input->data;
        *ret_length = (size_t) (end - input->data);
        connection->taken = *ret_length + 1;
        return 0;
}

void connection_clear(Connection *connection) {
        connection->fd = safe_close(connection->fd);
        buffer_clear(&connection->input);
        connection->taken = 0;
}
