/* SPDX-License-Identifier: Apache-2.0 */

/* A process whose streams are a client's fds:
 *
 *     client's stdin ──▶ FIFO ──▶ shim ──▶ process ──▶ shim ──▶ FIFO ──▶ client's stdout
 *
 * Each stream has a piece of its own on the way, so that none waits for another's reader. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/time-util.h"
#include "runtime/process-internal.h"

static const char *const names[_RELAY_MAX] = {
        [RELAY_STDIN] = PROCESS_STDIN_NAME,
        [RELAY_STDOUT] = "stdout",
        [RELAY_STDERR] = "stderr",
};

int relay_open(Relay *relay, const ProcessStdio *stdio, Error *error) {
        const int fds[_RELAY_MAX] = { stdio->in, stdio->out, stdio->err };
        int r = 0;

        for (RelayStream s = 0; s < _RELAY_MAX && r >= 0; s++) {
                relay->flows[s].data = malloc(PROCESS_READ_SIZE);
                r = relay->flows[s].data
                            ? given_fd_open(fds[s], names[s], s == RELAY_STDIN ? O_RDONLY : O_WRONLY,
                                            GIVEN_FILE | GIVEN_STREAM | GIVEN_DEVICE, &stdio->client,
                                            &relay->flows[s].given, error)
                            : error_oom(error);
        }
        return r;
}

void relay_clear(Relay *relay) {
        for (RelayStream s = 0; s < _RELAY_MAX; s++) {
                given_fd_clear(&relay->flows[s].given);
                free(relay->flows[s].data);
        }
        *relay = (Relay) RELAY_NULL;
}

static Stream stream_of(RelayStream s) {
        return s == RELAY_STDERR ? STREAM_STDERR : STREAM_STDOUT;
}

static bool is_over(const Flow *flow) {
        return *flow->fifo < 0;
}

static bool has_piece(const Flow *flow) {
        return flow->begin < flow->end;
}

static void end_flow(Flow *flow) {
        *flow->fifo = safe_close(*flow->fifo);
        given_fd_clear(&flow->given);
        flow->begin = flow->end = 0;
}

/* isatty(3) would not say so of one that has hung up; the other devices that are taken give no EIO. */
static bool is_terminal(const GivenFd *given) {
        struct stat st;

        return fstat(given->fd, &st) >= 0 && S_ISCHR(st.st_mode);
}

/* A terminal or connection of the client's that has gone says nothing more. Anything else is an error: what a
 * file server does not give must not look like the file's end. */
static bool is_end_of_input(const GivenFd *from, ssize_t n) {
        return n == 0 || n == -ECONNRESET || (n == -EIO && is_terminal(from));
}

static bool is_reader_lost(const GivenFd *to, ssize_t n) {
        switch (n) {
        case -EPIPE:
        case -ECONNRESET:
                return true;
        case -ENOTCONN:
        case -ETIMEDOUT:
                return to->is_socket;
        case -EIO:
                return is_terminal(to);
        default:
                return false;
        }
}

static GivenFd fifo_of(const Flow *flow) {
        return (GivenFd) { .fd = *flow->fifo, .write_max = SIZE_MAX };
}

/* The end of what the client has to say. */
static int end_stdin(const Process *p, Flow *flow, Error *error) {
        _cleanup_(error_clear) Error e = {};

        end_flow(flow);
        int r = ctr_task_close_stdin(p->runtime->client, p->container_id, p->id, &e);
        if (r >= 0 || r == -ENOENT || process_has_ended(p))
                return 0;
        error_move(error, &e);
        return error_prefix(error, r, "close the process's stdin");
}

/* As the kernel does to who writes to a pipe that nobody reads. */
static void lose_reader(const Process *p, Flow *flow) {
        (void) ctr_task_kill(p->runtime->client, p->container_id, p->id, SIGPIPE, /* all= */ false, NULL);
        given_fd_clear(&flow->given);
        flow->begin = flow->end = 0;
}

