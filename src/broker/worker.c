/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/worker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "broker/job-log.h"
#include "broker/manager.h"
#include "broker/pool.h"

/* Where a worker finds its connection. */
#define WORKER_FD 3

const char *worker_describe_end(const Worker *worker, char buffer[static WORKER_END_MAX]) {
        if (worker->complaint)
                snprintf(buffer, WORKER_END_MAX, "%s", worker->complaint);
        else if (!worker->reaped)
                snprintf(buffer, WORKER_END_MAX, "closed its connection");
        else if (worker->exit_code == CLD_EXITED)
                snprintf(buffer, WORKER_END_MAX, "exited with status %i", worker->exit_status);
        else
                snprintf(buffer, WORKER_END_MAX, "was killed by signal %s",
                         strempty(sigabbrev_np(worker->exit_status)));
        return buffer;
}

/* Whether it was idle. */
static bool worker_leave_idle(Worker *worker) {
        bool was_idle = TAKE(worker->is_idle, false);

        if (was_idle)
                QUEUE_REMOVE(idle, worker->pool->idle, worker);
        return was_idle;
}

static void worker_signal(Worker *worker, int signal) {
        if (!worker->reaped && pidfd_send_signal(worker->pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
                log_warning_errno(errno, "signal worker %i: %m", (int) worker->pid);
}

static int on_kill_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Worker *worker = userdata;

        job_log_worker_killed(worker->job, worker->pid);
        worker_signal(worker, SIGKILL);
        return 0;
}

static void worker_kill_after(Worker *worker, uint64_t usec) {
        int r = 0;

        if (worker->reaped)
                return;
        worker->doomed = true;
        if (worker->kill_timer) /* what was promised first holds */
                return;
        r = sd_event_add_time_relative(worker->pool->event, &worker->kill_timer, CLOCK_MONOTONIC, usec, 0,
                                       on_kill_timer, worker);
        if (r < 0) {
                log_warning_errno(r, "timer for the end of worker %i: %m, killing it now", (int) worker->pid);
                worker_signal(worker, SIGKILL);
        }
}

static void worker_close(Worker *worker) {
        worker->io = sd_event_source_disable_unref(worker->io);
        worker->fd = safe_close(worker->fd);
}

static void worker_end_if_gone(Worker *worker) {
        char how[WORKER_END_MAX];

        if (worker->fd >= 0 || !worker->reaped)
                return;
        Job *job = TAKE_PTR(worker->job);
        Manager *manager = worker->pool->manager;
        worker_describe_end(worker, how);
        worker_free(worker);
        if (job)
                job_worker_ended(job, how);
        manager_wake(manager); /* which may wait for the last one to end itself */
}

static void worker_out_of_order(Worker *worker, const char *complaint) {
        log_error("Worker %i %s, killing it", (int) worker->pid, complaint);
        worker->complaint = complaint;
        worker->doomed = true;
        worker_signal(worker, SIGKILL);
        worker_close(worker);
}

/* Hands the parts of what was read to the job. More after the job's end is out of order. */
static void worker_pass(Worker *worker, const char *data, size_t length) {
        AnswerPart part;

        while (length > 0) {
                if (!worker->job) {
                        worker_out_of_order(worker, "answered without being asked");
                        return;
                }
                int r = answer_next(&worker->answer, &data, &length, &part);
                if (r < 0) {
                        worker_out_of_order(worker, r == -EBADMSG ? "sent what is no answer"
                                                                  : "sent more than there is memory for");
                        return;
                }
                if (r > 0 && job_answer(worker->job, &part) > 0)
                        worker->job = NULL;
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Worker *worker = userdata;
        Pool *pool = worker->pool;

        ssize_t n = recv(fd, pool->scratch, POOL_SCRATCH_SIZE, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                /* Only an end with something of ours unread is ECONNRESET. */
                if (n < 0 && errno == ECONNRESET && worker->job && worker->reused)
                        job_not_taken(TAKE_PTR(worker->job));
                worker_close(worker);
                worker_kill_after(worker, WORKER_DISMISS_USEC);
                worker_end_if_gone(worker);
                return 0;
        }

        bool had_job = worker->job;
        worker_pass(worker, pool->scratch, (size_t) n);
        if (worker->fd < 0)
                worker_end_if_gone(worker);
        else if (had_job && !worker->job)
                pool_put(pool, worker);
        else if (worker->job && worker->job->blocked && !worker->reaped)
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        Worker *worker = userdata;

        worker_leave_idle(worker); /* a sweep that is asked for below is not for this one */
        worker->reaped = true;
        worker->exit_code = si->si_code;
        worker->exit_status = si->si_status;
        worker->kill_timer = sd_event_source_disable_unref(worker->kill_timer);
        /* It says so itself by its status, or had no time to remove what it had made; and what it asked of
         * containerd just before it was cancelled may have been done without its knowing. What the
         * daemon's own jobs do can be done again, and those that fail are. */
        bool well = si->si_code == CLD_EXITED && si->si_status == EXIT_SUCCESS && !worker->cancelled;
        if (!well && !worker->internal)
                sweeper_request(&worker->pool->manager->sweeper);
        /* Whoever else may hold the other end: what is in the socket still comes, then its end. */
        if (worker->fd >= 0)
                (void) shutdown(worker->fd, SHUT_RD);
        worker_continue(worker); /* and is little enough for a sink that has no room */
        worker_end_if_gone(worker);
        return 0;
}

static int spawn(Pool *pool, int fd, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t blocked, all;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -r;
        }

        /* A worker that is told to end before it listens hears of it later, and does not die of it. */
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGINT);
        sigaddset(&blocked, SIGTERM);
        sigfillset(&all);
        /* A group of its own: what a terminal sends to ours is for us to pass on. */
        r = posix_spawnattr_setflags(&attributes,
                                     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &blocked);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &all);
        if (r == 0)
                r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, fd, WORKER_FD);
        if (r == 0)
                r = posix_spawn(ret, pool->argv[0], &actions, &attributes, pool->argv, pool->environment);

        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int worker_watch(Worker *worker) {
        sd_event *event = worker->pool->event;
        int r;

        r = sd_event_add_child_pidfd(event, &worker->child, worker->pidfd, WEXITED, on_child, worker);
        if (r < 0)
                return r;
        /* From here on the source owns the process: it does not outlive us. */
        r = sd_event_source_set_child_process_own(worker->child, true);
        if (r >= 0)
                r = sd_event_source_set_child_pidfd_own(worker->child, true);
        if (r >= 0)
                r = sd_event_add_io(event, &worker->io, worker->fd, EPOLLIN, on_io, worker);
        return r;
}

