/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/event-decode.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/message.h"

/* What each kind of message holds of the things that an event of ours has. */
static int fill_task_create(const ProtobufCMessage *message, CtrEvent *ret) {
        const Events__TaskCreate *event = (const Events__TaskCreate *) message;

        ret->pid = event->pid;
        return read_string(&ret->id, event->container_id);
}

static int fill_task_start(const ProtobufCMessage *message, CtrEvent *ret) {
        const Events__TaskStart *event = (const Events__TaskStart *) message;

        ret->pid = event->pid;
        return read_string(&ret->id, event->container_id);
}

static int fill_task_oom(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__TaskOOM *) message)->container_id);
}

/* The task itself is named by its container's id, or not at all. */
static int read_exec_id(const char *container_id, const char *id, CtrEvent *ret) {
        return streq(id, container_id) ? 0 : read_string(&ret->exec_id, id);
}

static int fill_task_exit(const ProtobufCMessage *message, CtrEvent *ret) {
        const Events__TaskExit *event = (const Events__TaskExit *) message;

        ret->pid = event->pid;
        ret->exit_status = event->exit_status;
        if (read_string(&ret->id, event->container_id) < 0)
                return -ENOMEM;
        return read_exec_id(event->container_id, event->id, ret);
}

static int fill_task_delete(const ProtobufCMessage *message, CtrEvent *ret) {
        const Events__TaskDelete *event = (const Events__TaskDelete *) message;

        ret->pid = event->pid;
        ret->exit_status = event->exit_status;
        if (read_string(&ret->id, event->container_id) < 0)
                return -ENOMEM;
        return read_exec_id(event->container_id, event->id, ret);
}

static int fill_container_create(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ContainerCreate *) message)->id);
}

static int fill_container_update(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ContainerUpdate *) message)->id);
}

static int fill_container_delete(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ContainerDelete *) message)->id);
}

static int fill_image_create(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ImageCreate *) message)->name);
}

static int fill_image_update(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ImageUpdate *) message)->name);
}

static int fill_image_delete(const ProtobufCMessage *message, CtrEvent *ret) {
        return read_string(&ret->id, ((const Events__ImageDelete *) message)->name);
}

/* By topic: the types' names have differed between versions. */
static const struct {
        const char *topic;
        CtrEventType type;
        const ProtobufCMessageDescriptor *message;
        int (*fill)(const ProtobufCMessage *message, CtrEvent *ret);
} kinds[] = {
        { "/tasks/create", CTR_EVENT_TASK_CREATE, &events__task_create__descriptor, fill_task_create },
        { "/tasks/start", CTR_EVENT_TASK_START, &events__task_start__descriptor, fill_task_start },
        { "/tasks/oom", CTR_EVENT_TASK_OOM, &events__task_oom__descriptor, fill_task_oom },
        { "/tasks/exit", CTR_EVENT_TASK_EXIT, &events__task_exit__descriptor, fill_task_exit },
        { "/tasks/delete", CTR_EVENT_TASK_DELETE, &events__task_delete__descriptor, fill_task_delete },
        { "/containers/create", CTR_EVENT_CONTAINER_CREATE, &events__container_create__descriptor,
          fill_container_create },
        { "/containers/update", CTR_EVENT_CONTAINER_UPDATE, &events__container_update__descriptor,
          fill_container_update },
        { "/containers/delete", CTR_EVENT_CONTAINER_DELETE, &events__container_delete__descriptor,
          fill_container_delete },
        { "/images/create", CTR_EVENT_IMAGE_CREATE, &events__image_create__descriptor, fill_image_create },
        { "/images/update", CTR_EVENT_IMAGE_UPDATE, &events__image_update__descriptor, fill_image_update },
        { "/images/delete", CTR_EVENT_IMAGE_DELETE, &events__image_delete__descriptor, fill_image_delete },
};

int event_decode(const Events__Envelope *envelope, CtrEvent *ret, Error *error) {
        _cleanup_(ctr_event_clear) CtrEvent event = { .time_usec = read_timestamp(envelope->timestamp) };
        int r;

        event.topic = strdup(envelope->topic);
        if (!event.topic)
                return error_oom(error);

        for (size_t i = 0; i < ELEMENTSOF(kinds) && envelope->event; i++) {
                _cleanup_message_ ProtobufCMessage *message = NULL;

                if (!streq(kinds[i].topic, envelope->topic))
                        continue;
                r = message_unpack(kinds[i].message, envelope->event->value.data, envelope->event->value.len,
                                   &message, error);
                if (r < 0)
                        return r;
                event.type = kinds[i].type;
                if (kinds[i].fill(message, &event) < 0)
                        return error_oom(error);
        }
        *ret = TAKE(event, (CtrEvent) {});
        return 0;
}
