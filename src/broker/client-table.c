/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd-util.h"
#include "base/log.h"
#include "broker/client.h"
#include "broker/manager.h"

/* The timer is not set anew for each: it comes for who was first, and then looks who is next. */
void client_set_deadline(Client *client) {
        ClientTable *table = &client->manager->clients;
        uint64_t now;

        client_unset_deadline(client);
        if (sd_event_now(client->manager->event, CLOCK_MONOTONIC, &now) < 0)
                now = 0;
        client->deadline_usec = now + client->manager->settings.request_timeout_usec;
        client->on_deadline = true;
        QUEUE_APPEND(deadlines, table->deadlines, client);

        if (sd_event_source_get_enabled(table->timer, NULL) > 0)
                return;
        (void) sd_event_source_set_time(table->timer, client->deadline_usec);
        (void) sd_event_source_set_enabled(table->timer, SD_EVENT_ONESHOT);
}

void client_unset_deadline(Client *client) {
        if (client->on_deadline)
                QUEUE_REMOVE(deadlines, client->manager->clients.deadlines, client);
        client->on_deadline = false;
}

static void expire(Client *client) {
        _cleanup_(error_clear) Error error = {};
        const char *why = client->state == CLIENT_READING ? "it has sent no line" : "it takes no reply";

        client_unset_deadline(client);
        log_debug("Dropping client %i of user %u: %s in time", (int) client->peer.pid, client->peer.uid, why);
        if (client->state == CLIENT_READING) {
                client->more = true;
                (void) error_set(&error, ERROR_INVALID_ARGUMENT,
                                 "malformed message: no whole line came in time");
                client_refuse(client, &error);
        } else
                client_hang_up(client);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        ClientTable *table = userdata;
        Client *client;

        while ((client = table->deadlines.first) && client->deadline_usec <= usec)
                expire(client);
        if (client) {
                (void) sd_event_source_set_time(source, client->deadline_usec);
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        return 0;
}

int client_table_init(ClientTable *table, Manager *manager) {
        *table = (ClientTable) { .manager = manager, .scratch = malloc(CLIENT_SCRATCH_SIZE) };
        if (!table->scratch)
                return -ENOMEM;
        int r = sd_event_add_time(manager->event, &table->timer, CLOCK_MONOTONIC, 0, 0, on_deadline, table);
        return r < 0 ? r : sd_event_source_set_enabled(table->timer, SD_EVENT_OFF);
}

void client_table_clear(ClientTable *table) {
        if (!table->manager)
                return;
        for (Client *client; (client = table->all);) {
                if (client->job)
                        job_detach(TAKE_PTR(client->job));
                client_free(client);
        }
        sd_event_source_disable_unref(table->timer);
        free(table->scratch);
        *table = (ClientTable) {};
}

void client_accept(ClientTable *table, int fd) {
        _cleanup_(error_clear) Error error = {};
        Manager *manager = table->manager;

        Client *client = new0(Client, 1);
        if (!client) {
                safe_close(fd);
                return;
        }
        client->manager = manager;
        client->fd = fd;
        client->peer = PEER_NULL;
        client->job_request.peer = PEER_NULL;
        LIST_PREPEND(all, table->all, client);
        table->n++;
        table->n_refused++; /* until it is counted as its user's */

        int r = peer_from_socket(fd, &client->peer);
        if (r < 0) {
                log_warning_errno(r, "credentials of a client: %m, dropping it");
                client_free(client);
                return;
        }
        r = user_add_connection(&manager->users, client->peer.uid, &client->user, &error);
        if (r < 0) {
                client->more = true;
                client_refuse(client, &error);
                return;
        }
        table->n_refused--;
        client_read(client);
}

void client_table_stop(ClientTable *table) {
        LIST_FOREACH (all, client, table->all) {
                _cleanup_(error_clear) Error error = {};

                if (client->state != CLIENT_READING && !client->access_slot)
                        continue;
                client->access_slot = sd_bus_slot_unref(client->access_slot);
                client->more = true;
                (void) error_set(&error, ERROR_UNAVAILABLE, "the daemon is stopping");
                client_refuse(client, &error);
        }
}
