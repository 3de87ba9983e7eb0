/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/handlers.h"

#include <fcntl.h>

#include "base/log.h"
#include "build/build.h"
#include "runtime/container.h"
#include "runtime/given-fd.h"
#include "runtime/import.h"
#include "runtime/sweep.h"
#include "worker/exec-reply.h"
#include "worker/progress.h"
#include "worker/watch-reply.h"

/* The client, for the time of a command. */
static int identify(const Work *work, Identity *ret, Error *error) {
        const ChannelRequest *request = work->request;
        int fd = channel_request_fd(request, "root");

        /* Where all is given as fds, nothing is named outside of them. */
        if (fd < 0)
                fd = channel_request_fd(request, "context");
        if (fd < 0)
                return error_set(error, ERROR_INTERNAL,
                                 "the client's root directory did not come with the request");
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return error_set_errno(error, errno, "dup");
        int r = identity_init(ret, request->uid, request->gid, request->groups, request->n_groups, fd, error);
        if (r < 0)
                safe_close(fd);
        return r;
}

/* The directories of a build: by name, or as fds. */
static int find_directories(const Work *work, BuildInputs *inputs, Error *error) {
        const ChannelRequest *request = work->request;
        int r;

        inputs->root = request->request.payload.root;
        inputs->output = request->request.payload.output;
        inputs->root_fd = channel_request_fd(request, "context");
        inputs->output_fd = channel_request_fd(request, "output");
        r = inputs->root ? 0 : given_fd_check_directory(inputs->root_fd, "root", error);
        if (r >= 0 && !inputs->output)
                r = given_fd_check_directory(inputs->output_fd, "output", error);
        return r;
}

static int do_build(Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;
        _cleanup_(identity_clear) Identity client = IDENTITY_NULL;
        _cleanup_(recipe_freep) Recipe *recipe = NULL;
        int r;

        r = recipe_new(payload->recipe, &recipe, error);
        if (r < 0)
                return error_prefix(error, r, "build failed");

        Progress progress;
        progress_start(&progress, work);
        BuildInputs inputs = {
                .recipe = recipe,
                .resource = payload->resource,
                .entrypoint = payload->entrypoint,
                .platforms = payload->platforms,
                .client = &client,
                .observer = &progress.observer,
        };
        r = find_directories(work, &inputs, error);
        if (r >= 0)
                r = identify(work, &client, error);
        if (r >= 0)
                r = build(work->runtime, &inputs, error);
        if (r < 0 || !payload->output)
                return r;
        work->payload = json_object_new_object();
        if (!work->payload || json_add_string(work->payload, "output", payload->output) < 0)
                return error_oom(error);
        return 0;
}

/* The archive: that at `path`, opened as the client, or the one given. fd, which is the caller's to close. */
static int open_archive(const Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;
        _cleanup_(identity_clear) Identity client = IDENTITY_NULL;
        GivenFd given;
        int r;

        if (!payload->path) {
                r = given_fd_open(channel_request_fd(work->request, "archive"), "archive", O_RDONLY,
                                  GIVEN_FILE | GIVEN_STREAM, /* client= */ NULL, &given, error);
                return r < 0 ? r : given.fd;
        }
        if (payload->path[0] != '/')
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"path\" must be an absolute path: \"%s\"",
                                 payload->path);
        r = identify(work, &client, error);
        return r < 0 ? r : identity_open_file(&client, -EBADF, payload->path, error);
}

/* Imports the archive as `ref:version`. */
static int import_archive(Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;
        _cleanup_close_ int fd = open_archive(work, error);
        _cleanup_(runtime_lease_endp) Runtime *leased = NULL;
        _cleanup_(import_clear) Import import = {};
        Platform platform;
        int r;

        if (fd < 0)
                return fd;
        r = runtime_lease_begin(work->runtime, &leased, error);
        if (r < 0)
                return r;
        platform_host(&platform);
        r = image_import(work->runtime, fd, &platform, &import, error);
        if (r < 0)
                return error_prefix(error, r, "import %s", payload->path ?: "the archive");
        return image_store_put(work->runtime, payload->image, &import.target, NULL, error);
}

static int do_image_start(Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;

        return container_start(work->runtime, payload->image, payload->id, error);
}

static int do_image_destroy(Work *work, Error *error) {
        return image_destroy(work->runtime, work->request->request.payload.image, error);
}

