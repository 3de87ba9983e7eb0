/* SPDX-License-Identifier: Apache-2.0 */
#include "log/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/message-id.h"
#include "base/string-util.h"
#include "log/container.h"
#include "scratch.h"
#include "test.h"

/* A journal of our own, for what the real one does not do on demand: to be absent, and to be slow. */
typedef struct FakeJournal {
        int dir, fd;
        struct sockaddr_un address;
} FakeJournal;

static void fake_journal_listen(FakeJournal *fake) {
        fake->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ASSERT_OK(bind(fake->fd, (struct sockaddr *) &fake->address, sizeof(fake->address)));
}

static FakeJournal fake_journal_new(void) {
        FakeJournal fake = { .dir = scratch_new(), .fd = -EBADF, .address = { .sun_family = AF_UNIX } };

        snprintf(fake.address.sun_path, sizeof(fake.address.sun_path), "%s/socket", scratch_path(fake.dir));
        return fake;
}

/* The next datagram, or the file that is sent in its place, as text with a NUL; NULL when there is none
 * within a second. */
static const char *fake_journal_receive(const FakeJournal *fake, size_t *ret_length) {
        static char data[256 * 1024];
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = { data, sizeof(data) - 1 };
        struct msghdr header = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
        };
        struct pollfd p = { .fd = fake->fd, .events = POLLIN };

        if (poll(&p, 1, 1000) <= 0)
                return NULL;
        ssize_t n = recvmsg(fake->fd, &header, MSG_CMSG_CLOEXEC);
        ASSERT_OK(n);
        const struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        if (c && c->cmsg_type == SCM_RIGHTS) {
                int fd;
                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
                ASSERT_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
                n = pread(fd, data, sizeof(data) - 1, 0);
                close(fd);
        }
        data[n] = '\0';
        if (ret_length)
                *ret_length = (size_t) n;
        return data;
}

/* A relay with its pipes' other ends, run by a thread. */
typedef struct Running {
        FakeJournal fake;
        Journal journal;
        Buffer fields;
        Relay *relay;
        int stdout_fd, stderr_fd;
        pthread_t thread;
} Running;

static void *run_relay(void *userdata) {
        Running *running = userdata;

        (void) relay_run(running->relay);
        return NULL;
}

static Running new_running(void) {
        Running running = { .fake = fake_journal_new() };

        ASSERT_EQ(journal_open(&running.journal, running.fake.address.sun_path), 0);
        buffer_append_string(&running.fields, "CONTAINER_NAME=acme\n");
        running.relay = calloc(1, sizeof(Relay));
        return running;
}

static void start(Running *running) {
        int out[2], err[2];

        ASSERT_OK(pipe2(out, O_CLOEXEC));
        ASSERT_OK(pipe2(err, O_CLOEXEC));
        running->stdout_fd = out[1];
        running->stderr_fd = err[1];
        relay_init(running->relay, &running->journal, &running->fields, out[0], err[0]);
        ASSERT_EQ(pthread_create(&running->thread, NULL, run_relay, running), 0);
}

static void finish(Running *running) {
        close(running->stdout_fd);
        close(running->stderr_fd);
        pthread_join(running->thread, NULL);
        journal_close(&running->journal);
        buffer_clear(&running->fields);
        free(running->relay);
        close(running->fake.fd);
}

static void say(int fd, const char *text) {
        ASSERT_OK(write_all(fd, text, strlen(text)));
}

/* The message at the end of a datagram, which has to be in the binary form. */
static const char *message_of(const char *data, size_t n) {
        static char message[128 * 1024];
        const char *name = data ? memmem(data, n, "\nMESSAGE\n", 9) : NULL;
        uint64_t length;

        ASSERT_NOT_NULL(name);
        memcpy(&length, name + 9, sizeof(length));
        ASSERT_EQ(name + 9 + 8 + length + 1 - data, n);
        ASSERT_EQ(data[n - 1], '\n');
        memcpy(message, name + 17, length);
        message[length] = '\0';
        return message;
}

#define ASSERT_RECEIVED(running, expected, field) \
        do { \
                size_t _n = 0; \
                const char *_data = fake_journal_receive(&(running)->fake, &_n); \
                ASSERT_STREQ(message_of(_data, _n), (expected)); \
                ASSERT_CONTAINS(_data, (field)); \
        } while (false)

