/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/containerd/fake.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"

#define CONNECTIONS_MAX 16

/* Frames of HTTP/2, https://www.rfc-editor.org/rfc/rfc9113#section-6 */
enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8 };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };
#define DATA_MAX 16384
#define INITIAL_WINDOW_SIZE 4
#define WINDOW_DEFAULT 65535
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

typedef struct Connection {
        int fd;
        size_t n;
        uint8_t read[65536];

        /* The body that is being sent, as far as the peer lets: one at a time is enough here. */
        uint32_t stream;
        size_t sent;
        int64_t window, stream_window, initial_window;
} Connection;

struct Fake {
        FakeKind kind;
        const void *body;
        size_t body_n;
        const char *status;
        int listener, stop[2];
        pthread_t thread;
        Connection connections[CONNECTIONS_MAX];
};

static void send_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t n) {
        uint8_t head[9] = { (uint8_t) (n >> 16), (uint8_t) (n >> 8), (uint8_t) n, type, flags };

        for (unsigned i = 0; i < 4; i++)
                head[5 + i] = (uint8_t) (stream >> (24 - 8 * i));
        (void) send(fd, head, sizeof(head), MSG_NOSIGNAL);
        if (n > 0)
                (void) send(fd, payload, n, MSG_NOSIGNAL);
}

/* A header that is not put into the table, https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2 */
static size_t put_header(uint8_t *p, const char *name, const char *value) {
        size_t n = 0;

        p[n++] = 0;
        p[n++] = (uint8_t) strlen(name);
        memcpy(p + n, name, strlen(name));
        n += strlen(name);
        p[n++] = (uint8_t) strlen(value);
        memcpy(p + n, value, strlen(value));
        return n + strlen(value);
}

static void answer_go_on(Fake *fake, Connection *connection) {
        uint8_t block[256];

        while (connection->stream > 0 && connection->sent < fake->body_n) {
                const int64_t window = MIN(connection->window, connection->stream_window);
                const size_t n = MIN(fake->body_n - connection->sent, (size_t) MIN(MAX(window, 0), DATA_MAX));

                if (n == 0)
                        return;
                send_frame(connection->fd, DATA, 0, connection->stream,
                           (const uint8_t *) fake->body + connection->sent, n);
                connection->sent += n;
                connection->window -= (int64_t) n;
                connection->stream_window -= (int64_t) n;
        }
        if (connection->stream > 0 && fake->status) {
                const size_t n = put_header(block, "grpc-status", fake->status);
                send_frame(connection->fd, HEADERS, END_HEADERS | END_STREAM, connection->stream, block, n);
        }
        connection->stream = 0;
}

static void answer(Fake *fake, Connection *connection, uint32_t stream) {
        uint8_t block[256];
        size_t n = 0;

        block[n++] = 0x88; /* :status 200 */
        n += put_header(block + n, "content-type", "application/grpc");
        send_frame(connection->fd, HEADERS, END_HEADERS, stream, block, n);
        connection->stream = stream;
        connection->sent = 0;
        connection->stream_window = connection->initial_window;
        answer_go_on(fake, connection);
}

