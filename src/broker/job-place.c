/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/job-place.h"

#include "base/string-util.h"
#include "protocol/envelope.h"

static int read_line(json_object *payload, const char *text, JobLine *ret) {
        _cleanup_(job_line_clear) JobLine line = {};
        const char *stream = "stdout";
        int r;

        r = json_get_string(payload, "stream", &stream, NULL);
        if (r >= 0)
                r = free_and_strdup(&line.stream, stream);
        if (r >= 0)
                r = free_and_strdup(&line.text, text);
        if (r < 0)
                return r;
        *ret = line;
        line = (JobLine) {};
        return JOB_NEWS_LINE;
}

int job_place_read(JobPlace *place, const char *line, size_t length, JobLine *ret_line) {
        _cleanup_json_ json_object *payload = NULL;
        const char *platform = place->platform, *stage = place->stage, *text = NULL;
        int64_t step = place->step, n_steps = place->n_steps, bytes = -1;
        int r;

        r = reply_decode(line, length, &payload, NULL, NULL);
        if (r < 0)
                return r;
        /* A line of output may hold a NUL, which is no string to us: it is in the journal. */
        (void) json_get_string(payload, "line", &text, NULL);
        if (text)
                return read_line(payload, text, ret_line);
        r = json_get_string(payload, "platform", &platform, NULL);
        if (r >= 0)
                r = json_get_string(payload, "stage", &stage, NULL);
        if (r >= 0)
                r = json_get_int64(payload, "step", &step, NULL);
        if (r >= 0)
                r = json_get_int64(payload, "of", &n_steps, NULL);
        if (r >= 0)
                r = json_get_int64(payload, "bytes", &bytes, NULL);
        if (r < 0)
                return r;
        if (bytes >= 0) {
                place->bytes = (uint64_t) bytes;
                return JOB_NEWS_BYTES;
        }
        if ((platform != place->platform && free_and_strdup(&place->platform, platform) < 0) ||
            (stage != place->stage && free_and_strdup(&place->stage, stage) < 0))
                return -ENOMEM;
        place->step = (uint32_t) step;
        place->n_steps = (uint32_t) n_steps;
        return JOB_NEWS_PLACE;
}

void job_place_clear(JobPlace *place) {
        free(place->platform);
        free(place->stage);
        *place = (JobPlace) {};
}

void job_line_clear(JobLine *line) {
        free(line->stream);
        free(line->text);
        *line = (JobLine) {};
}
