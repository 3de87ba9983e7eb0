/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <string.h>

#include "containerd/content-data.h"
#include "containerd/event-decode.h"
#include "containerd/message.h"
#include "proto/content.pb-c.h"

/* Where protobuf-c reads the message, our own reader finds the same data. */
static void try_content(const uint8_t *data, size_t size) {
        _cleanup_message_ Content__ReadContentResponse *message = NULL;
        const uint8_t *found = NULL;
        size_t n = 0;
        int r = content_data_find(data, size, &found, &n);

        if (r >= 0)
                FUZZ_ASSERT(found >= data && found + n <= data + size);
        if (message_unpack(&content__read_content_response__descriptor, data, size, &message, NULL) >= 0) {
                FUZZ_ASSERT(r >= 0);
                FUZZ_ASSERT(n == message->data.len);
                FUZZ_ASSERT(n == 0 || memcmp(found, message->data.data, n) == 0);
        }
}

static void try_event(const uint8_t *data, size_t size) {
        _cleanup_message_ Events__Envelope *envelope = NULL;
        _cleanup_(ctr_event_clear) CtrEvent event = {};
        _cleanup_(error_clear) Error error = {};

        if (message_unpack(&events__envelope__descriptor, data, size, &envelope, NULL) < 0)
                return;
        if (event_decode(envelope, &event, &error) >= 0)
                FUZZ_ASSERT(event.topic);
        else
                FUZZ_ASSERT(error_is_set(&error) && !event.topic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        try_content(data, size);
        try_event(data, size);
        return 0;
}
