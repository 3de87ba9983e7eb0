/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "runtime/process-internal.h"
#include "runtime/task.h"

const char *stream_to_string(Stream stream) {
        return stream == STREAM_STDERR ? "stderr" : "stdout";
}

/* Once both ends are open the names are of no use to anybody, and what has no name is not left behind. */
static void unlink_fifos(Process *p) {
        for (Stream s = 0; s < _STREAM_MAX; s++)
                if (p->paths[s]) {
                        (void) unlink(p->paths[s]);
                        p->paths[s] = mfree(p->paths[s]);
                }
        if (p->stdin_path) {
                (void) unlink(p->stdin_path);
                p->stdin_path = mfree(p->stdin_path);
        }
        if (p->directory) {
                (void) rmdir(p->directory);
                p->directory = mfree(p->directory);
        }
}

bool process_has_ended(const Process *p) {
        CtrExit end;

        return ctr_wait_finish(p->wait, 0, &end, NULL) != 0;
}

int process_poll(Process *p, struct pollfd *fds, size_t n_fds, bool patient, Error *error) {
        const bool bounded = p->ended && !patient;
        const uint64_t began = now_usec(CLOCK_MONOTONIC),
                       left = PROCESS_DRAIN_TOTAL_USEC - MIN(p->silent_usec, PROCESS_DRAIN_TOTAL_USEC),
                       timeout = MIN(left, PROCESS_DRAIN_USEC);
        int n;

        do
                n = poll(fds, n_fds, bounded ? (int) (timeout / USEC_PER_MSEC) : -1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return error_set_errno(error, errno, "poll");
        if (bounded)
                p->silent_usec += now_usec(CLOCK_MONOTONIC) - began;
        return n;
}

void process_count(Process *p, Stream s, size_t n) {
        p->late[s] += p->ended ? n : 0;
}

bool process_is_drained(const Process *p, Stream s) {
        return p->late[s] >= PROCESS_DRAIN_MAX;
}

void process_abandon(Process *p, Stream s) {
        p->abandoned |= p->fds[s] >= 0;
        p->fds[s] = safe_close(p->fds[s]);
}

/* A process that containerd is to forget by and by. */
typedef struct Deletion {
        CtrClient *client;
        char *container_id;
        char *id;
} Deletion;

static Deletion *deletion_free(Deletion *deletion) {
        free(deletion->container_id);
        free(deletion->id);
        return mfree(deletion);
}

static void *delete_later(void *userdata) {
        Deletion *deletion = userdata;
        CTR_SHIELD();

        (void) ctr_task_delete_process(deletion->client, deletion->container_id, deletion->id, NULL, NULL);
        deletion_free(deletion);
        return NULL;
}

/* The shim waits for seconds, containerd 2.0 and later for ten, for the output of a process that is to be
 * deleted, when something that it left behind holds it open. Nobody else has to wait for that. When this
 * program ends before, the shim forgets the process with its container. */
static int delete_in_background(const Process *p) {
        Deletion *deletion = new0(Deletion, 1);
        pthread_attr_t attributes;
        pthread_t thread;

        if (!deletion)
                return -ENOMEM;
        *deletion = (Deletion) {
                .client = p->runtime->client,
                .container_id = strdup(p->container_id),
                .id = strdup(p->id),
        };
        int r = deletion->container_id && deletion->id ? -pthread_attr_init(&attributes) : -ENOMEM;
        if (r >= 0) {
                (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
                r = -pthread_create(&thread, &attributes, delete_later, deletion);
                (void) pthread_attr_destroy(&attributes);
        }
        if (r < 0)
                deletion_free(deletion);
        return r;
}

/* What one that was killed has still written: until it is taken, the shim does not let go of it. */
static void discard_output(Process *p) {
        char data[KIB(16)];

        for (Stream s = 0; s < _STREAM_MAX; s++)
                for (size_t total = 0; p->fds[s] >= 0 && total < PROCESS_DRAIN_MAX;) {
                        struct pollfd fd = { .fd = p->fds[s], .events = POLLIN };
                        if (poll(&fd, 1, (int) (PROCESS_DRAIN_USEC / USEC_PER_MSEC)) <= 0)
                                break;
                        ssize_t n = read(fd.fd, data, sizeof(data));
                        if (n == 0)
                                p->fds[s] = safe_close(p->fds[s]);
                        total += n > 0 ? (size_t) n : 0;
                }
}

/* Kills what still runs and lets containerd forget it; whatever happened to the command, this is not
 * cancelled. */
static void process_end(Process *p) {
        CTR_SHIELD();
        _cleanup_(error_clear) Error error = {};
        CtrExit end;

        /* One that was never started cannot be killed, and its wait would not end. */
        if (p->wait && !process_has_ended(p) &&
            ctr_task_kill(p->runtime->client, p->container_id, p->id, SIGKILL, false, NULL) >= 0 &&
            ctr_wait_finish(p->wait, TASK_KILL_TIMEOUT_USEC, &end, NULL) > 0)
                discard_output(p);
        bool held_open = p->abandoned || p->fds[STREAM_STDOUT] >= 0 || p->fds[STREAM_STDERR] >= 0;
        if (!p->added || (held_open && p->wait && delete_in_background(p) >= 0))
                return;
        if (ctr_task_delete_process(p->runtime->client, p->container_id, p->id, NULL, &error) < 0 &&
            error.code != ERROR_NOT_FOUND)
                runtime_unclean(p->runtime, "process", p->id, &error);
}

static void process_clear(Process *p) {
        process_end(p);
        ctr_wait_free(p->wait);
        unlink_fifos(p);
        for (Stream s = 0; s < _STREAM_MAX; s++)
                safe_close(p->fds[s]);
        safe_close(p->stdin_fd);
        free(p->id);
}

static int make_fifo(const Process *p, const char *name, char **ret_path, Error *error) {
        *ret_path = format_string("%s/%s", p->directory, name);
        if (!*ret_path)
                return error_oom(error);
        return mkfifo(*ret_path, 0600) < 0 ? error_set_errno(error, errno, "mkfifo %s", *ret_path) : 0;
}

/* The reading ends must be open before the shim opens the writing ones, else its start never returns. */
static int make_fifos(Process *p, bool with_stdin, Error *error) {
        p->directory = format_string("%s/%s", p->runtime->directory, p->id);
        if (!p->directory)
                return error_oom(error);
        int r = mkdir(p->directory, 0700) < 0 ? -errno : 0;
        if (r == -ENOENT && mkdir(p->runtime->directory, 0755) >= 0)
                r = mkdir(p->directory, 0700) < 0 ? -errno : 0;
        if (r < 0) {
                r = error_set_errno(error, r, "mkdir %s", p->directory);
                p->directory = mfree(p->directory); /* not ours to remove */
                return r;
        }
        for (Stream s = 0; s < _STREAM_MAX; s++) {
                r = make_fifo(p, stream_to_string(s), &p->paths[s], error);
                if (r < 0)
                        return r;
                p->fds[s] = open(p->paths[s], O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
                if (p->fds[s] < 0)
                        return error_set_errno(error, errno, "open %s", p->paths[s]);
                (void) fcntl(p->fds[s], F_SETPIPE_SZ, PROCESS_FIFO_SIZE);
        }
        return with_stdin ? make_fifo(p, PROCESS_STDIN_NAME, &p->stdin_path, error) : 0;
}

/* Not before the shim reads: what is written and closed again while nobody does is lost. It is about to, but
 * does not say when. */
static int open_stdin(Process *p, Error *error) {
        struct pollfd cancel = { .fd = ctr_client_get_cancel_fd(p->runtime->client), .events = POLLIN };
        uint64_t deadline = now_usec(CLOCK_MONOTONIC) + PROCESS_STDIN_USEC;

        for (;;) {
                p->stdin_fd = open(p->stdin_path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
                if (p->stdin_fd >= 0)
                        return 0;
                if (errno != ENXIO)
                        return error_set_errno(error, errno, "open %s", p->stdin_path);
                if (process_has_ended(p))
                        return 0;
                if (now_usec(CLOCK_MONOTONIC) > deadline)
                        return error_set(error, ERROR_INTERNAL, "the shim does not read the process's stdin");
                if (poll(&cancel, 1, /* msec= */ 1) > 0)
                        return error_set(error, ERROR_CANCELLED, "cancelled");
        }
}

/* What the OCI runtime or the shim says has no code of its own: it is about the command, unless the container
 * has ended meanwhile. */
static int not_started(Process *p, int r, ErrorCode code, Error *error) {
        TaskState state;

        if (!error || error->code != ERROR_INTERNAL)
                return r;
        if (task_get_state(p->runtime, p->container_id, &state, NULL, NULL) >= 0 && state != TASK_RUNNING)
                code = ERROR_NOT_RUNNING;
        return error_recode(error, code);
}

static int start(Process *p, const Buffer *spec, Error *error) {
        CtrClient *client = p->runtime->client;
        CtrStdio stdio = { .in = p->stdin_path,
                           .out = p->paths[STREAM_STDOUT],
                           .err = p->paths[STREAM_STDERR] };
        int r;

        p->added = true; /* also when the call fails on its way back */
        r = ctr_task_exec(client, p->container_id, p->id, spec->data, spec->length, &stdio, error);
        if (r == -ENOENT || r == -EBUSY) /* there is none, or it has just ended */
                return error_recode(error, ERROR_NOT_RUNNING);
        if (r < 0)
                return not_started(p, r, ERROR_INTERNAL, error);
        {
                /* A cancel ends the process and not the wait for it: process_end() still needs that. */
                CTR_SHIELD();
                r = ctr_task_wait_begin(client, p->container_id, p->id, &p->wait, error);
        }
        if (r < 0)
                return r;
        r = ctr_task_start(client, p->container_id, p->id, NULL, error);
        if (r < 0)
                return not_started(p, r, ERROR_COMMAND_FAILED, error);
        r = p->stdin_path ? open_stdin(p, error) : 0;
        unlink_fifos(p);
        return r;
}

/* Reads what is there; the end of the stream closes it. */
static int read_stream(Process *p, Stream s, char *data, const ProcessStdio *stdio, Error *error) {
        ssize_t n = read(p->fds[s], data, PROCESS_READ_SIZE);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR
                               ? 0
                               : error_set_errno(error, errno, "read %s", stream_to_string(s));
        if (n == 0) {
                p->fds[s] = safe_close(p->fds[s]);
                return 0;
        }
        process_count(p, s, (size_t) n);
        if (process_is_drained(p, s))
                process_abandon(p, s);
        return stdio->output(stdio->userdata, s, data, (size_t) n, error);
}

/* Until both streams have ended, or the process has and all that it wrote has been read: something that it
 * left in the background may keep them for ever, silent or not. */
static int pump(Process *p, const ProcessStdio *stdio, Error *error) {
        enum { WAIT = _STREAM_MAX, CANCEL, N_FDS };
        _cleanup_free_ char *data = malloc(PROCESS_READ_SIZE);

        if (!data)
                return error_oom(error);
        while (!p->ended || p->fds[STREAM_STDOUT] >= 0 || p->fds[STREAM_STDERR] >= 0) {
                struct pollfd fds[N_FDS] = {
                        [STREAM_STDOUT] = { .fd = p->fds[STREAM_STDOUT], .events = POLLIN },
                        [STREAM_STDERR] = { .fd = p->fds[STREAM_STDERR], .events = POLLIN },
                        [WAIT] = { .fd = p->ended ? -1 : ctr_wait_get_fd(p->wait), .events = POLLIN },
                        [CANCEL] = { .fd = ctr_client_get_cancel_fd(p->runtime->client), .events = POLLIN },
                };

                int n = process_poll(p, fds, N_FDS, /* patient= */ false, error);
                if (n <= 0)
                        return n;
                if (fds[CANCEL].revents)
                        return error_set(error, ERROR_CANCELLED, "cancelled");
                for (Stream s = 0; s < _STREAM_MAX; s++)
                        if (fds[s].revents) {
                                int r = read_stream(p, s, data, stdio, error);
                                if (r < 0)
                                        return r;
                        }
                if (fds[WAIT].revents)
                        p->ended = process_has_ended(p);
        }
        return 0;
}

int process_run(Runtime *runtime, const char *container_id, const Buffer *spec, const ProcessStdio *stdio,
                int *ret_exit_code, Error *error) {
        _cleanup_(process_clear) Process p = {
                .runtime = runtime,
                .container_id = container_id,
                .id = runtime_random_name("exec"),
                .fds = { -EBADF, -EBADF },
                .stdin_fd = -EBADF,
        };
        _cleanup_(relay_clear) Relay relay = RELAY_NULL;
        CtrExit end = {};
        int r;

        if (!p.id)
                return error_oom(error);
        r = stdio->given ? relay_open(&relay, stdio, error) : 0;
        if (r >= 0)
                r = make_fifos(&p, /* with_stdin= */ stdio->given, error);
        if (r >= 0)
                r = start(&p, spec, error);
        if (r >= 0)
                r = stdio->given ? relay_run(&relay, &p, error) : pump(&p, stdio, error);
        if (r >= 0)
                r = ctr_wait_finish(p.wait, USEC_INFINITY, &end, error);
        if (r < 0)
                return r;
        *ret_exit_code = (int) end.status;
        return 0;
}
