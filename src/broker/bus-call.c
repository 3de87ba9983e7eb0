/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus-call.h"

#include "base/log.h"
#include "broker/bus-arguments.h"
#include "broker/bus-peer.h"
#include "broker/job-bus.h"
#include "broker/manager.h"
#include "broker/polkit.h"
#include "broker/request.h"

/* Of a caller who may never be allowed anything. The job, if it comes to that, is charged by itself. */
static int charge(BusCall *call, Error *error) {
        UserTable *users = &call->bus->manager->users;
        int r;

        User *user = user_get(users, call->peer.uid);
        if (!user)
                return error_oom(error);
        r = user_charge_bytes(users, user, sizeof(BusCall) + call->size, error);
        if (r < 0) {
                user_put(users, user);
                return r;
        }
        call->user = user;
        return 0;
}

static void discharge(BusCall *call) {
        UserTable *users = &call->bus->manager->users;
        User *user = TAKE_PTR(call->user);

        if (!user)
                return;
        user_discharge_bytes(users, user, sizeof(BusCall) + call->size);
        user_put(users, user);
}

static void set_queried(BusCall *call, bool queried) {
        call->bus->n_queried += queried;
        call->bus->n_queried -= call->is_queried;
        call->is_queried = queried;
}

static BusCall *bus_call_free(BusCall *call) {
        Manager *manager = call->bus->manager;

        LIST_REMOVE(calls, call->bus->calls, call);
        call->bus->n_calls--;
        if (call->is_unknown)
                QUEUE_REMOVE(unknown, call->bus->unknown, call);
        set_queried(call, false);
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        discharge(call);
        buffer_clear(&call->answer);
        peer_clear(&call->peer);
        error_clear(&call->refusal);
        free(call);
        manager_client_ended(manager);
        return NULL;
}

void bus_call_abandon(BusCall *call) {
        Job *job = TAKE_PTR(call->job);

        bus_call_free(call);
        if (job) {
                job_detach(job);
                job_cancel(job, "the client has gone");
        }
}

static void reply_error(BusCall *call, const Error *error) {
        int r = bus_reply_error(call->message, error);

        if (r < 0)
                log_debug_errno(r, "reply on the bus: %m, ignoring");
        bus_call_free(call);
}

/* ---- the answer --------------------------------------------------------------------------------------- */

static int on_part(const AnswerPart *part, void *userdata) {
        BusCall *call = userdata;

        if (part->kind == REPLY_PROGRESS || call->too_long)
                return 1;
        if (part->first)
                call->answer.length = 0;
        if (call->answer.length + part->length > BUS_ANSWER_MAX ||
            buffer_append(&call->answer, part->data, part->length) < 0) {
                buffer_clear(&call->answer);
                call->too_long = true;
        }
        return 1;
}

static int send_reply(BusCall *call, json_object *payload) {
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && call->method->answer)
                r = call->method->answer(payload, reply);
        if (r >= 0)
                r = sd_bus_send(call->bus->bus, reply, NULL);
        sd_bus_message_unref(reply);
        return r;
}

static void on_ended(Job *job, bool whole, void *userdata) {
        BusCall *call = userdata;
        _cleanup_json_ json_object *payload = NULL;
        _cleanup_(error_clear) Error result = {}, error = {};
        int r;

        call->job = NULL;
        if (call->too_long)
                r = error_set(&error, ERROR_UNSUPPORTED,
                              "the answer is too long for the bus: use the socket");
        else if (!whole)
                r = error_set(&error, ERROR_INTERNAL, "the answer was cut short");
        else
                r = reply_decode(call->answer.data, call->answer.length, &payload, &result, &error);
        if (r >= 0 && error_is_set(&result)) {
                reply_error(call, &result);
                return;
        }
        if (r >= 0) {
                r = send_reply(call, payload);
                if (r < 0)
                        (void) error_set_errno(&error, r, "reply on the bus");
        }
        if (r < 0)
                reply_error(call, &error);
        else
                bus_call_free(call);
}

/* ---- the request -------------------------------------------------------------------------------------- */

static int reply_job(BusCall *call, const Job *job) {
        char path[JOB_PATH_MAX];

        return sd_bus_reply_method_return(call->message, "o", job_bus_path(job, path));
}

/* What needs no job. */
static void serve(BusCall *call) {
        _cleanup_(error_clear) Error error = {};

        int r = call->method->serve(call, &call->peer, &error);
        if (r >= 0) {
                bus_call_free(call);
                return;
        }
        if (!error_is_set(&error))
                (void) error_set_errno(&error, r, "reply on the bus");
        reply_error(call, &error);
}

static int new_job(BusCall *call, Job **ret, Error *error) {
        static const JobSink sink = { .part = on_part, .ended = on_ended };
        _cleanup_(job_request_clear) JobRequest job_request = { .peer = PEER_NULL };
        _cleanup_(bus_arguments_clear) BusArguments arguments = {};
        _cleanup_(request_clear) Request request = {};
        const Buffer *line = &arguments.line;
        bool starts = call->method->starts;
        int r;

        r = bus_arguments_read(call, &arguments, error);
        if (r >= 0)
                r = request_read(line->data, line->length, arguments.given, &request, error);
        if (r >= 0)
                r = request_to_job(&request, line->data, line->length, &call->peer, &job_request, error);
        if (r < 0)
                return r;
        job_request.authorised = call->authorised;
        for (size_t i = 0; i < arguments.n_fds; i++)
                job_request_add_fd(&job_request, arguments.fds[i].name, TAKE_FD(arguments.fds[i].fd));
        return job_new(call->bus->manager, &job_request, starts ? NULL : &sink, starts ? NULL : call, ret,
                       error);
}