static int do_container_stop(Work *work, Error *error) {
        return container_stop(work->runtime, work->request->request.payload.id, error);
}

static int do_container_destroy(Work *work, Error *error) {
        return container_destroy(work->runtime, work->request->request.payload.id, error);
}

static int do_container_status(Work *work, Error *error) {
        ContainerState state;
        int r;

        r = container_get_state(work->runtime, work->request->request.payload.id, &state, error);
        if (r < 0)
                return r;
        work->payload = json_object_new_object();
        if (!work->payload || json_add_string(work->payload, "status", container_state_to_string(state)) < 0)
                return error_oom(error);
        return 0;
}

/* Its output goes to the client's fds, and is no part of the reply. */
static int exec_with_fds(Work *work, Error *error) {
        const ChannelRequest *request = work->request;
        const Payload *payload = &request->request.payload;
        const ProcessStdio stdio = {
                .given = true,
                .in = channel_request_fd(request, "stdin"),
                .out = channel_request_fd(request, "stdout"),
                .err = channel_request_fd(request, "stderr"),
                .client = { .pid = request->pid, .uid = request->uid, .gid = request->gid },
        };
        int exit_code, r;

        r = container_exec(work->runtime, payload->id, payload->command, &stdio, &exit_code, error);
        if (r < 0)
                return r;
        work->payload = json_object_new_object();
        if (!work->payload || json_add(work->payload, "exitCode", json_object_new_int64(exit_code)) < 0)
                return error_oom(error);
        return 0;
}

static int do_container_exec(Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;
        _cleanup_(exec_reply_clear) ExecReply reply = {};
        const ProcessStdio stdio = { .output = exec_reply_take, .userdata = &reply };
        int exit_code, r;

        if (work->request->request.given & MEMBERS_OF_STDIO)
                return exec_with_fds(work, error);
        r = container_exec(work->runtime, payload->id, payload->command, &stdio, &exit_code, error);
        if (r < 0)
                return r;
        work->replied = true;
        return exec_reply_send(&reply, exit_code, payload->bytes, work->reply_fd, error);
}

static int do_container_update(Work *work, Error *error) {
        const Payload *payload = &work->request->request.payload;
        ContainerState state;
        int r;

        /* Nothing is imported for a container that is not there. */
        r = container_get_state(work->runtime, payload->id, &state, error);
        if (r < 0)
                return r;
        if (state == CONTAINER_NOT_CREATED)
                return error_set(error, ERROR_NOT_FOUND, "container \"%s\": not found", payload->id);
        r = import_archive(work, error);
        return r < 0 ? r : container_update(work->runtime, payload->image, payload->id, error);
}

static int do_sweep(Work *work, Error *error) {
        Sweep done = {};

        int r = sweep(work->runtime, &done, error);
        if (done.containers || done.snapshots || done.leases || done.directories || done.scopes)
                log_info("Removed what ended processes left: %u containers, %u snapshots, %u leases, %u "
                         "directories, %u scopes",
                         done.containers, done.snapshots, done.leases, done.directories, done.scopes);
        return r;
}

static int do_watch(Work *work, Error *error) {
        return watch_and_reply(work->runtime, work->reply_fd, error);
}

int handle(Work *work, Error *error) {
        static int (*const handlers[_COMMAND_MAX])(Work *, Error *) = {
                [COMMAND_BUILD] = do_build,
                [COMMAND_IMAGE_IMPORT] = import_archive,
                [COMMAND_IMAGE_START] = do_image_start,
                [COMMAND_IMAGE_DESTROY] = do_image_destroy,
                [COMMAND_CONTAINER_STOP] = do_container_stop,
                [COMMAND_CONTAINER_DESTROY] = do_container_destroy,
                [COMMAND_CONTAINER_STATUS] = do_container_status,
                [COMMAND_CONTAINER_EXEC] = do_container_exec,
                [COMMAND_CONTAINER_UPDATE] = do_container_update,
                [COMMAND_SWEEP] = do_sweep,
                [COMMAND_WATCH] = do_watch,
        };
        Command command = work->request->request.command;

        if (!handlers[command])
                return error_set(error, ERROR_UNSUPPORTED, "command \"%s\" is not for a worker",
                                 command_to_string(command));
        int r = runtime_ready(work->runtime, error);
        return r < 0 ? r : handlers[command](work, error);
}
