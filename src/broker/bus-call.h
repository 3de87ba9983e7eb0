/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A method that is a command of the protocol.
 *
 *     method ──▶ who is it? ──arguments──▶ request line ──▶ job ──last line──▶ reply
 *
 * Before the caller is known to be allowed it, no more is looked at of the arguments than how long they are.
 * They become the line that a client of the socket would send, and from there on it is the same way: the same
 * checks, the same job, the same answer, which is turned into the method's types at the end. Who leaves the
 * bus while he waits cancels his job. */

#include <systemd/sd-bus.h>

#include "base/list.h"
#include "broker/bus.h"
#include "broker/job.h"

/* An answer longer than this, as JSON, is refused. dbus-daemon takes a message of up to 32 MiB
 * (max_message_size, dbus-daemon(1)) and closes the connection at a longer one, with all its calls. In a
 * message an answer is never longer than as JSON, which has two bytes for what is one there, and a header
 * needs far less than what is left. */
#define BUS_ANSWER_MAX ((size_t) MIB(31))

/* Calls at a time, those that are jobs included: each holds its message, and the message its fds. What is
 * over this is refused as busy. */
#define BUS_CALLS_MAX 4096U

/* Callers that the bus is asked about at a time. Each answer may have an fd, and dbus-daemon drops, without a
 * word, what is for a connection that has 64 of them to fetch (max_outgoing_unix_fds, dbus-daemon(1)). */
#define BUS_CALLS_QUERIED_MAX 16U

/* Those of one user that polkit is asked about, which may take him as long as he likes. */
#define BUS_CALLS_ASKING_MAX 32U

typedef enum BusArgumentType {
        BUS_STRING,  /* s; an empty one is left out */
        BUS_STRINGS, /* as; the same */
        BUS_JSON,    /* s, the text of a JSON value */
        BUS_FD,      /* h; `member` is the fd's name: see member_from_fd_name() */
} BusArgumentType;

typedef struct BusArgument {
        const char *member; /* of the payload; NULL ends a list */
        BusArgumentType type;
} BusArgument;

#define BUS_ARGUMENTS_MAX 8

/* Either a command, or something that the daemon does by itself. */
typedef struct BusMethod {
        const char *name;
        Command command;
        BusArgument arguments[BUS_ARGUMENTS_MAX];
        bool starts; /* is answered by the job's path at once, and goes on when the caller leaves */
        /* Adds the members that come from the object which is called rather than from arguments; NULL: none.
         */
        int (*about)(const BusCall *call, json_object *payload, Error *error);
        /* Appends the reply's values; NULL: none. Negative errno, -EBADMSG for an answer of another form. */
        int (*answer)(json_object *payload, sd_bus_message *reply);

        Action action;
        /* Replies to the call's message, once the caller is known and allowed the action; what it fails by is
         * replied for it. */
        int (*serve)(BusCall *call, const Peer *peer, Error *error);
} BusMethod;

struct BusCall {
        Bus *bus;
        const BusMethod *method;
        sd_bus_message *message;
        sd_bus_slot *slot;           /* the bus or polkit is being asked */
        bool is_unknown, is_queried; /* see struct Bus */
        size_t size;                 /* bytes of the arguments */
        User *user;                  /* who is charged for them, while polkit is asked */
        Peer peer;
        bool authorised; /* by polkit */
        Error refusal;   /* what access.h says, while polkit is asked */
        Job *job;
        Buffer answer;
        bool too_long;
        LIST_FIELDS(BusCall, calls);
        LIST_FIELDS(BusCall, unknown);
};

/* The `answer` of what executes: exit code, stdout, stderr. */
int bus_answer_exec(json_object *payload, sd_bus_message *reply);

/* Serves a method: 1, or a negative errno for sd-bus to answer. */
int bus_call_new(Bus *bus, const BusMethod *method, sd_bus_message *m);

/* Answers those that wait for polkit, which may take its time: the daemon is stopping. */
void bus_calls_stop(Bus *bus);

/* Whoever had this unique name has left the bus, and wants none of the answers that he waits for. */
void bus_calls_caller_gone(Bus *bus, const char *name);

/* The caller cannot be answered any more: cancels the job and frees the call. */
void bus_call_abandon(BusCall *call);
