/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/events.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/event-decode.h"
#include "containerd/stream.h"
#include "containerd/unary.h"

/* How long an event may take to come back before another one is sent, at first and at most, in microseconds,
 * and how many are sent. */
#define SETTLE_FIRST_USEC UINT64_C(2000)
#define SETTLE_MAX_USEC UINT64_C(100000)
#define SETTLE_TRIES 100U

static const Method subscribe = {
        .path = "/containerd.services.events.v1.Events/Subscribe",
        .request = &events__subscribe_request__descriptor,
        .reply = &events__envelope__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

static const Method publish = {
        .path = "/containerd.services.events.v1.Events/Publish",
        .request = &events__publish_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

struct CtrEvents {
        CtrClient *client;
        Stream *stream;
};

void ctr_event_clear(CtrEvent *event) {
        free(event->topic);
        free(event->id);
        free(event->exec_id);
        *event = (CtrEvent) {};
}

int ctr_events_subscribe(CtrClient *client, char *const *filters, CtrEvents **ret, Error *error) {
        Events__SubscribeRequest request = EVENTS__SUBSCRIBE_REQUEST__INIT;
        _cleanup_(ctr_events_freep) CtrEvents *events = new0(CtrEvents, 1);
        int r;

        if (!events)
                return error_oom(error);
        events->client = client;
        request.filters = (char **) filters;
        request.n_filters = strv_length(filters);
        r = stream_call(client, &subscribe, &request.base, &events->stream, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(events);
        return 0;
}

CtrEvents *ctr_events_free(CtrEvents *events) {
        if (!events)
                return NULL;
        stream_free(events->stream);
        return mfree(events);
}

int ctr_events_next(CtrEvents *events, uint64_t timeout_usec, CtrEvent *ret, Error *error) {
        const gpr_timespec deadline = deadline_in(timeout_usec);
        int r;

        for (;;) {
                _cleanup_byte_buffer_ grpc_byte_buffer *buffer = NULL;
                _cleanup_message_ Events__Envelope *envelope = NULL;
                _cleanup_(ctr_event_clear) CtrEvent event = {};

                r = stream_receive(events->stream, deadline, &buffer, error);
                if (r == -ETIMEDOUT)
                        return 0;
                if (r == 0)
                        return error_set(error, ERROR_UNAVAILABLE, "containerd at %s tells no more events",
                                         ctr_client_get_address(events->client));
                if (r < 0)
                        return r;
                r = message_read(&events__envelope__descriptor, buffer, &envelope, error);
                if (r < 0)
                        return r;
                if (!streq(envelope->namespace_, ctr_client_get_namespace(events->client)))
                        continue;
                r = event_decode(envelope, &event, error);
                if (r < 0)
                        return r;
                *ret = TAKE(event, (CtrEvent) {});
                return 1;
        }
}

static int publish_settled(CtrEvents *events, Error *error) {
        Events__PublishRequest request = EVENTS__PUBLISH_REQUEST__INIT;
        Pb__Any event = PB__ANY__INIT;

        event.type_url = (char *) "google.protobuf.Empty";
        request.topic = (char *) CTR_EVENTS_SETTLED_TOPIC;
        request.event = &event;
        return call_unary(events->client, &publish, &request.base, NULL, error);
}

int ctr_events_settle(CtrEvents *events, Error *error) {
        uint64_t pause_usec = SETTLE_FIRST_USEC;

        for (unsigned i = 0; i < SETTLE_TRIES; i++) {
                int r = publish_settled(events, error);

                if (r < 0)
                        return r;
                for (;;) {
                        _cleanup_(ctr_event_clear) CtrEvent event = {};

                        r = ctr_events_next(events, pause_usec, &event, error);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                break;
                        if (streq(event.topic, CTR_EVENTS_SETTLED_TOPIC))
                                return 0;
                }
                pause_usec = MIN(pause_usec * 2, SETTLE_MAX_USEC);
        }
        return error_set(error, ERROR_UNAVAILABLE, "containerd at %s takes no subscription to its events",
                         ctr_client_get_address(events->client));
}
