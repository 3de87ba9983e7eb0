/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/manager.h"
#include "broker/socket-path.h"

/* So many are taken before the others have their turn. */
#define ACCEPT_AT_ONCE 64

/* Without fds or memory for another client, the waiting ones wait so much longer. */
#define PAUSE_USEC (100 * USEC_PER_MSEC)

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Listener *listener = userdata;

        listener->pause_timer = sd_event_source_disable_unref(listener->pause_timer);
        (void) sd_event_source_set_enabled(listener->io, SD_EVENT_ON);
        return 0;
}

/* The backlog stays readable, so that without a pause the loop would spin. */
static void listener_pause(Listener *listener, int errnum) {
        int r;

        log_warning_errno(errnum, "accept a client: %m, pausing");
        r = sd_event_add_time_relative(listener->manager->event, &listener->pause_timer, CLOCK_MONOTONIC,
                                       PAUSE_USEC, 0, on_pause_over, listener);
        if (r >= 0)
                (void) sd_event_source_set_enabled(listener->io, SD_EVENT_OFF);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Listener *listener = userdata;

        for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (client >= 0) {
                        client_accept(&listener->manager->clients, client);
                        continue;
                }
                if (errno == EAGAIN)
                        return 0;
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                        listener_pause(listener, errno);
                        return 0;
                }
                if (errno != EINTR && errno != ECONNABORTED && errno != EPERM)
                        log_error_errno(errno, "accept a client: %m, ignoring");
        }
        return 0;
}

/* Takes the fd over on success. */
static int listener_make(Manager *manager, int fd, Listener **ret, Error *error) {
        _cleanup_free_ Listener *listener = new0(Listener, 1);
        int r;

        if (!listener)
                return error_oom(error);
        *listener = (Listener) { .manager = manager, .fd = fd };
        r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(manager->event, &listener->io, fd, EPOLLIN, on_io, listener);
        if (r < 0)
                return error_set_errno(error, r, "watch the socket");
        LIST_PREPEND(listeners, manager->listeners, listener);
        *ret = TAKE_PTR(listener);
        return 0;
}

int listener_new(Manager *manager, int fd, Listener **ret, Error *error) {
        if (sd_is_socket_unix(fd, SOCK_STREAM, /* listening= */ 1, NULL, 0) <= 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "fd %i is no listening Unix stream socket",
                                 fd);
        return listener_make(manager, fd, ret, error);
}

int listener_new_at(Manager *manager, const char *path, Listener **ret, Error *error) {
        Listener *listener = NULL;
        struct stat st;

        _cleanup_free_ char *copy = strdup(path);
        if (!copy)
                return error_oom(error);
        _cleanup_close_ int fd = socket_path_listen(path, manager->access.group, &st, error);
        int r = fd < 0 ? fd : listener_make(manager, fd, &listener, error);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        listener->path = TAKE_PTR(copy);
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
        *ret = listener;
        return 0;
}

void listener_stop(Listener *listener) {
        listener->pause_timer = sd_event_source_disable_unref(listener->pause_timer);
        listener->io = sd_event_source_disable_unref(listener->io);
        if (listener->path)
                socket_path_remove(listener->path, listener->device, listener->inode);
        listener->path = mfree(listener->path);
        listener->fd = safe_close(listener->fd);
}

Listener *listener_free(Listener *listener) {
        if (!listener)
                return NULL;
        listener_stop(listener);
        LIST_REMOVE(listeners, listener->manager->listeners, listener);
        free(listener);
        return NULL;
}

int listeners_from_systemd(Manager *manager, Error *error) {
        _cleanup_strv_ char **names = NULL;
        Listener *listener;

        int n = sd_listen_fds_with_names(/* unset_environment= */ true, &names);
        if (n < 0)
                return error_set_errno(error, n, "fds from systemd");
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                int r = listener_new(manager, fd, &listener, error);
                if (r < 0)
                        return error_prefix(error, r, "\"%s\" from systemd", names[i]);
                log_debug("Listening on \"%s\" from systemd", names[i]);
        }
        return n;
}
