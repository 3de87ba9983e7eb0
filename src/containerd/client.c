/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/client.h"

#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "containerd/address.h"
#include "containerd/call.h"
#include "containerd/client-internal.h"
#include "containerd/unary.h"

/* When nothing has come for so long from a containerd that something is waited for, it is asked whether it is
 * there, and given up if it does not say so; in milliseconds. Go's server takes it amiss to be asked more
 * often than every five minutes. */
#define KEEPALIVE_MSEC (330 * 1000)
#define KEEPALIVE_TIMEOUT_MSEC (30 * 1000)

/* Time from one attempt to connect to the next, in milliseconds. The minimum of gRPC's own is left alone: it
 * is also how long one attempt may take. */
#define RECONNECT_FIRST_MSEC 100
#define RECONNECT_MAX_MSEC 300

static _Thread_local unsigned shield_depth;

void ctr_shield(void) {
        shield_depth++;
}

void ctr_unshield(void) {
        shield_depth--;
}

bool thread_is_shielded(void) {
        return shield_depth > 0;
}

#if HAVE_GPR_SET_LOG_FUNCTION
/* Whatever fails is told by the call that it fails, so this is for those who look into gRPC. */
static void log_grpc(gpr_log_func_args *args) {
        log_debug("gRPC: %s (%s:%i)", args->message, args->file, args->line);
}
#endif

static void *pump_run(void *userdata) {
        CtrClient *client = userdata;

        for (;;) {
                grpc_event event =
                        grpc_completion_queue_next(client->pump, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

                if (event.type == GRPC_QUEUE_SHUTDOWN)
                        return NULL;
                if (event.type == GRPC_OP_COMPLETE)
                        unary_handle(event.tag);
        }
}

static grpc_channel *channel_new(const char *target) {
        const struct {
                const char *key;
                int value;
        } numbers[] = {
                { GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int) CTR_MESSAGE_MAX },
                { GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, (int) CTR_MESSAGE_MAX },
                /* Repeating is done here, where it is known what can be. */
                { GRPC_ARG_ENABLE_RETRIES, 0 },
                { GRPC_ARG_ENABLE_CHANNELZ, 0 },
                { GRPC_ARG_ENABLE_HTTP_PROXY, 0 },
                { GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1 },
                { GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MSEC },
                { GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MSEC },
                { GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0 /* no limit */ },
                { GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_FIRST_MSEC },
                { GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_MAX_MSEC },
        };
        grpc_arg args[ELEMENTSOF(numbers) + 1];

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                args[i] = (grpc_arg) { .type = GRPC_ARG_INTEGER, .key = (char *) numbers[i].key };
                args[i].value.integer = numbers[i].value;
        }
        /* Go's HTTP/2 server refuses the path that would be taken from the target. */
        args[ELEMENTSOF(numbers)] =
                (grpc_arg) { .type = GRPC_ARG_STRING, .key = (char *) GRPC_ARG_DEFAULT_AUTHORITY };
        args[ELEMENTSOF(numbers)].value.string = (char *) "localhost";

        const grpc_channel_args list = { .num_args = ELEMENTSOF(args), .args = args };
        grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
        grpc_channel *channel = grpc_channel_create(target, credentials, &list);
        grpc_channel_credentials_release(credentials);
        return channel;
}

/* With all signals blocked, so that they are blocked in the threads as well. */
static int client_start(CtrClient *client, const char *target, Error *error) {
        int r;

        client->channel = channel_new(target);
        if (!client->channel)
                return error_set(error, ERROR_INTERNAL, "cannot make a gRPC channel to %s", target);
        client->pump = grpc_completion_queue_create_for_next(NULL);

        r = pthread_create(&client->pump_thread, NULL, pump_run, client);
        if (r != 0)
                return error_set_errno(error, r, "cannot start a thread");
        client->pump_started = true;
        return 0;
}

/* Whether gRPC takes it as the value of a header. */
static bool header_value_is_legal(const char *value) {
        grpc_slice slice = grpc_slice_from_static_string(value);
        return grpc_header_nonbin_value_is_legal(slice);
}

int ctr_client_new(const char *address, const char *namespace, CtrClient **ret, Error *error) {
        _cleanup_free_ char *path = NULL, *target = NULL;
        sigset_t all, before;
        int r;

        r = address_parse(address, &path, &target, error);
        if (r < 0)
                return r;
        if (isempty(namespace) || !header_value_is_legal(namespace))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no namespace of containerd",
                                 strempty(namespace));

        CtrClient *allocated = new0(CtrClient, 1);
        if (!allocated)
                return error_oom(error);

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
#if HAVE_GPR_SET_LOG_FUNCTION
        gpr_set_log_function(log_grpc);
#endif
        grpc_init();

        _cleanup_(ctr_client_freep) CtrClient *client = allocated;
        client->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&client->lock, NULL);
        client->address = TAKE_PTR(path);
        client->namespace = strdup(namespace);
        if (client->cancel_fd < 0)
                r = error_set_errno(error, errno, "cannot make an eventfd");
        else if (!client->namespace)
                r = error_oom(error);
        else
                r = client_start(client, target, error);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(client);
        return 0;
}

CtrClient *ctr_client_free(CtrClient *client) {
        if (!client)
                return NULL;

        if (client->pump)
                grpc_completion_queue_shutdown(client->pump);
        if (client->pump_started)
                pthread_join(client->pump_thread, NULL);
        if (client->pump)
                grpc_completion_queue_destroy(client->pump);
        if (client->channel)
                grpc_channel_destroy(client->channel);
        grpc_shutdown_blocking();

        pthread_mutex_destroy(&client->lock);
        safe_close(client->cancel_fd);
        free(client->lease);
        free(client->namespace);
        free(client->address);
        return mfree(client);
}

void queue_free(grpc_completion_queue *queue) {
        if (!queue)
                return;
        grpc_completion_queue_shutdown(queue);
        grpc_completion_queue_destroy(queue);
}

const char *ctr_client_get_address(CtrClient *client) {
        return client->address;
}

const char *ctr_client_get_namespace(CtrClient *client) {
        return client->namespace;
}

int ctr_client_set_lease(CtrClient *client, const char *lease) {
        if (!isempty(lease) && !header_value_is_legal(lease))
                return -EINVAL;

        CLIENT_LOCK(client);
        return free_and_strdup(&client->lease, isempty(lease) ? NULL : lease);
}

int client_get_lease(CtrClient *client, char **ret) {
        CLIENT_LOCK(client);

        *ret = client->lease ? strdup(client->lease) : NULL;
        return client->lease && !*ret ? -ENOMEM : 0;
}

void ctr_client_cancel(CtrClient *client) {
        CLIENT_LOCK(client);

        if (!client->cancelled) {
                client->cancelled = true;
                (void) eventfd_write(client->cancel_fd, 1);
        }
        /* A call is taken off the list before it is given up, so those on it are there. */
        LIST_FOREACH (calls, call, client->calls)
                call_cancel(call);
}

void ctr_client_uncancel(CtrClient *client) {
        eventfd_t value;

        CLIENT_LOCK(client);
        client->cancelled = false;
        (void) eventfd_read(client->cancel_fd, &value);
}

bool ctr_client_is_cancelled(CtrClient *client) {
        CLIENT_LOCK(client);
        return client->cancelled;
}

int ctr_client_get_cancel_fd(CtrClient *client) {
        return client->cancel_fd;
}