/* A process that is watched by nobody is ended on the spot. */
static void abandon(pid_t pid, int pidfd) {
        (void) kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        safe_close(pidfd);
}

int worker_new(Pool *pool, Worker **ret, Error *error) {
        _cleanup_close_pair_ int pair[2] = { -EBADF, -EBADF };
        pid_t pid;
        int r;

        _cleanup_free_ Worker *worker = new0(Worker, 1);
        if (!worker)
                return error_oom(error);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
            fd_set_nonblock(pair[1], false) < 0)
                return error_set_errno(error, errno, "socket of a worker");

        r = spawn(pool, pair[1], &pid);
        if (r < 0) {
                (void) error_set_errno(error, r, "start \"%s\"", pool->argv[0]);
                return error_recode(error, ERROR_INTERNAL);
        }

        *worker = (Worker) { .pool = pool, .pid = pid, .fd = pair[0], .pidfd = pidfd_open(pid, 0) };
        r = worker->pidfd < 0 ? -errno : worker_watch(worker);
        if (r < 0) {
                if (worker->child) /* the source may own it already, or not yet */
                        (void) sd_event_source_set_child_process_own(worker->child, false);
                if (worker->child)
                        (void) sd_event_source_set_child_pidfd_own(worker->child, false);
                worker->child = sd_event_source_disable_unref(worker->child);
                abandon(pid, worker->pidfd);
                return error_set_errno(error, r, "watch worker %i", (int) pid);
        }

        pair[0] = -EBADF;
        LIST_PREPEND(workers, pool->workers, worker);
        pool->n_workers++;
        log_debug("Worker %i started", (int) pid);
        *ret = TAKE_PTR(worker);
        return 0;
}