static void submit(BusCall *call) {
        _cleanup_(error_clear) Error error = {};
        Job *job = NULL;

        if (new_job(call, &job, &error) < 0) {
                reply_error(call, &error);
                return;
        }
        if (!call->method->starts) {
                call->job = job;
                return;
        }
        (void) reply_job(call, job);
        bus_call_free(call);
}

static void proceed(BusCall *call) {
        discharge(call);
        if (call->method->serve)
                serve(call);
        else
                submit(call);
}

static void on_polkit(PolkitAnswer answer, void *userdata) {
        BusCall *call = userdata;

        call->slot = sd_bus_slot_unref(call->slot);
        switch (answer) {
        case POLKIT_YES:
                call->authorised = true;
                proceed(call);
                return;
        case POLKIT_CHALLENGE: /* the name by which clients know that they should try again, and allow it */
                (void) bus_reply_error_as(call->message, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                          &call->refusal);
                bus_call_free(call);
                return;
        case POLKIT_NO:
                reply_error(call, &call->refusal);
                return;
        }
}

static Action action_of(const BusCall *call) {
        return call->method->serve ? call->method->action : command_info(call->method->command)->action;
}

static int refuse_stopping(Error *error) {
        return error_set(error, ERROR_UNAVAILABLE, "the daemon is stopping");
}

void bus_calls_stop(Bus *bus) {
        LIST_FOREACH (calls, call, bus->calls) {
                _cleanup_(error_clear) Error error = {};

                if (!call->slot || !error_is_set(&call->refusal))
                        continue;
                call->slot = sd_bus_slot_unref(call->slot);
                (void) refuse_stopping(&error);
                reply_error(call, &error);
        }
}

/* One who is asked for a password need not answer. */
static int ask_polkit(BusCall *call, Error *error) {
        unsigned n = 0;
        int r;

        if (call->bus->manager->stopping)
                return refuse_stopping(error);
        LIST_FOREACH (calls, other, call->bus->calls)
                n += other->slot && other->peer.uid == call->peer.uid;
        if (n >= BUS_CALLS_ASKING_MAX)
                return error_set(error, ERROR_BUSY,
                                 "too many calls of user %u wait to be authorised: the limit is %u",
                                 (unsigned) call->peer.uid, BUS_CALLS_ASKING_MAX);
        r = charge(call, error);
        if (r < 0)
                return r;
        return polkit_ask_caller(call->bus, call->message, action_of(call), on_polkit, call, &call->slot);
}

static void authorise(BusCall *call) {
        _cleanup_(error_clear) Error error = {};

        if (access_check(&call->bus->manager->access, &call->peer, action_of(call), &call->refusal) >= 0)
                proceed(call);
        else if (ask_polkit(call, &error) < 0)
                reply_error(call, error_is_set(&error) ? &error : &call->refusal);
}

/* ---- the caller --------------------------------------------------------------------------------------- */

static void query_callers(Bus *bus);

static void on_peer(int r, Peer *peer, Error *error, void *userdata) {
        BusCall *call = userdata;
        Bus *bus = call->bus;

        call->slot = sd_bus_slot_unref(call->slot);
        set_queried(call, false);
        if (r < 0)
                reply_error(call, error);
        else {
                call->peer = TAKE(*peer, PEER_NULL);
                authorise(call);
        }
        query_callers(bus);
}

static void query_callers(Bus *bus) {
        BusCall *call;

        while (bus->n_queried < BUS_CALLS_QUERIED_MAX && (call = bus->unknown.first)) {
                _cleanup_(error_clear) Error error = {};

                QUEUE_REMOVE(unknown, bus->unknown, call);
                call->is_unknown = false;
                int r = bus_peer_query(call->message, on_peer, call, &call->slot);
                if (r >= 0) {
                        set_queried(call, true);
                        continue;
                }
                (void) error_set_errno(&error, r, "ask the bus about the caller");
                reply_error(call, &error);
        }
}

static BusCall *find_waiting(Bus *bus, const char *name) {
        LIST_FOREACH (calls, call, bus->calls)
                if (!call->method->starts && !call->method->serve &&
                    streq(sd_bus_message_get_sender(call->message), name))
                        return call;
        return NULL;
}

void bus_calls_caller_gone(Bus *bus, const char *name) {
        BusCall *call;

        /* From the beginning each time: one job's end may be another's. */
        while ((call = find_waiting(bus, name)))
                bus_call_abandon(call);
        query_callers(bus);
}

int bus_call_new(Bus *bus, const BusMethod *method, sd_bus_message *m) {
        _cleanup_(error_clear) Error error = {};
        int r;

        BusCall *call = new0(BusCall, 1);
        if (!call)
                return -ENOMEM;
        *call = (BusCall) {
                .bus = bus, .method = method, .message = sd_bus_message_ref(m), .peer = PEER_NULL
        };
        LIST_PREPEND(calls, bus->calls, call);
        bus->n_calls++;

        r = bus->n_calls <= BUS_CALLS_MAX
                    ? 0
                    : error_set(&error, ERROR_BUSY, "too many calls: the limit is %u", BUS_CALLS_MAX);
        if (r >= 0)
                r = bus_arguments_measure(m, method, &call->size, &error);
        if (r < 0) {
                reply_error(call, &error);
                return 1;
        }
        /* One who has gone when the bus is asked about him is known by that, one who goes later by what the
         * bus says of it: see bus_calls_caller_gone(). */
        QUEUE_APPEND(unknown, bus->unknown, call);
        call->is_unknown = true;
        query_callers(bus);
        return 1;
}
