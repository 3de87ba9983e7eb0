/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/progress.h"

#include <stdio.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"

/* One progress line; a client that cannot be reached is noticed by the broker, which cancels. */
static void send_payload(const Progress *progress, json_object *payload) {
        _cleanup_(buffer_clear) Buffer line = {};

        if (reply_write(REPLY_PROGRESS, payload, &line) >= 0)
                (void) write_all(progress->work->reply_fd, line.data, line.length);
}

static json_object *new_payload(const Progress *progress, const BuildPlace *place) {
        _cleanup_json_ json_object *payload = json_object_new_object();
        const char *job = progress->work->request->job;

        if (!payload || (job && json_add_string(payload, "job", job) < 0) ||
            json_add_string(payload, "platform", place->platform) < 0 ||
            json_add_string(payload, "stage", place->stage) < 0 ||
            json_add(payload, "step", json_object_new_int64(place->step)) < 0 ||
            json_add(payload, "of", json_object_new_int64(place->n_steps)) < 0)
                return NULL;
        return TAKE_PTR(payload);
}

static void on_step(void *userdata, const BuildPlace *place, const char *words) {
        Progress *progress = userdata;
        char platform[128], stage[128], step[32];

        snprintf(platform, sizeof(platform), "CRUXD_PLATFORM=%s", place->platform);
        snprintf(stage, sizeof(stage), "CRUXD_STAGE=%s", place->stage);
        snprintf(step, sizeof(step), "CRUXD_STEP=%u", place->step);
        if (place->step > 0)
                log_struct(LOG_INFO, LOG_FIELDS(platform, stage, step), "%s, stage %s, step %u of %u: %s",
                           place->platform, place->stage, place->step, place->n_steps, words);
        else
                log_struct(LOG_INFO, LOG_FIELDS(platform, stage), "%s, stage %s: %s", place->platform,
                           place->stage, words);

        progress->bytes_told_usec = 0;
        if (!progress->wanted)
                return;
        _cleanup_json_ json_object *payload = new_payload(progress, place);
        if (payload && json_add_string(payload, "words", words) >= 0)
                send_payload(progress, payload);
}

static void on_line(void *userdata, const BuildPlace *place, Stream stream, const char *line, size_t n,
                    bool partial) {
        const Progress *progress = userdata;
        char platform[128], stage[128], step[32];

        snprintf(platform, sizeof(platform), "CRUXD_PLATFORM=%s", place->platform);
        snprintf(stage, sizeof(stage), "CRUXD_STAGE=%s", place->stage);
        snprintf(step, sizeof(step), "CRUXD_STEP=%u", place->step);
        log_bytes(LOG_INFO,
                  LOG_FIELDS(platform, stage, step,
                             stream == STREAM_STDERR ? "CRUXD_STREAM=stderr" : "CRUXD_STREAM=stdout",
                             partial ? "CRUXD_PARTIAL_MESSAGE=true" : NULL),
                  "  | ", line, n);
        if (!progress->wanted)
                return;
        _cleanup_json_ json_object *payload = new_payload(progress, place);
        if (payload && json_add_string(payload, "stream", stream_to_string(stream)) >= 0 &&
            json_add(payload, "line", json_new_string(line, n)) >= 0 &&
            (!partial || json_add(payload, "partial", json_object_new_boolean(true)) >= 0))
                send_payload(progress, payload);
}

static void on_bytes(void *userdata, const BuildPlace *place, uint64_t bytes) {
        Progress *progress = userdata;
        uint64_t now;

        if (!progress->wanted)
                return;
        now = now_usec(CLOCK_MONOTONIC);
        if (now - progress->bytes_told_usec < PROGRESS_BYTES_INTERVAL_USEC)
                return;
        progress->bytes_told_usec = now;
        _cleanup_json_ json_object *payload = new_payload(progress, place);
        if (payload && json_add(payload, "bytes", json_object_new_int64((int64_t) bytes)) >= 0)
                send_payload(progress, payload);
}

void progress_start(Progress *progress, Work *work) {
        *progress = (Progress) {
                .observer = { .step = on_step, .line = on_line, .bytes = on_bytes, .userdata = progress },
                .work = work,
                .wanted = work->request->request.payload.progress,
        };
}