TEST(lines_become_messages) {
        Running r = new_running();
        size_t n;

        fake_journal_listen(&r.fake);
        start(&r);
        say(r.stdout_fd, "hello\n");
        const char *data = fake_journal_receive(&r.fake, &n);
        ASSERT_STREQ(message_of(data, n), "hello");
        ASSERT_TRUE(startswith(data, "CONTAINER_NAME=acme\nCRUXD_STREAM=stdout\nPRIORITY=6\nMESSAGE\n"));
        say(r.stderr_fd, "trouble\n");
        ASSERT_RECEIVED(&r, "trouble", "CRUXD_STREAM=stderr\nPRIORITY=3\n");
        say(r.stdout_fd, "<4>careful\n<9>odd\n<3\n\nno newline at the end");
        ASSERT_RECEIVED(&r, "careful", "PRIORITY=4\n");
        ASSERT_RECEIVED(&r, "<9>odd", "PRIORITY=6\n");
        ASSERT_RECEIVED(&r, "<3", "PRIORITY=6\n");
        ASSERT_RECEIVED(&r, "", "PRIORITY=6\n");
        close(r.stdout_fd);
        r.stdout_fd = -EBADF;
        ASSERT_RECEIVED(&r, "no newline at the end", "PRIORITY=6\n");
        say(r.stderr_fd, "the other goes on\n");
        ASSERT_RECEIVED(&r, "the other goes on", "PRIORITY=3\n");
        finish(&r);
}

TEST(long_lines_become_partial_messages) {
        Running r = new_running();
        static char line[LINE_BYTES_MAX + 100];
        size_t n;

        fake_journal_listen(&r.fake);
        start(&r);
        memset(line, 'x', sizeof(line) - 1);
        memcpy(line, "<5>", 3);
        line[sizeof(line) - 2] = '\n';
        say(r.stdout_fd, line);
        const char *data = fake_journal_receive(&r.fake, &n);
        ASSERT_CONTAINS(data, "PRIORITY=5\nCONTAINER_PARTIAL_MESSAGE=true\nMESSAGE\n");
        ASSERT_EQ(strlen(message_of(data, n)), LINE_BYTES_MAX - 3);
        data = fake_journal_receive(&r.fake, &n);
        ASSERT_CONTAINS(data, "PRIORITY=5\nMESSAGE\n");
        ASSERT_EQ(strlen(message_of(data, n)), 100 - 2);
        finish(&r);
}

TEST(what_no_datagram_holds_goes_as_a_file) {
        Running r = new_running();
        static char line[LINE_BYTES_MAX + 1];
        int small = 4096;
        size_t n;

        fake_journal_listen(&r.fake);
        ASSERT_OK(setsockopt(r.journal.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)));
        start(&r);
        memset(line, 'x', sizeof(line) - 1);
        line[sizeof(line) - 2] = '\n';
        say(r.stdout_fd, line);
        const char *data = fake_journal_receive(&r.fake, &n);
        ASSERT_EQ(strlen(message_of(data, n)), LINE_BYTES_MAX - 1);
        finish(&r);
}

/* Writes numbered lines until it would have to wait: how many. */
static unsigned fill(int fd) {
        unsigned n = 0;
        char line[16];

        ASSERT_OK(fd_set_nonblock(fd, true));
        for (;; n++) {
                snprintf(line, sizeof(line), "%08u\n", n);
                if (write(fd, line, strlen(line)) != (ssize_t) strlen(line))
                        break;
        }
        ASSERT_OK(fd_set_nonblock(fd, false));
        return n;
}

static void expect_numbers(Running *r, unsigned from, unsigned to) {
        char expected[16];

        for (unsigned i = from; i < to; i++) {
                snprintf(expected, sizeof(expected), "%08u", i);
                ASSERT_RECEIVED(r, expected, "PRIORITY=6\n");
        }
}

TEST(an_absent_journal_is_waited_for) {
        Running r = new_running();

        start(&r); /* and nobody listens yet: ENOENT */
        unsigned n = fill(r.stdout_fd);
        usleep(50000);
        ASSERT_EQ(r.journal.lost, 0);
        fake_journal_listen(&r.fake);
        expect_numbers(&r, 0, n / 2);

        /* Restarted: its socket is there with nobody behind it (ECONNREFUSED), and what was in its queue is
         * lost with it. */
        close(r.fake.fd);
        usleep(50000);
        ASSERT_OK(unlinkat(r.fake.dir, "socket", 0));
        fake_journal_listen(&r.fake);
        size_t length;
        const char *data = fake_journal_receive(&r.fake, &length);
        unsigned next = (unsigned) strtoul(message_of(data, length), NULL, 10);
        ASSERT_LT(next, n);
        expect_numbers(&r, next + 1, n);
        ASSERT_EQ(r.journal.lost, 0);
        finish(&r);
}

