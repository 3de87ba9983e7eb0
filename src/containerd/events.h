/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.events.v1: what happens, as it happens. */

#include "containerd/client.h"

typedef enum CtrEventType {
        CTR_EVENT_OTHER, /* only topic and time are given */
        CTR_EVENT_TASK_CREATE,
        CTR_EVENT_TASK_START,
        CTR_EVENT_TASK_OOM,
        CTR_EVENT_TASK_EXIT, /* also of execs */
        CTR_EVENT_TASK_DELETE,
        CTR_EVENT_CONTAINER_CREATE,
        CTR_EVENT_CONTAINER_UPDATE,
        CTR_EVENT_CONTAINER_DELETE,
        CTR_EVENT_IMAGE_CREATE,
        CTR_EVENT_IMAGE_UPDATE,
        CTR_EVENT_IMAGE_DELETE,
} CtrEventType;

typedef struct CtrEvent {
        CtrEventType type;
        char *topic;          /* "/tasks/exit" */
        char *id;             /* the container's id, or the image's name */
        char *exec_id;        /* of a task's exit and delete: NULL when it is the task itself that ended */
        uint32_t pid;         /* task create, start, exit, delete */
        uint32_t exit_status; /* task exit, delete */
        uint64_t time_usec;
} CtrEvent;

void ctr_event_clear(CtrEvent *event);

typedef struct CtrEvents CtrEvents;

/* The topic of ctr_events_settle()'s own event. */
#define CTR_EVENTS_SETTLED_TOPIC "/cruxd/subscribed"

/* Subscribes to what matches any of the filters (strv, NULL for all): "topic==\"/tasks/exit\"", which needs
 * the quotes. Events of other namespaces are passed over. What happens before containerd has taken the
 * subscription is not told, and it does not say when it has: that is what ctr_events_settle() is for. A
 * filter that cannot be read is an error of ctr_events_next(). */
int ctr_events_subscribe(CtrClient *client, char *const *filters, CtrEvents **ret, Error *error);

/* Waits until containerd has taken the subscription: publishes an event in the client's namespace until it
 * comes back, which the filters must let pass. Events before it are passed over. Whoever looks at a state
 * after this misses no change of it. ERROR_UNAVAILABLE when none comes back. */
int ctr_events_settle(CtrEvents *events, Error *error);

/* The next one: 1; 0 when none came within the time (USEC_INFINITY: no limit); ERROR_UNAVAILABLE when
 * containerd went, after which the subscription is of no use. */
int ctr_events_next(CtrEvents *events, uint64_t timeout_usec, CtrEvent *ret, Error *error);

/* Gives NULL. */
CtrEvents *ctr_events_free(CtrEvents *events);
DEFINE_CLEANUP(CtrEvents *, ctr_events_free);
