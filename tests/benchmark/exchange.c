/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/fd-util.h"
#include "base/json.h"
#include "base/time-util.h"

#define READ_SIZE ((size_t) KIB(256))

/* Clients of one load. */
#define CLIENTS_MAX 256U

/* A reply's first bytes tell how it ended. The rest of a large one is not looked at. */
#define HEAD_SIZE ((size_t) KIB(4))

volatile sig_atomic_t exchange_interrupted;

static double now_msec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static int interrupted(Error *error) {
        return error_set(error, ERROR_CANCELLED, "interrupted");
}

/* A connection with the request on its way: fd or negative. Requests are short: they fit into the socket. */
static int begin(const char *path, const Buffer *request, Error *error) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(address.sun_path))
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s: too long for a socket", path);
        memcpy(address.sun_path, path, strlen(path));
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_set_errno(error, errno, "socket");
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return errno == EINTR ? interrupted(error)
                                      : error_set_errno(error, errno, "connect %s", path);
        ssize_t n = send(fd, request->data, request->length, MSG_NOSIGNAL);
        if (n < 0 || (size_t) n != request->length)
                return error_set_errno(error, n < 0 ? errno : EMSGSIZE, "send to %s", path);
        return TAKE_FD(fd);
}

/* Whether a reply, of which this is the beginning, is "ok". */
static int check(const char *head, size_t n, Error *error) {
        _cleanup_json_ json_object *reply = NULL;
        const char *message = "no reply", *code = NULL;

        if (memmem(head, MIN(n, (size_t) 64), "\"command\":\"ok\"", 14))
                return 0;
        if (n > 0 && json_parse(head, n, 16, &reply, NULL) >= 0) {
                json_object *payload = json_member(reply, "payload");
                (void) json_get_string(payload, "message", &message, NULL);
                (void) json_get_string(payload, "code", &code, NULL);
        }
        ErrorCode c = code ? error_code_from_string(code) : ERROR_INTERNAL;
        return error_set(error, c == ERROR_NONE ? ERROR_INTERNAL : c, "%s", message);
}

int exchange(const char *socket_path, const Buffer *request, Buffer *reply, double *ret_msec, Error *error) {
        const size_t before = reply->length;
        const double start = now_msec();

        _cleanup_close_ int fd = begin(socket_path, request, error);
        if (fd < 0)
                return fd;
        for (;;) {
                if (buffer_reserve(reply, READ_SIZE) < 0)
                        return error_oom(error);
                ssize_t n = recv(fd, reply->data + reply->length, READ_SIZE, 0);
                if (n < 0)
                        return errno == EINTR ? interrupted(error)
                                              : error_set_errno(error, errno, "read from %s", socket_path);
                if (n == 0)
                        break;
                reply->length += (size_t) n;
                if (reply->data[reply->length - 1] == '\n') {
                        *ret_msec = now_msec() - start;
                        reply->length--;
                        break;
                }
        }
        return check(reply->data + before, reply->length - before, error);
}

typedef struct Connection {
        int fd;
        size_t length; /* of the reply so far */
        bool ended;    /* its newline has come */
        char head[HEAD_SIZE];
} Connection;

typedef struct Load {
        const char *path;
        const Buffer *request;
        int epoll_fd;
        Connection *connections;
        unsigned n_connections, n_open;
        char *data;
} Load;

static void load_clear(Load *load) {
        for (unsigned i = 0; load->connections && i < load->n_connections; i++)
                safe_close(load->connections[i].fd);
        safe_close(load->epoll_fd);
        free(load->connections);
        free(load->data);
}

static int open_connection(Load *load, Connection *c, Error *error) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

        c->fd = begin(load->path, load->request, error);
        if (c->fd < 0)
                return c->fd;
        c->length = 0;
        c->ended = false;
        load->n_open++;
        if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
                return error_set_errno(error, errno, "epoll_ctl");
        return 0;
}

/* Reads what is there: 1 when the exchange has ended, 0 when it goes on. */
static int read_connection(Load *load, Connection *c, Error *error) {
        ssize_t n = recv(c->fd, load->data, READ_SIZE, MSG_DONTWAIT);
        int r = 0;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : error_set_errno(error, errno, "read");
        if (n > 0 && c->length < HEAD_SIZE)
                memcpy(c->head + c->length, load->data, MIN((size_t) n, HEAD_SIZE - c->length));
        c->length += (size_t) n;
        c->ended = n > 0 && load->data[n - 1] == '\n';
        if (n > 0 && !c->ended)
                return 0;
        if (!c->ended)
                r = error_set(error, ERROR_UNAVAILABLE, "the daemon closed without a reply");
        else
                r = check(c->head, MIN(c->length, HEAD_SIZE), error);
        c->fd = safe_close(c->fd);
        load->n_open--;
        return r < 0 ? r : 1;
}

/* Until `until`, and then until those that are under way have ended, which do not count. */
static int turn(Load *load, double until, unsigned *ret_done, Error *error) {
        struct epoll_event events[CLIENTS_MAX];

        while (load->n_open > 0) {
                int n = epoll_wait(load->epoll_fd, events, (int) CLIENTS_MAX, -1);
                if (n < 0)
                        return errno == EINTR ? interrupted(error)
                                              : error_set_errno(error, errno, "epoll_wait");
                bool over = now_msec() >= until;
                for (int i = 0; i < n; i++) {
                        int r = read_connection(load, events[i].data.ptr, error);
                        if (r < 0)
                                return r;
                        if (r == 0 || over)
                                continue;
                        ++*ret_done;
                        r = open_connection(load, events[i].data.ptr, error);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int exchange_load(const char *socket_path, const Buffer *request, unsigned clients, double seconds,
                  double *ret_rate, Error *error) {
        _cleanup_(load_clear) Load load = {
                .path = socket_path,
                .request = request,
                .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                .connections = new0(Connection, clients),
                .data = malloc(READ_SIZE),
        };
        unsigned done = 0;

        if (clients > CLIENTS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%u clients: the limit is %u", clients,
                                 CLIENTS_MAX);
        if (load.epoll_fd < 0)
                return error_set_errno(error, errno, "epoll_create1");
        if (!load.connections || !load.data)
                return error_oom(error);
        for (; load.n_connections < clients; load.n_connections++)
                load.connections[load.n_connections].fd = -EBADF;

        const double start = now_msec();
        for (unsigned i = 0; i < clients; i++) {
                int r = open_connection(&load, load.connections + i, error);
                if (r < 0)
                        return r;
        }
        int r = turn(&load, start + seconds * 1e3, &done, error);
        if (r < 0)
                return r;
        *ret_rate = done / seconds;
        return 0;
}
