/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One connection on the socket: one request line in, the answer out.
 *
 *     READING ──line──▶ WAITING (for its job) ──last line──▶ ENDING ──sent──▶ closed
 *        │                                                     ▲   └──▶ LINGERING ──▶ closed
 *        └── timeout, error, no line at all ───────────────────┘
 *
 * A client that closes its connection cancels its job; one that shuts down its sending side alone still gets
 * its answer. What comes behind the line is ignored. Where the client may still be sending when all is said,
 * it is listened to for a while (LINGERING), because closing at once would destroy what it has not read yet.
 */

#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "broker/job.h"
#include "broker/output.h"
#include "broker/user.h"
#include "protocol/envelope.h"

typedef struct Client Client;
typedef struct Manager Manager;

typedef enum ClientState {
        CLIENT_READING,
        CLIENT_WAITING,
        CLIENT_ENDING,
        CLIENT_LINGERING,
} ClientState;

struct Client {
        Manager *manager;
        ClientState state;
        int fd;
        Peer peer;
        User *user; /* NULL: refused, not counted */
        Buffer input;
        uint64_t charged; /* bytes of the input, to the user */
        Output output;
        bool more;                /* it may have sent more than we have read */
        Request request;          /* what was asked for, until it is answered or a job */
        JobRequest job_request;   /* the same */
        sd_bus_slot *access_slot; /* polkit is being asked */
        Job *job;
        sd_event_source *io; /* NULL until it has to be waited for */
        uint64_t deadline_usec;
        bool on_deadline;
        LIST_FIELDS(Client, all);
        LIST_FIELDS(Client, deadlines);
};

typedef struct ClientTable {
        Manager *manager;
        Client *all;
        /* All deadlines are equally far away when they are set, so a queue holds them in order. */
        QUEUE_HEAD(Client) deadlines;
        sd_event_source *timer;
        unsigned n;
        unsigned n_refused; /* of them, those beyond the bounds */
        char *scratch;      /* what is read passes through here */
} ClientTable;

#define CLIENT_SCRATCH_SIZE ((size_t) KIB(64))

int client_table_init(ClientTable *table, Manager *manager);
void client_table_clear(ClientTable *table);

/* Takes over a fresh connection and serves what is there already. It may be gone when this returns. */
void client_accept(ClientTable *table, int fd);

/* Tells those who have not said anything yet that the daemon leaves. Those with a job keep waiting for it. */
void client_table_stop(ClientTable *table);

/* For client.c and client-table.c alone. In all of them the client may be gone when they return. */

/* Reads what is there, until the line is whole, and then serves it. */
void client_read(Client *client);

/* Answers by an error, and ends. */
void client_refuse(Client *client, const Error *error);

/* Nobody is there any more: cancels what is under way. */
void client_hang_up(Client *client);

Client *client_free(Client *client);

/* From now on the client has the setting's time (again), or no bound. */
void client_set_deadline(Client *client);
void client_unset_deadline(Client *client);
