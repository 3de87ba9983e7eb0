/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/convert.h"
#include "containerd/stream.h"
#include "proto/streaming.pb-c.h"
#include "proto/transfer.pb-c.h"

/* How long the last lines of progress are waited for when the transfer itself is over. */
#define DRAIN_USEC (200 * USEC_PER_MSEC)

static const Method transfer_method = {
        .path = "/containerd.services.transfer.v1.Transfer/Transfer",
        .request = &transfer__transfer_request__descriptor,
        .reply = &pb__empty__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

static const Method stream_method = {
        .path = "/containerd.services.streaming.v1.Streaming/Stream",
        .request = &pb__any__descriptor,
        .reply = &pb__any__descriptor,
        .timeout_sec = TIMEOUT_NONE,
};

#define STREAM_ID_SIZE 40

/* A call and its two side streams, on one queue, so that one thread serves all: containerd sends progress on
 * the one and asks for credentials on the other, which belong to the call by their ids. */
typedef struct Transfer {
        const CtrPull *pull;
        grpc_completion_queue *queue;
        Stream *call, *progress, *auth;
        char progress_id[STREAM_ID_SIZE], auth_id[STREAM_ID_SIZE];
} Transfer;

static void transfer_clear(Transfer *transfer) {
        stream_free(transfer->auth);
        stream_free(transfer->progress);
        stream_free(transfer->call);
        queue_free(transfer->queue);
}

void ctr_credentials_clear(CtrCredentials *credentials) {
        if (credentials->username)
                explicit_bzero(credentials->username, strlen(credentials->username));
        if (credentials->secret)
                explicit_bzero(credentials->secret, strlen(credentials->secret));
        free(credentials->username);
        free(credentials->secret);
        *credentials = (CtrCredentials) {};
}

/* Opens a side stream: containerd says when it knows its id. */
static int transfer_open(Transfer *transfer, CtrClient *client, const char *what, Stream **ret,
                         char id[static STREAM_ID_SIZE], Error *error) {
        Streaming__StreamInit init = STREAMING__STREAM_INIT__INIT;
        _cleanup_(stream_freep) Stream *stream = NULL;
        _cleanup_message_ Pb__Any *answer = NULL;
        Pb__Any any = PB__ANY__INIT;
        uint64_t number;
        int r;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
                return error_set_errno(error, errno, "cannot get a random number");
        snprintf(id, STREAM_ID_SIZE, "cruxd-%s-%016" PRIx64, what, number);

        r = stream_new(client, &stream_method, transfer->queue, &stream, error);
        if (r < 0)
                return r;
        init.id = id;
        if (write_any("containerd.services.streaming.v1.StreamInit", &init.base, &any) < 0)
                return error_oom(error);
        r = stream_send(stream, &any.base, error);
        free(any.value.data);
        if (r < 0 && r != -EPIPE)
                return r;
        r = stream_receive_message(stream, &answer, error);
        if (r == 0)
                return error_set(error, ERROR_INTERNAL, "containerd ended the %s stream", what);
        if (r < 0)
                return r;
        r = stream_start_receive(stream, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(stream);
        return 0;
}

/* The message that has come on a side stream, or NULL with the stream gone: what happens to those is told by
 * the call itself. */
static Pb__Any *take_any(Stream **stream) {
        Pb__Any *any = NULL;

        if (stream_receive_message(*stream, &any, NULL) <= 0 || stream_start_receive(*stream, NULL) < 0) {
                message_freep(&any);
                any = NULL;
                *stream = stream_free(*stream);
        }
        return any;
}

static void transfer_serve_progress(Transfer *transfer) {
        _cleanup_message_ Pb__Any *any = take_any(&transfer->progress);
        _cleanup_message_ Transfer__Progress *progress = NULL;

        if (!any_is(any, "containerd.types.transfer.Progress") ||
            message_unpack(&transfer__progress__descriptor, any->value.data, any->value.len, &progress,
                           NULL) < 0)
                return;
        transfer->pull->progress(
                &(CtrProgress) {
                        .event = progress->event,
                        .name = progress->name,
                        .done = progress->progress,
                        .total = progress->total,
                },
                transfer->pull->userdata);
}

static int transfer_answer(Transfer *transfer, const CtrCredentials *credentials, Error *error) {
        Transfer__AuthResponse response = TRANSFER__AUTH_RESPONSE__INIT;
        Pb__Any any = PB__ANY__INIT;
        int r;

        response.username = credentials->username;
        response.secret = credentials->secret;
        if (!isempty(credentials->username))
                response.authtype = TRANSFER__AUTH_TYPE__CREDENTIALS;
        else if (!isempty(credentials->secret))
                response.authtype = TRANSFER__AUTH_TYPE__REFRESH;
        else
                response.authtype = TRANSFER__AUTH_TYPE__NONE;
        if (write_any("containerd.types.transfer.AuthResponse", &response.base, &any) < 0)
                return error_oom(error);
        r = stream_send(transfer->auth, &any.base, error);
        explicit_bzero(any.value.data, any.value.len);
        free(any.value.data);
        return r == -EPIPE ? 0 : r;
}

static int transfer_serve_auth(Transfer *transfer, Error *error) {
        _cleanup_message_ Pb__Any *any = take_any(&transfer->auth);
        _cleanup_message_ Transfer__AuthRequest *request = NULL;
        _cleanup_(ctr_credentials_clear) CtrCredentials credentials = {};
        int r;

        if (!any_is(any, "containerd.types.transfer.AuthRequest"))
                return 0;
        r = message_unpack(&transfer__auth_request__descriptor, any->value.data, any->value.len, &request,
                           error);
        if (r < 0)
                return r;
        r = transfer->pull->credentials(request->host, request->reference, &credentials,
                                        transfer->pull->userdata, error);
        if (r < 0)
                return r;
        return transfer_answer(transfer, &credentials, error);
}

static void any_clear(Pb__Any *any) {
        free(any->value.data);
}

static int write_source(const Transfer *transfer, Pb__Any *ret) {
        Transfer__OCIRegistry registry = TRANSFER__OCIREGISTRY__INIT;
        Transfer__RegistryResolver resolver = TRANSFER__REGISTRY_RESOLVER__INIT;

        resolver.auth_stream = (char *) transfer->auth_id;
        resolver.host_dir = (char *) transfer->pull->host_dir;
        resolver.default_scheme = (char *) transfer->pull->default_scheme;
        registry.reference = (char *) transfer->pull->reference;
        registry.resolver = &resolver;
        return write_any("containerd.types.transfer.OCIRegistry", &registry.base, ret);
}

static int write_destination(const CtrPull *pull, Pb__Any *ret) {
        Transfer__ImageStore store = TRANSFER__IMAGE_STORE__INIT;
        _cleanup_free_ Pb__Label **labels = NULL;
        _cleanup_free_ Types__Platform **platforms = NULL;
        _cleanup_free_ Transfer__UnpackConfiguration *unpacks =
                new0(Transfer__UnpackConfiguration, pull->platform_count + 1);
        _cleanup_free_ Transfer__UnpackConfiguration **pointers =
                new0(Transfer__UnpackConfiguration *, pull->platform_count + 1);

        if (!unpacks || !pointers || write_labels(pull->labels, &labels, &store.n_labels) < 0 ||
            write_platforms(pull->platforms, pull->platform_count, &platforms, &store.n_platforms) < 0)
                return -ENOMEM;
        store.name = (char *) (pull->name ? pull->name : pull->reference);
        store.labels = labels;
        store.platforms = platforms;
        for (size_t i = 0; pull->unpack && i < pull->platform_count; i++) {
                transfer__unpack_configuration__init(&unpacks[i]);
                unpacks[i].platform = platforms[i];
                unpacks[i].snapshotter = (char *) pull->snapshotter;
                pointers[store.n_unpacks++] = &unpacks[i];
        }
        store.unpacks = pointers;
        return write_any("containerd.types.transfer.ImageStore", &store.base, ret);
}

static int transfer_start(Transfer *transfer, CtrClient *client, Error *error) {
        const CtrPull *pull = transfer->pull;
        Transfer__TransferRequest request = TRANSFER__TRANSFER_REQUEST__INIT;
        Transfer__TransferOptions options = TRANSFER__TRANSFER_OPTIONS__INIT;
        _cleanup_(any_clear) Pb__Any source = PB__ANY__INIT, destination = PB__ANY__INIT;
        int r;

        if (write_source(transfer, &source) < 0 || write_destination(pull, &destination) < 0)
                return error_oom(error);
        options.progress_stream = transfer->progress_id;
        request.source = &source;
        request.destination = &destination;
        request.options = &options;

        r = stream_new(client, &transfer_method, transfer->queue, &transfer->call, error);
        if (r < 0)
                return r;
        r = stream_send(transfer->call, &request.base, error);
        if (r >= 0)
                r = stream_send_end(transfer->call, error);
        if (r < 0 && r != -EPIPE)
                return r;
        return stream_start_receive(transfer->call, error);
}

/* Serves the side streams until the call is answered. */
static int transfer_run(Transfer *transfer, Error *error) {
        _cleanup_message_ Pb__Empty *reply = NULL;
        int r;

        /* What is there goes before waiting for more: a question may have come while something else was sent,
         * and containerd says nothing further before it is answered. */
        while (!transfer->call->receive.done)
                if (transfer->auth && transfer->auth->receive.done) {
                        r = transfer_serve_auth(transfer, error);
                        if (r < 0)
                                return r;
                } else if (transfer->progress && transfer->progress->receive.done)
                        transfer_serve_progress(transfer);
                else
                        (void) stream_take_event(transfer->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC));
        /* Only the end of the messages brings the status. */
        r = stream_receive_message(transfer->call, &reply, error);
        if (r <= 0)
                return r;
        message_freep(&reply);
        reply = NULL;
        r = stream_receive_message(transfer->call, &reply, error);
        if (r > 0)
                return error_set(error, ERROR_INTERNAL, "containerd gave several replies to a transfer");
        return r;
}

/* What containerd has said before the end and is on its way. */
static void transfer_drain(Transfer *transfer) {
        const gpr_timespec until = deadline_in(DRAIN_USEC);

        while (transfer->progress && stream_wait(transfer->progress, &transfer->progress->receive, until))
                transfer_serve_progress(transfer);
}

static bool says_one_of(const Error *error, const char *const *words) {
        for (; *words; words++)
                if (strstr(error_message(error), *words))
                        return true;
        return false;
}

/* What registries say to those who they do not let in reaches us as an error of no kind, and that what they
 * gave is not what its digest or size says as a precondition that failed. */
static int explain(Error *error, int r) {
        static const char *const refusals[] = { "401 Unauthorized", "403 Forbidden", "authorization failed",
                                                NULL };
        static const char *const mismatches[] = { "unexpected commit digest", "failed size validation",
                                                  NULL };

        if (error->code == ERROR_INTERNAL && says_one_of(error, refusals))
                return error_recode(error, ERROR_PERMISSION_DENIED);
        if (error->code == ERROR_BUSY && says_one_of(error, mismatches))
                return error_recode(error, ERROR_INVALID_ARGUMENT);
        return r;
}

int ctr_pull(CtrClient *client, const CtrPull *pull, Error *error) {
        _cleanup_(transfer_clear) Transfer transfer = { .pull = pull };
        int r;

        transfer.queue = grpc_completion_queue_create_for_next(NULL);
        if (pull->progress) {
                r = transfer_open(&transfer, client, "progress", &transfer.progress, transfer.progress_id,
                                  error);
                if (r < 0)
                        return r;
        }
        if (pull->credentials) {
                r = transfer_open(&transfer, client, "auth", &transfer.auth, transfer.auth_id, error);
                if (r < 0)
                        return r;
        }
        r = transfer_start(&transfer, client, error);
        if (r < 0)
                return r;
        _cleanup_(error_clear) Error e = {};
        r = transfer_run(&transfer, &e);
        if (r >= 0)
                transfer_drain(&transfer);
        else {
                r = explain(&e, r);
                error_move(error, &e);
        }
        return r;
}