TEST(a_slow_journal_makes_the_container_wait) {
        Running r = new_running();

        fake_journal_listen(&r.fake);
        start(&r);
        unsigned n = fill(r.stdout_fd);
        usleep(50000);
        expect_numbers(&r, 0, n);
        say(r.stdout_fd, "more\n");
        ASSERT_RECEIVED(&r, "more", "PRIORITY=6\n");
        finish(&r);
}

TEST(patience_ends_and_the_loss_is_told) {
        Running r = new_running();

        r.journal.patience = 100 * USEC_PER_MSEC;
        start(&r);
        say(r.stdout_fd, "one\ntwo\nthree\n");
        usleep(400000);
        ASSERT_EQ(r.journal.lost, 3);
        fake_journal_listen(&r.fake);
        say(r.stdout_fd, "four\n");
        ASSERT_RECEIVED(&r, "four", "PRIORITY=6\n");
        ASSERT_RECEIVED(&r, "cruxd-log: 3 lines of output were lost while the journal could not be reached",
                        "PRIORITY=4\nMESSAGE_ID=" MESSAGE_LINES_LOST "\n");
        say(r.stdout_fd, "five\n");
        ASSERT_RECEIVED(&r, "five", "PRIORITY=6\n");
        finish(&r);
}

TEST(without_container_and_journal_it_ends_soon) {
        Running r = new_running();
        uint64_t begin = now_usec(CLOCK_MONOTONIC);

        r.journal.last_patience = 200 * USEC_PER_MSEC;
        start(&r);
        say(r.stdout_fd, "one\ntwo\n");
        finish(&r);
        ASSERT_LT(now_usec(CLOCK_MONOTONIC) - begin, 5 * USEC_PER_SEC);
}

TEST(arguments_become_fields) {
        static char *const environment[] = { (char *) "CONTAINER_ID=acme-hello",
                                             (char *) "CONTAINER_NAMESPACE=cruxd", NULL };
        static char *const none[] = { NULL };
        char *const argv[] = { (char *) "cruxd-log",
                               (char *) "future",
                               (char *) "x",
                               (char *) "name",
                               (char *) "acme\nhello",
                               (char *) "instance",
                               (char *) "edge",
                               (char *) "journal-namespace",
                               (char *) "cruxd",
                               (char *) "odd",
                               NULL };
        _cleanup_(buffer_clear) Buffer fields = {};
        char path[JOURNAL_SOCKET_PATH_MAX];

        ContainerLog c = container_log_parse(ELEMENTSOF(argv) - 1, argv, environment);
        ASSERT_STREQ(c.instance, "edge");
        ASSERT_STREQ(container_log_socket(&c, path), "/run/systemd/journal.cruxd/socket");
        ASSERT_EQ(container_log_fields(&c, &fields), 0);
        ASSERT_EQ(buffer_append(&fields, "", 1), 0);
        static const char expected[] = "SYSLOG_IDENTIFIER\n\12\0\0\0\0\0\0\0acme\nhello\n"
                                       "CONTAINER_NAME\n\12\0\0\0\0\0\0\0acme\nhello\n"
                                       "CONTAINER_ID=acme-hello\nCONTAINER_NAMESPACE=cruxd\n"
                                       "CRUXD_INSTANCE=edge\nCRUXD_CONTAINER=acme-hello\n"
                                       "OBJECT_SYSTEMD_UNIT=cruxd-edge--acme-hello.scope\n";
        ASSERT_EQ(fields.length, sizeof(expected));
        ASSERT_EQ(memcmp(fields.data, expected, sizeof(expected)), 0);

        c = container_log_parse(1, argv, environment);
        ASSERT_STREQ(c.name, "acme-hello");
        ASSERT_STREQ(c.instance, "default");
        buffer_clear(&fields);
        ASSERT_EQ(container_log_fields(&c, &fields), 0);
        ASSERT_EQ(buffer_append(&fields, "", 1), 0);
        ASSERT_CONTAINS(fields.data, "\nOBJECT_SYSTEMD_UNIT=cruxd-acme-hello.scope\n");
        ASSERT_STREQ(container_log_socket(&c, path), "/run/systemd/journal/socket");
        c.journal_namespace = "../../x";
        ASSERT_STREQ(container_log_socket(&c, path), "/run/systemd/journal/socket");
        c = container_log_parse(1, argv, none);
        ASSERT_STREQ(c.id, "");
}