static int fill(Process *p, RelayStream s, Flow *flow, Error *error) {
        const GivenFd from = s == RELAY_STDIN ? flow->given : fifo_of(flow);

        ssize_t n = given_fd_read(&from, flow->data, PROCESS_READ_SIZE);
        if (n == -EAGAIN)
                return 0;
        if (s == RELAY_STDIN && is_end_of_input(&from, n))
                return end_stdin(p, flow, error);
        if (n < 0)
                return error_set_errno(error, (int) n, "read %s", names[s]);
        if (s != RELAY_STDIN)
                process_count(p, stream_of(s), (size_t) n);
        if (n == 0)
                end_flow(flow);
        else if (flow->given.fd >= 0) {
                flow->begin = 0;
                flow->end = (size_t) n;
        }
        return 0;
}

static int drain(const Process *p, RelayStream s, Flow *flow, Error *error) {
        const GivenFd to = s == RELAY_STDIN ? fifo_of(flow) : flow->given;

        ssize_t n = given_fd_write(&to, flow->data + flow->begin, flow->end - flow->begin);
        if (n == -EAGAIN)
                return 0;
        if (is_reader_lost(&to, n)) {
                if (s == RELAY_STDIN)
                        end_flow(flow);
                else
                        lose_reader(p, flow);
                return 0;
        }
        if (n < 0)
                return error_set_errno(error, (int) n, "write %s", names[s]);
        flow->begin += (size_t) n;
        return 0;
}

static struct pollfd waits_for(RelayStream s, const Flow *flow) {
        bool write = has_piece(flow);
        bool client = (s == RELAY_STDIN) != write;

        return (struct pollfd) {
                .fd = is_over(flow) ? -1
                      : client      ? flow->given.fd
                                    : *flow->fifo,
                .events = write ? POLLOUT : POLLIN,
        };
}

/* Once the process has ended nobody reads its stdin, and of what it has left in the background nobody waits
 * for what readers have gone from, or for more than it can have left itself. */
static void process_ended(Process *p, Relay *relay) {
        end_flow(&relay->flows[RELAY_STDIN]);
        for (RelayStream s = RELAY_STDOUT; s < _RELAY_MAX; s++) {
                Flow *flow = &relay->flows[s];
                bool enough = process_is_drained(p, stream_of(s)) && !has_piece(flow);

                if (flow->given.fd < 0 || enough) {
                        process_abandon(p, stream_of(s));
                        end_flow(flow);
                }
        }
}

static bool goes_on(const Process *p, const Relay *relay) {
        return !p->ended || !is_over(&relay->flows[RELAY_STDOUT]) || !is_over(&relay->flows[RELAY_STDERR]);
}

/* A client who takes his time to read is waited for. */
static bool is_patient(const Relay *relay) {
        return has_piece(&relay->flows[RELAY_STDOUT]) || has_piece(&relay->flows[RELAY_STDERR]);
}

static int move(Process *p, Relay *relay, const struct pollfd *fds, Error *error) {
        int r = 0;

        for (RelayStream s = 0; s < _RELAY_MAX && r >= 0; s++) {
                if (!fds[s].revents)
                        continue;
                r = has_piece(&relay->flows[s]) ? drain(p, s, &relay->flows[s], error)
                                                : fill(p, s, &relay->flows[s], error);
        }
        return r;
}

int relay_run(Relay *relay, Process *p, Error *error) {
        enum { WAIT = _RELAY_MAX, CANCEL, N_FDS };

        relay->flows[RELAY_STDIN].fifo = &p->stdin_fd;
        relay->flows[RELAY_STDOUT].fifo = &p->fds[STREAM_STDOUT];
        relay->flows[RELAY_STDERR].fifo = &p->fds[STREAM_STDERR];
        while (goes_on(p, relay)) {
                struct pollfd fds[N_FDS] = {
                        [WAIT] = { .fd = p->ended ? -1 : ctr_wait_get_fd(p->wait), .events = POLLIN },
                        [CANCEL] = { .fd = ctr_client_get_cancel_fd(p->runtime->client), .events = POLLIN },
                };
                for (RelayStream s = 0; s < _RELAY_MAX; s++)
                        fds[s] = waits_for(s, &relay->flows[s]);

                int n = process_poll(p, fds, N_FDS, is_patient(relay), error);
                if (n <= 0)
                        return n;
                if (fds[CANCEL].revents)
                        return error_set(error, ERROR_CANCELLED, "cancelled");
                int r = move(p, relay, fds, error);
                if (r < 0)
                        return r;
                if (fds[WAIT].revents)
                        p->ended = process_has_ended(p);
                if (p->ended)
                        process_ended(p, relay);
        }
        return 0;
}
