/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The daemon's place on the system bus: the connection, its name, and what stands there. The objects
 * themselves are in the files NAME-bus.c; a method becomes a job in bus-call.c, by the same way as a line on
 * the socket.
 *
 * The bus may come and go: without it the daemon serves its socket alone, and a bus that comes back is
 * connected to again. */

#include <systemd/sd-bus.h>

#include "base/queue.h"
#include "protocol/bus-name.h"

typedef struct Bus Bus;
typedef struct BusCall BusCall;
typedef struct Manager Manager;

struct Bus {
        Manager *manager;
        sd_bus *bus; /* NULL: not connected */
        char *name;
        bool has_name;
        sd_bus_slot *request_slot, *release_slot;
        uint64_t asked_usec; /* when the name was asked for, CLOCK_MONOTONIC */
        sd_event_source *connect_timer;
        BusCall *calls;
        unsigned n_calls;
        QUEUE_HEAD(BusCall) unknown; /* those calls whose callers the bus has not been asked about yet */
        unsigned n_queried;          /* and those that it is being asked about */
        bool released;               /* the name is given back, or was not ours: no call can come any more */
};

/* Begins to connect. Nothing is waited for; what fails is logged and tried again. -ENOMEM. */
int bus_init(Bus *bus, Manager *manager);
void bus_clear(Bus *bus);

/* Whether the name has just been asked for, or is going to be. The bus may hold calls that have started us,
 * and gives them to whoever has the name: who leaves before that takes them along. */
bool bus_is_joining(const Bus *bus);

/* Gives the name back, so that calls from now on start the next daemon. Those that are on their way still
 * come; afterwards `released` is set and the manager is woken. */
void bus_release(Bus *bus);

/* Answers a method by an error, under its own name or, in bus_reply_error_as(), under another. Words that
 * cannot be sent are left out: whoever called gets an answer. */
int bus_reply_error(sd_bus_message *m, const Error *error);
int bus_reply_error_as(sd_bus_message *m, const char *name, const Error *error);

/* Appends a string that is not ours: see protocol/bus-text.h. */
int bus_append_text(sd_bus_message *m, const char *s);

/* Such a string as a property: a sd_bus_property_get_t whose offset in the vtable is that of the char*. */
int bus_get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                 sd_bus_message *reply, void *userdata, sd_bus_error *error);

/* Asks for the name: once what there is to see is known, and not again when it has been asked for. */
void bus_request_name(Bus *bus);

/* What containerd is has changed, or whether it can be reached. */
void manager_bus_containerd_changed(const Bus *bus);

/* What each file puts onto the bus. */
int manager_bus_add(Bus *bus);
int job_bus_add(Bus *bus);
int container_bus_add(Bus *bus);
int image_bus_add(Bus *bus);
int log_control_bus_add(Bus *bus);
