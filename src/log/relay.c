/* SPDX-License-Identifier: Apache-2.0 */
#include "log/relay.h"

#include <endian.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/message-id.h"

/* At a time, so that of the buffers' memory only what long lines need is ever touched. */
#define READ_BYTES_MAX ((size_t) KIB(8))

#define STRING_PART(string) { (void *) (string), strlen(string) }

static const struct {
        const char *field;
        unsigned priority;
} streams[_RELAY_STREAM_MAX] = {
        [RELAY_STDOUT] = { "CRUXD_STREAM=stdout\n", LOG_INFO },
        /* As other container engines do it, so that `journalctl -p err` means the same for all. */
        [RELAY_STDERR] = { "CRUXD_STREAM=stderr\n", LOG_ERR },
};

/* `field` is one that this message alone has, or empty. */
static int send_message(const Relay *relay, RelayStream stream, unsigned priority, const char *message,
                        size_t length, const char *field) {
        char priority_field[] = "PRIORITY=0\n";
        uint64_t length_field = htole64(length);

        priority_field[strlen("PRIORITY=")] = (char) ('0' + priority);
        const struct iovec parts[] = {
                { relay->fields->data, relay->fields->length },
                STRING_PART(streams[stream].field),
                STRING_PART(priority_field),
                STRING_PART(field),
                STRING_PART("MESSAGE\n"),
                { &length_field, sizeof(length_field) },
                { (void *) message, length },
                STRING_PART("\n"),
        };
        return journal_send(relay->journal, parts, ELEMENTSOF(parts));
}

/* Once there is a journal again: that there was none. */
static void report_lost(Relay *relay) {
        char message[128];
        uint64_t lost = relay->journal->lost;

        relay->journal->lost = 0;
        int n = snprintf(message, sizeof(message),
                         "cruxd-log: %" PRIu64
                         " lines of output were lost while the journal could not be reached",
                         lost);
        if (send_message(relay, RELAY_STDERR, LOG_WARNING, message, (size_t) n,
                         "MESSAGE_ID=" MESSAGE_LINES_LOST "\n") < 0)
                relay->journal->lost = lost;
}

/* The priority that a line begins with, "<3>", as of programs that know sd-daemon(3); gives its length. */
static size_t parse_priority(const char *line, size_t length, unsigned *ret) {
        if (length < 3 || line[0] != '<' || line[1] < '0' || line[1] > '7' || line[2] != '>')
                return 0;
        *ret = (unsigned) (line[1] - '0');
        return 3;
}

static void handle_line(void *userdata, const char *line, size_t length, bool begins, bool ends) {
        RelayInput *input = userdata;
        size_t skip = 0;

        if (begins) {
                input->priority = streams[input->stream].priority;
                skip = parse_priority(line, length, &input->priority);
        }
        int r = send_message(input->relay, input->stream, input->priority, line + skip, length - skip,
                             ends ? "" : "CONTAINER_PARTIAL_MESSAGE=true\n");
        if (r >= 0 && input->relay->journal->lost > 0)
                report_lost(input->relay);
}

/* Takes what is there, without waiting for more. */
static void read_input(RelayInput *input) {
        size_t size;
        char *space = line_buffer_space(&input->lines, &size);

        ssize_t n = read(input->fd, space, MIN(size, READ_BYTES_MAX));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (n > 0)
                line_buffer_added(&input->lines, (size_t) n, handle_line, input);
        else {
                line_buffer_end(&input->lines, handle_line, input);
                input->fd = safe_close(input->fd);
        }
}

/* Whether nobody is left who could write any more. */
static bool is_abandoned(void *userdata) {
        const Relay *relay = userdata;

        for (size_t i = 0; i < ELEMENTSOF(relay->inputs); i++) {
                struct pollfd p = { .fd = relay->inputs[i].fd };

                if (p.fd >= 0 && (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR | POLLNVAL))))
                        return false;
        }
        return true;
}

void relay_init(Relay *relay, Journal *journal, const Buffer *fields, int stdout_fd, int stderr_fd) {
        const int fds[_RELAY_STREAM_MAX] = { [RELAY_STDOUT] = stdout_fd, [RELAY_STDERR] = stderr_fd };

        relay->journal = journal;
        relay->fields = fields;
        /* One by one, as the line buffers shall stay untouched. */
        for (RelayStream stream = 0; stream < _RELAY_STREAM_MAX; stream++) {
                RelayInput *input = &relay->inputs[stream];
                input->relay = relay;
                input->fd = fds[stream];
                input->stream = stream;
        }
        journal->is_last = is_abandoned;
        journal->userdata = relay;
}

int relay_run(Relay *relay) {
        for (;;) {
                struct pollfd polls[_RELAY_STREAM_MAX];
                bool open = false;

                for (size_t i = 0; i < ELEMENTSOF(polls); i++) {
                        polls[i] = (struct pollfd) { .fd = relay->inputs[i].fd, .events = POLLIN };
                        open = open || polls[i].fd >= 0;
                }
                if (!open) {
                        if (relay->journal->lost > 0)
                                report_lost(relay);
                        return 0;
                }
                if (poll(polls, ELEMENTSOF(polls), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                for (size_t i = 0; i < ELEMENTSOF(polls); i++)
                        if (polls[i].revents)
                                read_input(&relay->inputs[i]);
        }
}
