/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What each user makes the daemon hold: connections, memory of requests, commands. Everything that a client
 * can make grow is charged here, against the user's bound and everybody's. An entry is there as long as
 * something is charged to it. */

#include <stdint.h>

#include "base/error.h"
#include "base/queue.h"

typedef struct Ticket Ticket;
typedef struct User User;
typedef struct UserLane UserLane;

/* Commands that take long have their own lane, so that they leave room for the others; and so do those that
 * are somebody's session, which may last as long as he likes and costs little meanwhile. */
typedef enum Lane {
        LANE_SHORT,
        LANE_LONG,
        LANE_SESSION,
        _LANE_MAX,
} Lane;

struct UserLane {
        User *user;
        uint64_t running;
        QUEUE_HEAD(Ticket) queue;
        LIST_FIELDS(UserLane, ring); /* of the lane's users who wait */
};

struct User {
        uid_t uid;
        uint64_t connections;
        uint64_t request_bytes;
        uint64_t waiting; /* tickets in the queues */
        UserLane lanes[_LANE_MAX];
        LIST_FIELDS(User, users);
};

typedef struct Charge {
        uint64_t used;
        uint64_t max;
        uint64_t per_user_max;
} Charge;

/* Zero-initialised is empty; the bounds are the caller's to set. */
typedef struct UserTable {
        User *all;
        Charge connections;
        Charge request_bytes;
} UserTable;

/* The user's entry, made when there is none: NULL without memory. Call user_put() when nothing was charged.
 */
User *user_get(UserTable *table, uid_t uid);

/* Frees the entry when nothing is charged to it any more. */
void user_put(UserTable *table, User *user);

/* One more connection of this user: ERROR_BUSY naming the bound that it would be over. *ret is to be given to
 * user_drop_connection(). */
int user_add_connection(UserTable *table, uid_t uid, User **ret, Error *error);
void user_drop_connection(UserTable *table, User *user);

/* Memory for a request, while it is received and until its job has ended. The user has a connection or a
 * ticket meanwhile, or bytes that are not none, which keeps the entry. */
int user_charge_bytes(UserTable *table, User *user, uint64_t bytes, Error *error);
void user_discharge_bytes(UserTable *table, User *user, uint64_t bytes);
