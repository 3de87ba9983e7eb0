/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/watch-reply.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/json.h"
#include "base/string-util.h"
#include "protocol/envelope.h"
#include "protocol/limits.h"
#include "runtime/watch.h"

/* A longer word is nothing that the daemon has made, and is left out. */
#define WORD_MAX ((size_t) IMAGE_NAME_MAX)

typedef struct WatchReply {
        CtrClient *client;
        int fd;      /* the broker's */
        int stop_fd; /* eventfd: the thread may end */
} WatchReply;

static int add_word(json_object *object, const char *name, const char *word) {
        return json_add_string(object, name, strnlen(word, WORD_MAX + 1) > WORD_MAX ? "" : word);
}

static int add_number(json_object *object, const char *name, uint64_t number) {
        return json_add(object, name, json_object_new_int64((int64_t) MIN(number, (uint64_t) INT64_MAX)));
}

/* One line with this member, whose value is taken over. */
static int tell(const WatchReply *w, const char *name, json_object *value, Error *error) {
        _cleanup_json_ json_object *payload = json_object_new_object();
        _cleanup_(buffer_clear) Buffer line = {};
        int r;

        if (!payload) {
                json_freep(&value);
                return error_oom(error);
        }
        if (json_add(payload, name, value) < 0 || reply_write(REPLY_PROGRESS, payload, &line) < 0)
                return error_oom(error);
        r = write_all(w->fd, line.data, line.length);
        return r < 0 ? error_set_errno(error, r, "tell what is watched") : 0;
}

static int tell_word(const WatchReply *w, const char *name, const char *word, Error *error) {
        if (strnlen(word, WORD_MAX + 1) > WORD_MAX)
                return 0;
        return tell(w, name, json_object_new_string(word), error);
}

static int on_container(void *userdata, const WatchedContainer *container, Error *error) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || add_word(object, "id", container->id) < 0 ||
            add_word(object, "image", container->image) < 0 ||
            add_word(object, "state", container->state) < 0 ||
            add_word(object, "unit", container->unit) < 0 ||
            add_number(object, "created", container->created_usec) < 0 ||
            add_number(object, "pid", container->pid) < 0)
                return error_oom(error);
        if (container->has_ended && (add_number(object, "exitCode", container->exit_code) < 0 ||
                                     add_number(object, "exited", container->exit_usec) < 0))
                return error_oom(error);
        return tell(userdata, "container", TAKE_PTR(object), error);
}

static int on_container_gone(void *userdata, const char *id, Error *error) {
        return tell_word(userdata, "containerGone", id, error);
}

static int on_image(void *userdata, const WatchedImage *image, Error *error) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || add_word(object, "name", image->name) < 0 ||
            add_word(object, "digest", image->digest) < 0 ||
            add_number(object, "created", image->created_usec) < 0)
                return error_oom(error);
        return tell(userdata, "image", TAKE_PTR(object), error);
}

static int on_image_gone(void *userdata, const char *name, Error *error) {
        return tell_word(userdata, "imageGone", name, error);
}

static int on_listed(void *userdata, const char *version, Error *error) {
        const bool is_word = strnlen(version, WORD_MAX + 1) <= WORD_MAX;

        return tell(userdata, "listed", json_object_new_string(is_word ? version : ""), error);
}

/* While nothing happens nothing is written, and a broker that died would go unnoticed. */
static void *wait_for_hangup(void *userdata) {
        const WatchReply *w = userdata;
        struct pollfd fds[] = { { .fd = w->fd, .events = POLLRDHUP },
                                { .fd = w->stop_fd, .events = POLLIN } };

        while (poll(fds, ELEMENTSOF(fds), -1) < 0 && errno == EINTR)
                ;
        if (fds[0].revents)
                ctr_client_cancel(w->client);
        return NULL;
}

int watch_and_reply(Runtime *runtime, int fd, Error *error) {
        _cleanup_close_ int stop_fd = eventfd(0, EFD_CLOEXEC);
        WatchReply w = { .client = runtime->client, .fd = fd, .stop_fd = stop_fd };
        const WatchObserver observer = {
                .container = on_container,
                .container_gone = on_container_gone,
                .image = on_image,
                .image_gone = on_image_gone,
                .listed = on_listed,
                .userdata = &w,
        };
        pthread_t thread;
        int r;

        (void) prctl(PR_SET_NAME, "cruxd-watch"); /* for ps(1): it is there as long as the daemon */
        if (stop_fd < 0)
                return error_set_errno(error, errno, "cannot make an eventfd");
        r = pthread_create(&thread, NULL, wait_for_hangup, &w);
        if (r != 0)
                return error_set_errno(error, r, "start the thread for the broker's end");
        r = watch(runtime, &observer, error);
        (void) eventfd_write(stop_fd, 1);
        (void) pthread_join(thread, NULL);
        return r;
}