static uint32_t read_number(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static void take_settings(Connection *connection, const uint8_t *p, size_t n) {
        for (size_t i = 0; i + 6 <= n; i += 6)
                if (p[i] == 0 && p[i + 1] == INITIAL_WINDOW_SIZE) {
                        const int64_t size = read_number(p + i + 2);
                        connection->stream_window += size - connection->initial_window;
                        connection->initial_window = size;
                }
        send_frame(connection->fd, SETTINGS, ACK, 0, NULL, 0);
}

static void take_frame(Fake *fake, Connection *connection, const uint8_t *head, const uint8_t *p, size_t n) {
        const uint32_t stream = read_number(head + 5);

        switch (head[3]) {
        case SETTINGS:
                if (!(head[4] & ACK))
                        take_settings(connection, p, n);
                break;
        case PING:
                if (!(head[4] & ACK))
                        send_frame(connection->fd, PING, ACK, 0, p, n);
                break;
        case WINDOW_UPDATE:
                if (stream == 0)
                        connection->window += read_number(p);
                else if (stream == connection->stream)
                        connection->stream_window += read_number(p);
                break;
        case RST_STREAM:
                if (stream == connection->stream)
                        connection->stream = 0;
                break;
        case HEADERS:
                answer(fake, connection, stream);
                return;
        default:
                return;
        }
        answer_go_on(fake, connection);
}

/* Takes whole frames off what was read. */
static void serve(Fake *fake, Connection *connection) {
        uint8_t *p = connection->read;
        size_t left = connection->n;

        if (left >= strlen(PREFACE) && memcmp(p, PREFACE, strlen(PREFACE)) == 0) {
                send_frame(connection->fd, SETTINGS, 0, 0, NULL, 0);
                p += strlen(PREFACE);
                left -= strlen(PREFACE);
        }
        while (left >= 9) {
                const size_t n = (size_t) p[0] << 16 | (size_t) p[1] << 8 | p[2];

                if (left < 9 + n)
                        break;
                take_frame(fake, connection, p, p + 9, n);
                p += 9 + n;
                left -= 9 + n;
        }
        memmove(connection->read, p, left);
        connection->n = left;
}

static void take_connection(Fake *fake) {
        static const char garbage[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                return;
        if (fake->kind == FAKE_GARBAGE)
                (void) send(fd, garbage, sizeof(garbage) - 1, MSG_NOSIGNAL);
        for (size_t i = 0; i < CONNECTIONS_MAX && fake->kind != FAKE_CLOSING; i++)
                if (fake->connections[i].fd < 0) {
                        fake->connections[i] = (Connection) {
                                .fd = fd,
                                .window = WINDOW_DEFAULT,
                                .initial_window = WINDOW_DEFAULT,
                        };
                        return;
                }
        close(fd);
}

static void read_connection(Fake *fake, Connection *connection) {
        ssize_t r = recv(connection->fd, connection->read + connection->n,
                         sizeof(connection->read) - connection->n, 0);

        if (r <= 0) {
                close(connection->fd);
                connection->fd = -1;
                return;
        }
        connection->n += (size_t) r;
        if (fake->kind == FAKE_ANSWERING)
                serve(fake, connection);
        else
                connection->n = 0;
}

static void *run(void *userdata) {
        Fake *fake = userdata;

        for (;;) {
                struct pollfd fds[CONNECTIONS_MAX + 2] = {
                        { .fd = fake->stop[0], .events = POLLIN },
                        { .fd = fake->listener, .events = POLLIN },
                };

                for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                        fds[i + 2] = (struct pollfd) { .fd = fake->connections[i].fd, .events = POLLIN };
                if (poll(fds, ELEMENTSOF(fds), -1) < 0)
                        continue;
                if (fds[0].revents)
                        return NULL;
                if (fds[1].revents)
                        take_connection(fake);
                for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                        if (fds[i + 2].revents)
                                read_connection(fake, &fake->connections[i]);
        }
}

Fake *fake_new(const char *path, FakeKind kind, const void *body, size_t body_n, const char *status) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        Fake *fake = calloc(1, sizeof(Fake));

        if (!fake)
                abort();
        fake->kind = kind;
        fake->body = body;
        fake->body_n = body_n;
        fake->status = status;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                fake->connections[i].fd = -1;
        unlink(path);
        strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fake->listener < 0 || bind(fake->listener, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fake->listener, 16) < 0 || pipe(fake->stop) < 0 ||
            pthread_create(&fake->thread, NULL, run, fake) != 0)
                abort();
        return fake;
}

void fake_free(Fake *fake) {
        close(fake->stop[1]);
        pthread_join(fake->thread, NULL);
        close(fake->stop[0]);
        close(fake->listener);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                if (fake->connections[i].fd >= 0)
                        close(fake->connections[i].fd);
        free(fake);
}
