/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/user.h"

#include <inttypes.h>

/* Users are few, those of one group: a list, with who was here last at its front. */
User *user_get(UserTable *table, uid_t uid) {
        LIST_FOREACH (users, user, table->all) {
                if (user->uid != uid)
                        continue;
                if (user != table->all) {
                        LIST_REMOVE(users, table->all, user);
                        LIST_PREPEND(users, table->all, user);
                }
                return user;
        }

        User *user = new0(User, 1);
        if (!user)
                return NULL;
        user->uid = uid;
        for (Lane lane = 0; lane < _LANE_MAX; lane++)
                user->lanes[lane].user = user;
        LIST_PREPEND(users, table->all, user);
        return user;
}

void user_put(UserTable *table, User *user) {
        if (user->connections || user->request_bytes || user->waiting)
                return;
        for (Lane lane = 0; lane < _LANE_MAX; lane++)
                if (user->lanes[lane].running)
                        return;
        LIST_REMOVE(users, table->all, user);
        free(user);
}

static int charge(Charge *all, uint64_t *own, uint64_t amount, const char *what, uid_t uid, Error *error) {
        if (*own + amount > all->per_user_max)
                return error_set(error, ERROR_BUSY, "too many %s of user %u: the limit is %" PRIu64, what,
                                 uid, all->per_user_max);
        if (all->used + amount > all->max)
                return error_set(error, ERROR_BUSY, "too many %s: the limit is %" PRIu64, what, all->max);
        all->used += amount;
        *own += amount;
        return 0;
}

int user_add_connection(UserTable *table, uid_t uid, User **ret, Error *error) {
        User *user = user_get(table, uid);
        int r;

        if (!user)
                return error_oom(error);
        r = charge(&table->connections, &user->connections, 1, "connections", uid, error);
        if (r < 0) {
                user_put(table, user);
                return r;
        }
        *ret = user;
        return 0;
}

void user_drop_connection(UserTable *table, User *user) {
        table->connections.used--;
        user->connections--;
        user_put(table, user);
}

int user_charge_bytes(UserTable *table, User *user, uint64_t bytes, Error *error) {
        return charge(&table->request_bytes, &user->request_bytes, bytes, "bytes in requests under way",
                      user->uid, error);
}

void user_discharge_bytes(UserTable *table, User *user, uint64_t bytes) {
        table->request_bytes.used -= bytes;
        user->request_bytes -= bytes;
}
