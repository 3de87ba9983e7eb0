/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/content-writer.h"

#include <inttypes.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/content.h"
#include "containerd/convert.h"
#include "containerd/leases.h"
#include "containerd/stream.h"
#include "containerd/unary.h"
#include "proto/content.pb-c.h"

/* The data of one message, in bytes: what is written in less is put together. */
#define CHUNK_SIZE MIB(1)

/* Messages that are sent before the first of them is answered. */
#define IN_FLIGHT_MAX 8

/* A reference is held for a moment after its writer has gone: how long that is waited for, in microseconds.
 */
#define HELD_ATTEMPTS 20
#define HELD_PAUSE_USEC 25000

static const Method write_method = {
        .path = "/containerd.services.content.v1.Content/Write",
        .request = &content__write_content_request__descriptor,
        .reply = &content__write_content_response__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

static const Method abort_method = {
        .path = "/containerd.services.content.v1.Content/Abort",
        .request = &content__abort_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_CHANGE_SEC,
        .repeat = REPEAT_DELETE,
};

struct CtrWriter {
        CtrClient *client;
        Stream *stream;
        unsigned in_flight;
        uint64_t sent; /* offset behind the last message's data */
        uint8_t *chunk;
        size_t chunk_n;
        char *digest; /* of all that has been answered, as containerd computes it; NULL before the first */
};

CtrWriter *ctr_writer_free(CtrWriter *writer) {
        if (!writer)
                return NULL;
        stream_free(writer->stream);
        free(writer->chunk);
        free(writer->digest);
        return mfree(writer);
}

uint64_t ctr_writer_get_offset(CtrWriter *writer) {
        return writer->sent + writer->chunk_n;
}

/* Takes one answer: 1; 0 when the stream has ended; -ETIMEDOUT, without words, when none came in time. */
static int writer_take_answer(CtrWriter *writer, gpr_timespec deadline, Content__WriteContentResponse **ret,
                              Error *error) {
        _cleanup_byte_buffer_ grpc_byte_buffer *buffer = NULL;
        _cleanup_message_ Content__WriteContentResponse *answer = NULL;
        int r;

        r = stream_receive(writer->stream, deadline, &buffer, error);
        if (r <= 0)
                return r;
        r = message_read(write_method.reply, buffer, &answer, error);
        if (r < 0)
                return r;
        if (!isempty(answer->digest) && free_and_strdup(&writer->digest, answer->digest) < 0)
                return error_oom(error);
        if (writer->in_flight > 0)
                writer->in_flight--;
        if (ret)
                *ret = TAKE_PTR(answer);
        return 1;
}

static int writer_wait_answer(CtrWriter *writer, Content__WriteContentResponse **ret, Error *error) {
        int r = writer_take_answer(writer, deadline_in(STREAM_STALL_SEC * USEC_PER_SEC), ret, error);

        return r == -ETIMEDOUT ? stream_stalled(writer->stream, error) : r;
}

static int writer_ended(CtrWriter *writer, Error *error) {
        return error_set(error, ERROR_INTERNAL, "containerd at %s ended a write before it was whole",
                         ctr_client_get_address(writer->client));
}

/* The peer takes no more: its answers end in the reason. */
static int writer_find_reason(CtrWriter *writer, Error *error) {
        int r;

        do
                r = writer_wait_answer(writer, NULL, error);
        while (r > 0);
        return r < 0 ? r : writer_ended(writer, error);
}

static int writer_send(CtrWriter *writer, const Content__WriteContentRequest *request, Error *error) {
        int r;

        while (writer->in_flight >= IN_FLIGHT_MAX) {
                r = writer_wait_answer(writer, NULL, error);
                if (r <= 0)
                        return r < 0 ? r : writer_ended(writer, error);
        }
        r = stream_send(writer->stream, &request->base, error);
        if (r == -EPIPE)
                return writer_find_reason(writer, error);
        if (r < 0)
                return r;
        writer->in_flight++;

        /* Those that are there already. */
        do
                r = writer_take_answer(writer, gpr_time_0(GPR_CLOCK_MONOTONIC), NULL, error);
        while (r > 0);
        if (r == 0)
                return writer_ended(writer, error);
        return r == -ETIMEDOUT ? 0 : r;
}

static int writer_send_data(CtrWriter *writer, const void *data, size_t n, Error *error) {
        Content__WriteContentRequest request = CONTENT__WRITE_CONTENT_REQUEST__INIT;
        int r;

        request.action = CONTENT__WRITE_ACTION__WRITE;
        request.offset = (int64_t) writer->sent;
        request.data = (ProtobufCBinaryData) { .data = (uint8_t *) data, .len = n };
        r = writer_send(writer, &request, error);
        if (r < 0)
                return r;
        writer->sent += n;
        return 0;
}

static int writer_flush(CtrWriter *writer, Error *error) {
        int r;

        if (writer->chunk_n == 0)
                return 0;
        r = writer_send_data(writer, writer->chunk, writer->chunk_n, error);
        if (r < 0)
                return r;
        writer->chunk_n = 0;
        return 0;
}

static int writer_open(CtrWriter *writer, const char *reference, const char *digest, uint64_t size,
                       Error *error) {
        Content__WriteContentRequest request = CONTENT__WRITE_CONTENT_REQUEST__INIT;
        _cleanup_message_ Content__WriteContentResponse *answer = NULL;
        int r;

        writer->stream = stream_free(writer->stream);
        r = stream_new(writer->client, &write_method, NULL, &writer->stream, error);
        if (r < 0)
                return r;
        request.action = CONTENT__WRITE_ACTION__STAT;
        request.ref = (char *) reference;
        request.expected = (char *) digest;
        request.total = (int64_t) size;
        r = stream_send(writer->stream, &request.base, error);
        if (r < 0 && r != -EPIPE)
                return r;
        r = writer_wait_answer(writer, &answer, error);
        if (r < 0)
                return r;
        if (r == 0 || answer->offset < 0)
                return writer_ended(writer, error);
        writer->sent = (uint64_t) answer->offset;
        return 0;
}

/* containerd calls a reference that another writer holds unavailable, as it is itself when it has gone. */
static bool is_held(const Error *error) {
        return strstr(error_message(error), " locked");
}

int ctr_writer_new(CtrClient *client, const char *reference, const char *digest, uint64_t size,
                   CtrWriter **ret, Error *error) {
        _cleanup_(ctr_writer_freep) CtrWriter *writer = new0(CtrWriter, 1);
        _cleanup_(error_clear) Error e = {};
        int r;

        if (size > INT64_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "no blob is as large as that");
        if (!writer)
                return error_oom(error);
        writer->client = client;
        writer->chunk = malloc(CHUNK_SIZE);
        if (!writer->chunk)
                return error_oom(error);

        r = writer_open(writer, reference, digest, size, &e);
        if (r == -EHOSTDOWN && !is_held(&e))
                r = writer_open(writer, reference, digest, size, &e);
        for (unsigned i = 0; i < HELD_ATTEMPTS && r == -EHOSTDOWN && is_held(&e); i++) {
                usleep(HELD_PAUSE_USEC);
                r = writer_open(writer, reference, digest, size, &e);
        }
        if (r == -EEXIST) {
                *ret = NULL;
                return 1;
        }
        if (r < 0) {
                if (r == -EHOSTDOWN && is_held(&e))
                        r = error_recode(&e, ERROR_BUSY);
                error_move(error, &e);
                return r;
        }
        *ret = TAKE_PTR(writer);
        return 0;
}

int ctr_writer_write(CtrWriter *writer, const void *data, size_t n, Error *error) {
        const uint8_t *p = data;
        int r;

        while (n > 0) {
                size_t piece;

                if (writer->chunk_n == 0 && n >= CHUNK_SIZE) {
                        /* Whole messages go without a stop in the chunk. */
                        piece = CHUNK_SIZE;
                        r = writer_send_data(writer, p, piece, error);
                } else {
                        piece = MIN(n, CHUNK_SIZE - writer->chunk_n);
                        memcpy(writer->chunk + writer->chunk_n, p, piece);
                        writer->chunk_n += piece;
                        r = writer->chunk_n == CHUNK_SIZE ? writer_flush(writer, error) : 0;
                }
                if (r < 0)
                        return r;
                p += piece;
                n -= piece;
        }
        return 0;
}

int ctr_writer_truncate(CtrWriter *writer, Error *error) {
        writer->chunk_n = 0;
        writer->sent = 0;
        /* A write at 0 is how containerd is told; without data it does nothing else. */
        return writer_send_data(writer, NULL, 0, error);
}

/* A blob that is there without having been committed by us: gives it what ours would have had. */
static int adopt_blob(CtrClient *client, const char *digest, const CtrLabels *labels, Error *error) {
        _cleanup_free_ char *lease = NULL;
        int r;

        r = client_get_lease(client, &lease);
        if (r < 0)
                return error_oom(error);
        if (lease) {
                r = ctr_lease_add_resource(client, lease, "content", digest, error);
                if (r < 0)
                        return r;
        }
        return ctr_content_update_labels(client, digest, labels, error);
}

static int writer_send_commit(CtrWriter *writer, const char *digest, uint64_t size, const CtrLabels *labels,
                              Error *error) {
        Content__WriteContentRequest request = CONTENT__WRITE_CONTENT_REQUEST__INIT;
        _cleanup_free_ Pb__Label **written = NULL;
        int r;

        r = writer_flush(writer, error);
        if (r < 0)
                return r;
        if (write_labels(labels, &written, &request.n_labels) < 0)
                return error_oom(error);
        request.action = CONTENT__WRITE_ACTION__COMMIT;
        request.offset = (int64_t) writer->sent; /* 0 would truncate */
        request.total = (int64_t) size;
        request.expected = (char *) digest;
        request.labels = written;
        r = stream_send(writer->stream, &request.base, error);
        if (r < 0 && r != -EPIPE)
                return r;
        /* Until the end of the stream: a commit is answered twice. */
        do
                r = writer_wait_answer(writer, NULL, error);
        while (r > 0);
        return r;
}

int ctr_writer_commit(CtrWriter *writer, const char *digest, uint64_t size, const CtrLabels *labels,
                      char **ret_digest, Error *error) {
        _cleanup_(error_clear) Error e = {};
        int r;

        r = writer_send_commit(writer, digest, size, labels, &e);
        const char *known = isempty(digest) ? writer->digest : digest;
        if (r == -EHOSTDOWN && !isempty(digest)) {
                /* Whether it was committed before the connection was lost can be seen. (Not by the digest of
                 * what was answered, which may be another blob's that this one begins with.) */
                _cleanup_(ctr_content_info_clear) CtrContentInfo info = {};
                if (ctr_content_info(writer->client, known, &info, NULL) >= 0)
                        r = -EEXIST;
        }
        if (r == -EEXIST && known) {
                error_clear(&e);
                r = adopt_blob(writer->client, known, labels, &e);
        } else if (r == -EBUSY)
                r = error_recode(&e, ERROR_INVALID_ARGUMENT);
        if (r >= 0 && !known)
                r = error_set(&e, ERROR_INTERNAL, "containerd does not tell the digest of what it committed");
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        if (ret_digest) {
                *ret_digest = strdup(known);
                if (!*ret_digest)
                        return error_oom(error);
        }
        return 0;
}

int ctr_content_abort(CtrClient *client, const char *reference, Error *error) {
        Content__AbortRequest request = CONTENT__ABORT_REQUEST__INIT;

        request.ref = (char *) reference;
        return call_unary(client, &abort_method, &request.base, NULL, error);
}

int ctr_content_write(CtrClient *client, const char *digest, const void *data, size_t n,
                      const CtrLabels *labels, Error *error) {
        _cleanup_(ctr_writer_freep) CtrWriter *writer = NULL;
        _cleanup_free_ char *reference = NULL;
        uint64_t number;
        int r;

        /* A name that nobody else has: who writes the same at the same time is not waited for. */
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return error_set_errno(error, errno, "cannot get a random number");
        reference = format_string("cruxd-%s-%016" PRIx64, digest, number);
        if (!reference)
                return error_oom(error);

        r = ctr_writer_new(client, reference, digest, n, &writer, error);
        if (r > 0) {
                r = ctr_content_update_labels(client, digest, labels, error);
                return r < 0 ? r : 1;
        }
        if (r < 0)
                return r;
        /* Where another namespace has the blob, nothing is left to be written. */
        const size_t there = MIN(ctr_writer_get_offset(writer), n);
        r = ctr_writer_write(writer, (const char *) data + there, n - there, error);
        if (r >= 0)
                r = ctr_writer_commit(writer, digest, n, labels, NULL, error);
        if (r < 0) {
                CTR_SHIELD();
                writer = ctr_writer_free(writer);
                (void) ctr_content_abort(client, reference, NULL);
        }
        return r;
}
