/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/channel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/string-util.h"
#include "protocol/limits.h"

/* Takes the fds of one recvmsg() into `fds`; those beyond the bound are closed, not leaked. */
static int take_fds(struct msghdr *message, int *fds, size_t *n_fds) {
        int r = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (*n_fds < CHANNEL_FDS_MAX)
                                fds[(*n_fds)++] = fd;
                        else {
                                safe_close(fd);
                                r = -E2BIG;
                        }
                }
        }
        return message->msg_flags & MSG_CTRUNC ? -E2BIG : r;
}

/* Reads up to the newline; the broker sends nothing beyond it before it has our answer. */
static int receive_line(int fd, Buffer *line, int *fds, size_t *n_fds) {
        for (;;) {
                char data[4096];
                union {
                        char space[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
                        struct cmsghdr align;
                } control;
                struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
                struct msghdr message = {
                        .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control),
                };

                ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return errno == ECONNRESET ? 0 : -errno;
                }
                int r = take_fds(&message, fds, n_fds);
                if (r < 0)
                        return r;
                if (n == 0)
                        return line->length > 0 ? -EPIPE : 0;
                if (line->length + (size_t) n > CHANNEL_LINE_MAX)
                        return -EMSGSIZE;
                if (buffer_append(line, data, (size_t) n) < 0)
                        return -ENOMEM;
                if (line->data[line->length - 1] == '\n')
                        return 1;
        }
}

static int read_id(json_object *payload, const char *name, uint32_t *ret, Error *error) {
        int64_t id = -1;
        int r = json_get_int64(payload, name, &id, error);

        if (r < 0)
                return r;
        if (id < 0 || id >= UINT32_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "member \"%s\" is no id", name);
        *ret = (uint32_t) id;
        return 0;
}

static int read_groups(json_object *payload, ChannelRequest *request, Error *error) {
        json_object *groups = NULL;
        int r = json_get_array(payload, "groups", &groups, error);

        if (r <= 0)
                return r;
        size_t n = json_object_array_length(groups);
        request->groups = new0(gid_t, n + 1);
        if (!request->groups)
                return error_oom(error);
        for (size_t i = 0; i < n; i++)
                request->groups[i] = (gid_t) json_object_get_int64(json_object_array_get_idx(groups, i));
        request->n_groups = n;
        return 0;
}

static int read_fd_names(json_object *payload, ChannelRequest *request, Error *error) {
        _cleanup_strv_ char **names = NULL;
        int r = json_get_strv(payload, "fds", &names, error);

        if (r < 0)
                return r;
        if (strv_length(names) != request->n_fds)
                return error_set(error, ERROR_INTERNAL, "%zu fds came for %zu names", request->n_fds,
                                 strv_length(names));
        for (size_t i = 0; i < request->n_fds; i++)
                request->fds[i].name = TAKE_PTR(names[i]);
        return 0;
}

static int read_request(int fd, ChannelRequest *request, Error *error) {
        Member given = 0;
        _cleanup_(buffer_clear) Buffer line = {};
        int r = read_to_end(fd, &line, PROTOCOL_LINE_MAX);

        if (r < 0)
                return error_set_errno(error, r, "read the request");
        for (size_t i = 0; i < request->n_fds; i++)
                given |= member_from_fd_name(request->fds[i].name);
        return request_decode(line.data, line.length, /* internal= */ true, given, &request->request, error);
}

static int decode_header(const Buffer *line, ChannelRequest *request, Error *error) {
        _cleanup_json_ json_object *header = NULL;
        const char *job = NULL;
        int r;

        r = json_parse(line->data, line->length, PROTOCOL_NESTING_MAX, &header, error);
        if (r < 0)
                return r;
        json_object *payload = json_member(header, "payload");
        r = json_get_string(payload, "job", &job, error);
        if (r >= 0 && free_and_strdup(&request->job, job) < 0)
                r = error_oom(error);
        if (r >= 0)
                r = read_id(payload, "pid", (uint32_t *) &request->pid, error);
        if (r >= 0)
                r = read_id(payload, "uid", &request->uid, error);
        if (r >= 0)
                r = read_id(payload, "gid", &request->gid, error);
        if (r >= 0)
                r = read_groups(payload, request, error);
        if (r >= 0)
                r = read_fd_names(payload, request, error);
        if (r >= 0)
                r = read_request(channel_request_fd(request, "request"), request, error);
        return r;
}

int channel_receive(int fd, ChannelRequest *ret, Error *error) {
        _cleanup_(channel_request_clear) ChannelRequest request = {};
        _cleanup_(buffer_clear) Buffer line = {};
        int fds[CHANNEL_FDS_MAX];
        int r;

        r = receive_line(fd, &line, fds, &request.n_fds);
        for (size_t i = 0; i < request.n_fds; i++)
                request.fds[i] = (ChannelFd) { .fd = fds[i] };
        if (r < 0)
                return error_set_errno(error, r, "receive a request");
        if (r == 0)
                return 0;
        if (decode_header(&line, &request, error) < 0)
                return -EBADMSG;
        *ret = request;
        request = (ChannelRequest) {};
        return 1;
}

int channel_read_plain(int fd, ChannelRequest *ret, Error *error) {
        _cleanup_(channel_request_clear)
                ChannelRequest request = { .pid = getpid(), .uid = getuid(), .gid = getgid() };

        int n = getgroups(0, NULL);
        if (n < 0)
                return error_set_errno(error, errno, "getgroups");
        request.groups = new0(gid_t, (size_t) n + 1);
        if (!request.groups)
                return error_oom(error);
        n = getgroups(n, request.groups);
        if (n < 0)
                return error_set_errno(error, errno, "getgroups");
        request.n_groups = (size_t) n;

        int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
                return error_set_errno(error, errno, "open /");
        request.fds[request.n_fds++] = (ChannelFd) { .name = strdup("root"), .fd = root };

        int r = read_request(fd, &request, error);
        if (r < 0)
                return r;
        *ret = request;
        request = (ChannelRequest) {};
        return 1;
}

void channel_request_clear(ChannelRequest *request) {
        request_clear(&request->request);
        free(request->job);
        free(request->groups);
        for (size_t i = 0; i < request->n_fds; i++) {
                free(request->fds[i].name);
                safe_close(request->fds[i].fd);
        }
        *request = (ChannelRequest) {};
}

int channel_request_fd(const ChannelRequest *request, const char *name) {
        for (size_t i = 0; i < request->n_fds; i++)
                if (request->fds[i].name && streq(request->fds[i].name, name))
                        return request->fds[i].fd;
        return -EBADF;
}
