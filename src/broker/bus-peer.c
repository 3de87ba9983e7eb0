/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus-peer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/fd-util.h"

typedef struct PeerQuery {
        BusPeerCallback callback;
        void *userdata;
} PeerQuery;

static void free_query(void *userdata) {
        free(userdata);
}

static int read_groups(sd_bus_message *m, Peer *peer) {
        const void *groups;
        size_t size;

        int r = sd_bus_message_read_array(m, 'u', &groups, &size);
        if (r < 0)
                return r;
        if (size / sizeof(gid_t) > PEER_GROUPS_MAX)
                return -E2BIG;
        free(peer->groups);
        peer->groups = malloc(size + sizeof(gid_t));
        if (!peer->groups)
                return -ENOMEM;
        memcpy(peer->groups, groups, size);
        peer->n_groups = size / sizeof(gid_t);
        return 0;
}

/* One entry of the credentials' dictionary, entered to its variant's content. */
static int read_credential(sd_bus_message *m, const char *key, const char *type, Peer *peer) {
        uint32_t number = 0;
        int fd, r;

        if (streq(key, "UnixUserID") && streq(type, "u")) {
                r = sd_bus_message_read(m, "u", &number);
                peer->uid = number;
        } else if (streq(key, "ProcessID") && streq(type, "u")) {
                r = sd_bus_message_read(m, "u", &number);
                peer->pid = (pid_t) number;
        } else if (streq(key, "UnixGroupIDs") && streq(type, "au"))
                r = read_groups(m, peer);
        else if (streq(key, "ProcessFD") && streq(type, "h")) {
                r = sd_bus_message_read(m, "h", &fd);
                if (r >= 0) {
                        safe_close(peer->pidfd);
                        peer->pidfd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                        r = peer->pidfd < 0 ? -errno : 0;
                }
        } else
                r = sd_bus_message_skip(m, type);
        return r;
}

/* GetConnectionCredentials() of the D-Bus specification: a{sv}. */
static int read_credentials(sd_bus_message *m, Peer *peer) {
        const char *key, *type;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = sd_bus_message_peek_type(m, NULL, &type);
                if (r >= 0)
                        r = sd_bus_message_enter_container(m, 'v', type);
                if (r >= 0)
                        r = read_credential(m, key, type, peer);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r < 0)
                return r;
        if (peer->uid == (uid_t) -1)
                return -ENODATA;
        return 0;
}

/* What the bus does not tell. Before dbus 1.15.8 that is the pidfd: the connection is there, so the pid is
 * most probably the caller's still. And of the groups it does not say which one is the primary. */
static void complete(Peer *peer) {
        if (peer->pidfd < 0 && peer->pid > 0)
                peer->pidfd = pidfd_open(peer->pid, 0);
        if (peer->pidfd < 0)
                peer->pidfd = -EBADF;
        peer_load_gid(peer);
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *bus_error) {
        const PeerQuery query = *(PeerQuery *) userdata;
        _cleanup_(peer_clear) Peer peer = PEER_NULL;
        _cleanup_(error_clear) Error error = {};
        int r;

        if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                r = error_set(&error, ERROR_PERMISSION_DENIED, "the caller has left the bus");
        else if (sd_bus_message_is_method_error(m, NULL))
                r = error_set(&error, ERROR_UNAVAILABLE, "the bus does not say who the caller is: %s",
                              sd_bus_message_get_error(m)->message);
        else {
                r = read_credentials(m, &peer);
                if (r < 0)
                        (void) error_set_errno(&error, r, "credentials of the caller");
        }
        if (r >= 0)
                complete(&peer);
        query.callback(r, &peer, &error, query.userdata);
        return 0;
}

int bus_peer_query(sd_bus_message *m, BusPeerCallback callback, void *userdata, sd_bus_slot **slot) {
        sd_bus_slot *s;
        int r;

        PeerQuery *query = new0(PeerQuery, 1);
        if (!query)
                return -ENOMEM;
        *query = (PeerQuery) { .callback = callback, .userdata = userdata };
        r = sd_bus_call_method_async(sd_bus_message_get_bus(m), &s, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionCredentials", on_credentials, query, "s",
                                     sd_bus_message_get_sender(m));
        if (r < 0) {
                free(query);
                return r;
        }
        r = sd_bus_slot_set_destroy_callback(s, free_query);
        if (r < 0) {
                sd_bus_slot_unref(s);
                free(query);
                return r;
        }
        *slot = s;
        return 0;
}