Worker *worker_free(Worker *worker) {
        if (!worker)
                return NULL;
        Pool *pool = worker->pool;

        worker_leave_idle(worker);
        LIST_REMOVE(workers, pool->workers, worker);
        pool->n_workers--;
        log_debug("Worker %i has ended", (int) worker->pid);

        worker_close(worker);
        sd_event_source_disable_unref(worker->kill_timer);
        sd_event_source_disable_unref(worker->child);
        answer_clear(&worker->answer);
        free(worker);
        return NULL;
}

/* The line that goes with the fds. */
static int write_header(const Job *job, Buffer *line) {
        int r;

        r = buffer_printf(line,
                          "{\"version\":0,\"command\":\"request\",\"payload\":{\"job\":\"%" PRIu64
                          "\",\"pid\":%i,\"uid\":%u,\"gid\":%u,\"groups\":[",
                          job->id, (int) job->peer.pid, job->peer.uid, job->peer.gid);
        for (size_t i = 0; r >= 0 && i < job->peer.n_groups; i++)
                r = buffer_printf(line, "%s%u", i > 0 ? "," : "", job->peer.groups[i]);
        if (r >= 0)
                r = buffer_append_string(line, "],\"fds\":[");
        for (size_t i = 0; r >= 0 && i < job->n_fds; i++)
                r = buffer_printf(line, "%s\"%s\"", i > 0 ? "," : "", job->fds[i].name);
        return r < 0 ? r : buffer_append_string(line, "]}}\n");
}

static int send_header(int fd, const Buffer *line, const JobFd *fds, size_t n_fds) {
        union {
                char space[CMSG_SPACE(sizeof(int) * JOB_FDS_MAX)];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = { .iov_base = line->data, .iov_len = line->length };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds),
        };
        int numbers[JOB_FDS_MAX];

        for (size_t i = 0; i < n_fds; i++)
                numbers[i] = fds[i].fd;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        *c = (struct cmsghdr) {
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
                .cmsg_len = CMSG_LEN(sizeof(int) * n_fds),
        };
        memcpy(CMSG_DATA(c), numbers, sizeof(int) * n_fds);

        ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        return (size_t) n == line->length ? 0 : -EMSGSIZE;
}

int worker_send(Worker *worker, Job *job) {
        _cleanup_(buffer_clear) Buffer line = {};
        int r;

        if (worker_leave_idle(worker))
                worker->reused = true;
        r = worker->fd < 0 ? -EPIPE : write_header(job, &line);
        if (r >= 0)
                r = send_header(worker->fd, &line, job->fds, job->n_fds);
        if (r < 0) {
                worker_dismiss(worker);
                return r;
        }
        worker->job = job;
        worker->internal = command_info(job->command)->internal;
        return 0;
}

void worker_continue(Worker *worker) {
        if (worker->io)
                (void) sd_event_source_set_enabled(worker->io, SD_EVENT_ON);
}

void worker_cancel(Worker *worker, uint64_t kill_usec) {
        worker->doomed = worker->cancelled = true;
        worker_signal(worker, SIGINT);
        worker_kill_after(worker, kill_usec);
}

void worker_dismiss(Worker *worker) {
        worker_leave_idle(worker);
        worker_close(worker);
        worker_kill_after(worker, WORKER_DISMISS_USEC);
        if (worker->reaped)
                worker_free(worker);
}
