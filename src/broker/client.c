/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/client.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "broker/manager.h"
#include "broker/polkit.h"
#include "broker/request.h"
#include "protocol/limits.h"

/* So many chunks of one client are read before the others have their turn. */
#define CHUNKS_AT_ONCE 16

/* So many who are over the bounds of connections are listened to while they are told so. */
#define REFUSED_MAX 64U

/* Input up to this is not charged to the user: it is what a connection costs anyway. */
#define UNCHARGED_MAX ((size_t) KIB(4))

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);

Client *client_free(Client *client) {
        Manager *manager = client->manager;
        ClientTable *table = &manager->clients;

        if (client->on_deadline)
                QUEUE_REMOVE(deadlines, table->deadlines, client);
        LIST_REMOVE(all, table->all, client);
        table->n--;
        sd_event_source_disable_unref(client->io);
        safe_close(client->fd);
        if (client->user) {
                user_discharge_bytes(&manager->users, client->user, client->charged);
                user_drop_connection(&manager->users, client->user);
        } else
                table->n_refused--;
        sd_bus_slot_unref(client->access_slot);
        request_clear(&client->request);
        job_request_clear(&client->job_request);
        buffer_clear(&client->input);
        output_clear(&client->output);
        peer_clear(&client->peer);
        free(client);
        manager_client_ended(manager);
        return NULL;
}

static void drop_input(Client *client) {
        buffer_clear(&client->input);
        if (client->user)
                user_discharge_bytes(&client->manager->users, client->user, client->charged);
        client->charged = 0;
}

/* Waits for these events; EPOLLHUP, the connection's full close, comes in any case. */
static int watch(Client *client, uint32_t events) {
        if (client->io)
                return sd_event_source_set_io_events(client->io, events);
        return sd_event_add_io(client->manager->event, &client->io, client->fd, events, on_io, client);
}

/* Reads what the client has sent beyond its line, which nobody wants. Whether its end was seen, or nothing is
 * there now. */
static bool discard_input(Client *client, bool *ret_end) {
        char *scratch = client->manager->clients.scratch;

        *ret_end = false;
        for (unsigned i = 0; i < CHUNKS_AT_ONCE; i++) {
                ssize_t n = recv(client->fd, scratch, CLIENT_SCRATCH_SIZE, MSG_DONTWAIT);
                if (n <= 0) {
                        *ret_end = n == 0 || (errno != EAGAIN && errno != EINTR);
                        return true;
                }
        }
        return false;
}

/* All is said. The client may be gone when this returns. */
static void finish(Client *client) {
        bool end;

        drop_input(client);
        bool drained = discard_input(client, &end) || !client->user;
        bool linger = client->more && (client->user || client->manager->clients.n_refused <= REFUSED_MAX);
        if (end || (drained && !linger)) {
                client_free(client);
                return;
        }
        client->state = CLIENT_LINGERING;
        (void) shutdown(client->fd, SHUT_WR);
        if (watch(client, EPOLLIN) < 0) {
                client_free(client);
                return;
        }
        client_set_deadline(client);
}

/* The last line is in the output. */
static void end_output(Client *client) {
        client->state = CLIENT_ENDING;
        if (output_pending(&client->output) == 0) {
                finish(client);
                return;
        }
        if (watch(client, EPOLLOUT) < 0) {
                client_free(client);
                return;
        }
        client_set_deadline(client);
}

static void reply(Client *client, const Buffer *line) {
        if (output_write(&client->output, client->fd, line->data, line->length) < 0)
                client_free(client);
        else
                end_output(client);
}

void client_refuse(Client *client, const Error *error) {
        _cleanup_(buffer_clear) Buffer line = {};

        log_debug("Client %i of user %u is refused: %s", (int) client->peer.pid, client->peer.uid,
                  error_message(error));
        if (reply_write_error(error, &line) < 0)
                client_free(client);
        else
                reply(client, &line);
}

