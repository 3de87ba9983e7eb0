/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/request.h"

#include <unistd.h>

#include "recipe/recipe.h"

/* Whether it names what is the client's, to be found from his root directory. */
static bool needs_files(Command command, Member given) {
        return command_info(command)->required & ~given & (MEMBER_PATH | MEMBER_ROOT | MEMBER_OUTPUT);
}

/* Each value but the first is behind one of these; inside of strings they count for nothing. */
static bool has_too_many_values(const char *line, size_t length) {
        bool in_string = false;
        size_t n = 0;

        if (length <= REQUEST_VALUES_MAX)
                return false;
        for (size_t i = 0; i < length; i++) {
                char c = line[i];
                if (c == '"')
                        in_string = !in_string;
                else if (in_string)
                        i += c == '\\';
                else if (c == ',' || c == ':' || c == '[' || c == '{')
                        n++;
        }
        return n > REQUEST_VALUES_MAX;
}

int request_check_values(const char *text, size_t length, Error *error) {
        if (!has_too_many_values(text, length))
                return 0;
        return error_set(error, ERROR_INVALID_ARGUMENT, "it has more than %zu values", REQUEST_VALUES_MAX);
}

static int check_recipe(const Request *request, Error *error) {
        _cleanup_(recipe_freep) Recipe *recipe = NULL;

        return request->command == COMMAND_BUILD ? recipe_new(request->payload.recipe, &recipe, error) : 0;
}

int request_read(const char *line, size_t length, Member given, Request *ret, Error *error) {
        _cleanup_(request_clear) Request request = {};
        int r;

        r = request_check_values(line, length, error);
        if (r < 0)
                return error_prefix(error, r, "malformed message");
        r = request_decode(line, length, /* internal= */ false, given, &request, error);
        if (r >= 0)
                r = check_recipe(&request, error);
        if (r < 0)
                return r;
        *ret = request;
        request = (Request) {};
        return 0;
}

int request_load_peer(Command command, Peer *peer, int fd, Error *error) {
        int r = 0;

        if (peer->uid != 0 || needs_files(command, /* given= */ 0))
                r = peer_load_groups(peer, fd, error);
        if (r >= 0 && needs_files(command, /* given= */ 0))
                r = peer_load_pidfd(peer, fd, error);
        return r;
}

/* What the job is about, for people. */
static const char *resource_of(const Payload *payload) {
        return payload->resource ?: payload->id ?: payload->image;
}

static Lane lane_of(const Request *request) {
        if (request->given & MEMBERS_OF_STDIO)
                return LANE_SESSION;
        return command_info(request->command)->own_worker ? LANE_LONG : LANE_SHORT;
}

int request_to_job(const Request *request, const char *line, size_t length, Peer *peer, JobRequest *ret,
                   Error *error) {
        int r;

        *ret = (JobRequest) {
                .command = request->command,
                .resource = resource_of(&request->payload),
                .lane = lane_of(request),
                .progress = request->payload.progress,
                .peer = *peer,
        };
        peer->groups = NULL;
        peer->n_groups = 0;
        peer->pidfd = -EBADF;

        r = job_request_set_line(ret, line, length);
        if (r < 0)
                return error_set_errno(error, r, "keep the request");
        if (!needs_files(request->command, request->given))
                return 0;

        int root = peer_open_root(&ret->peer, error);
        if (root < 0)
                return root;
        job_request_add_fd(ret, "root", root);
        return 0;
}