static int on_part(const AnswerPart *part, void *userdata) {
        Client *client = userdata;

        int r = output_write(&client->output, client->fd, part->data, part->length);
        if (r < 0) {
                client->job = NULL;
                client_free(client);
                return r;
        }
        if (output_pending(&client->output) == 0)
                return 1;
        /* Who takes nothing of a last line is given up after a while; progress may be read whenever one
         * likes. */
        if (part->kind != REPLY_PROGRESS && !client->on_deadline)
                client_set_deadline(client);
        r = watch(client, EPOLLOUT);
        if (r < 0) {
                client->job = NULL;
                client_free(client);
                return r;
        }
        return output_pending(&client->output) < OUTPUT_HIGH;
}

static void on_job_ended(Job *job, bool whole, void *userdata) {
        Client *client = userdata;

        client->job = NULL;
        end_output(client);
}

void client_hang_up(Client *client) {
        if (client->job) {
                Job *job = TAKE_PTR(client->job);
                log_debug("Client %i of user %u has gone, cancelling its job", (int) client->peer.pid,
                          client->peer.uid);
                job_detach(job);
                job_cancel(job, "the client has gone");
        }
        client_free(client);
}

/* The client may ask what it asks: answers it, or makes it a job. */
static void proceed(Client *client) {
        static const JobSink sink = { .part = on_part, .ended = on_job_ended };
        _cleanup_(error_clear) Error error = {};
        _cleanup_(buffer_clear) Buffer answer = {};
        int r;

        drop_input(client); /* from here on the job is charged */
        if (client->request.command == COMMAND_STATUS)
                r = manager_write_status(client->manager, &answer, &error);
        else
                r = job_new(client->manager, &client->job_request, &sink, client, &client->job, &error);
        request_clear(&client->request);
        job_request_clear(&client->job_request);
        if (r < 0) {
                client_refuse(client, &error);
                return;
        }
        if (!client->job) {
                reply(client, &answer);
                return;
        }
        client->state = CLIENT_WAITING;
        if (watch(client, 0) < 0)
                client_hang_up(client);
}

static void on_polkit(PolkitAnswer answer, void *userdata) {
        _cleanup_(error_clear) Error error = {};
        Client *client = userdata;

        client->access_slot = sd_bus_slot_unref(client->access_slot);
        if (answer == POLKIT_YES) {
                client->job_request.authorised = true;
                proceed(client);
                return;
        }
        (void) error_set(&error, ERROR_PERMISSION_DENIED,
                         "user %u is not in group \"" ACCESS_GROUP "\", and polkit does not allow it",
                         client->peer.uid);
        client_refuse(client, &error);
}

/* Asks polkit for a client that access.h does not let. */
static int ask_polkit(Client *client) {
        Action action = command_info(client->request.command)->action;
        Peer *peer = client->request.command == COMMAND_STATUS ? &client->peer : &client->job_request.peer;
        int r = 0;

        if (peer->pidfd < 0)
                r = peer_load_pidfd(peer, client->fd, NULL);
        if (r >= 0)
                r = polkit_ask_peer(&client->manager->bus, peer, action, on_polkit, client,
                                    &client->access_slot);
        if (r < 0)
                return r;
        buffer_clear(&client->input); /* its like is kept for the job, and stays charged */
        client->state = CLIENT_WAITING;
        return watch(client, 0);
}

/* The line is there. */
static void serve(Client *client, const char *line, size_t length) {
        _cleanup_(error_clear) Error error = {};
        const Peer *peer = &client->peer;
        int r;

        client_unset_deadline(client);
        r = request_read(line, length, /* given= */ 0, &client->request, &error);
        if (r >= 0)
                r = request_load_peer(client->request.command, &client->peer, client->fd, &error);
        if (r >= 0 && client->request.command != COMMAND_STATUS) {
                r = request_to_job(&client->request, line, length, &client->peer, &client->job_request,
                                   &error);
                peer = &client->job_request.peer;
        }
        if (r < 0) {
                client_refuse(client, &error);
                return;
        }
        r = access_check(&client->manager->access, peer, command_info(client->request.command)->action,
                         &error);
        if (r >= 0)
                proceed(client);
        else if (ask_polkit(client) < 0)
                client_refuse(client, &error);
}

/* Adds to a line that is not whole yet. */
static int keep_input(Client *client, const char *data, size_t n, Error *error) {
        size_t length = client->input.length + n;
        int r;

        if (length > PROTOCOL_LINE_MAX) {
                client->more = true;
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "malformed message: the line is over the limit of %zu bytes",
                                 (size_t) PROTOCOL_LINE_MAX);
        }
        if (length > UNCHARGED_MAX) {
                r = user_charge_bytes(&client->manager->users, client->user, length - client->charged, error);
                if (r < 0) {
                        client->more = true;
                        return r;
                }
                client->charged = length;
        }
        return buffer_append(&client->input, data, n) < 0 ? error_oom(error) : 0;
}

static void on_input_end(Client *client) {
        _cleanup_(error_clear) Error error = {};

        if (client->input.length == 0) { /* it only wanted to know whether we are here */
                log_debug("Client %i of user %u left without a word", (int) client->peer.pid,
                          client->peer.uid);
                client_free(client);
                return;
        }
        (void) error_set(&error, ERROR_INVALID_ARGUMENT, "malformed message: it ends without a newline");
        client_refuse(client, &error);
}

/* One chunk: 1 when more may be there, 0 when not or when the client is in another state or gone. */
static int read_chunk(Client *client) {
        _cleanup_(error_clear) Error error = {};
        char *scratch = client->manager->clients.scratch;

        ssize_t n = recv(client->fd, scratch, CLIENT_SCRATCH_SIZE, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                if (!client->io && watch(client, EPOLLIN) < 0) {
                        client_free(client);
                        return 0;
                }
                if (!client->on_deadline)
                        client_set_deadline(client);
                return 0;
        }
        if (n <= 0) {
                on_input_end(client);
                return 0;
        }

        const char *newline = memchr(scratch, '\n', (size_t) n);
        size_t length = newline ? (size_t) (newline - scratch) + 1 : (size_t) n;
        client->more = (size_t) n == CLIENT_SCRATCH_SIZE;
        if (newline && client->input.length == 0) {
                serve(client, scratch, length);
                return 0;
        }
        if (keep_input(client, scratch, length, &error) < 0) {
                client_refuse(client, &error);
                return 0;
        }
        if (newline) {
                serve(client, client->input.data, client->input.length);
                return 0;
        }
        return 1;
}

void client_read(Client *client) {
        for (unsigned i = 0; i < CHUNKS_AT_ONCE; i++)
                if (read_chunk(client) == 0)
                        return;
        if (watch(client, EPOLLIN) < 0)
                client_free(client);
        else if (!client->on_deadline)
                client_set_deadline(client);
}

static void on_output_room(Client *client) {
        int r = output_flush(&client->output, client->fd);

        if (r < 0) {
                client_hang_up(client);
                return;
        }
        if (r > 0 && client->on_deadline)
                client_set_deadline(client);
        if (output_pending(&client->output) > 0) {
                if (client->job && output_pending(&client->output) < OUTPUT_HIGH)
                        job_continue(client->job);
                return;
        }
        if (client->state == CLIENT_ENDING) {
                finish(client);
                return;
        }
        client_unset_deadline(client);
        (void) watch(client, 0);
        if (client->job)
                job_continue(client->job);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Client *client = userdata;
        bool end;

        switch (client->state) {
        case CLIENT_READING: /* after a hangup, too: a line may be there, of one that wants no answer */
                client_read(client);
                break;
        case CLIENT_LINGERING:
                (void) discard_input(client, &end);
                if (end)
                        client_free(client);
                break;
        default:
                if (revents & (EPOLLHUP | EPOLLERR))
                        client_hang_up(client);
                else if (revents & EPOLLOUT)
                        on_output_room(client);
        }
        return 0;
}
