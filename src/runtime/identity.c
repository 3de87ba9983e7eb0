/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/resolve.h"

/* glibc carries setgroups(2) over to every thread of the process; the kernel's own concerns the caller alone.
 * The others have no such wrapper but are called likewise, so that all of a turn can be seen to be of one
 * kind. */
static int thread_setgroups(const gid_t *groups, size_t n) {
        return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

/* Both report no failure; asking for the impossible -1 tells what holds. */
static int thread_setfsgid(gid_t gid) {
        (void) syscall(SYS_setfsgid, gid);
        return (gid_t) syscall(SYS_setfsgid, (gid_t) -1) == gid ? 0 : -EPERM;
}

static int thread_setfsuid(uid_t uid) {
        (void) syscall(SYS_setfsuid, uid);
        return (uid_t) syscall(SYS_setfsuid, (uid_t) -1) == uid ? 0 : -EPERM;
}

static int thread_capset(const struct __user_cap_data_struct *data) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int thread_capget(struct __user_cap_data_struct *data) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

        return syscall(SYS_capget, &header, data) < 0 ? -errno : 0;
}

/* The supplementary groups of this thread; NULL and 0 for none. */
static int get_groups(gid_t **ret, size_t *ret_n) {
        int n = getgroups(0, NULL);
        if (n < 0)
                return -errno;

        _cleanup_free_ gid_t *groups = new0(gid_t, n > 0 ? (size_t) n : 1);
        if (!groups)
                return -ENOMEM;
        n = getgroups(n, groups);
        if (n < 0)
                return -errno;
        *ret = TAKE_PTR(groups);
        *ret_n = (size_t) n;
        return 0;
}

int identity_init(Identity *ret, uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, int root_fd,
                  Error *error) {
        struct stat st;

        if (uid == (uid_t) -1 || gid == (gid_t) -1)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the client has no valid user or group id");
        if (n_groups > NGROUPS_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "the client is in more than %i groups",
                                 NGROUPS_MAX);
        if (fstat(root_fd, &st) < 0)
                return error_set_errno(error, errno, "stat the client's root directory");
        if (!S_ISDIR(st.st_mode))
                return error_set(error, ERROR_INVALID_ARGUMENT, "the client's root directory is none");

        gid_t *copy = new0(gid_t, MAX(n_groups, (size_t) 1));
        if (!copy)
                return error_oom(error);
        if (n_groups > 0)
                memcpy(copy, groups, n_groups * sizeof(gid_t));
        *ret = (Identity) {
                .uid = uid, .gid = gid, .groups = copy, .n_groups = n_groups, .root_fd = root_fd
        };
        return 0;
}

int identity_init_self(Identity *ret, Error *error) {
        _cleanup_free_ gid_t *groups = NULL;
        size_t n_groups;

        int r = get_groups(&groups, &n_groups);
        if (r < 0)
                return error_set_errno(error, r, "read the groups of this process");

        _cleanup_close_ int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return error_set_errno(error, errno, "open /");

        r = identity_init(ret, geteuid(), getegid(), groups, n_groups, root_fd, error);
        if (r < 0)
                return r;
        TAKE_FD(root_fd);
        return 0;
}

void identity_clear(Identity *identity) {
        free(identity->groups);
        safe_close(identity->root_fd);
        *identity = (Identity) IDENTITY_NULL;
}

/* Whether being the client changes nothing. Root's groups give it no right that it lacks; for others they are
 * part of who they are, but a process that is not root can change none of them. */
static bool is_us(const Identity *identity) {
        uid_t uid = geteuid();

        return identity->uid == uid && (uid == 0 || identity->gid == getegid());
}

/* Without these nothing could be changed, or what was changed not be changed back. */
static bool can_become_others(const IdentityTurn *turn) {
        const __u32 needed = CAP_TO_MASK(CAP_SETUID) | CAP_TO_MASK(CAP_SETGID);

        return (turn->capabilities[CAP_TO_INDEX(CAP_SETUID)].effective & needed) == needed;
}

/* Leaving uid 0 makes the capabilities over files ineffective, not CAP_SYS_PTRACE and the rest. None is
 * needed to come back: they stay permitted. */
static int lower_capabilities(const IdentityTurn *turn) {
        struct __user_cap_data_struct lowered[_LINUX_CAPABILITY_U32S_3];

        for (size_t i = 0; i < ELEMENTSOF(lowered); i++) {
                lowered[i] = turn->capabilities[i];
                lowered[i].effective = 0;
        }
        return thread_capset(lowered);
}

int identity_enter(const Identity *identity, IdentityTurn *turn, Error *error) {
        int r;

        if (!identity || is_us(identity))
                return 0;

        r = thread_capget(turn->capabilities);
        if (r >= 0 && !can_become_others(turn))
                r = -EPERM;
        if (r < 0)
                return error_set_errno(error, r, "act as user %u", (unsigned) identity->uid);

        r = get_groups(&turn->groups, &turn->n_groups);
        if (r >= 0)
                r = thread_setgroups(identity->groups, identity->n_groups);
        if (r < 0) {
                turn->groups = mfree(turn->groups);
                return error_set_errno(error, r, "act as user %u", (unsigned) identity->uid);
        }
        turn->fsuid = (uid_t) syscall(SYS_setfsuid, (uid_t) -1);
        turn->fsgid = (gid_t) syscall(SYS_setfsgid, (gid_t) -1);
        turn->entered = true;

        r = thread_setfsgid(identity->gid);
        if (r >= 0)
                r = thread_setfsuid(identity->uid);
        if (r >= 0)
                r = lower_capabilities(turn);
        if (r < 0) {
                identity_leave(turn);
                return error_set_errno(error, r, "act as user %u", (unsigned) identity->uid);
        }
        return 0;
}

void identity_leave(IdentityTurn *turn) {
        if (!turn->entered)
                return;

        int saved_errno = errno;
        /* The capabilities first, by which the rest is allowed, and last, as changing fsuid touches them.
         * Where one of these fails the thread would go on with some of each one's rights, which must not be.
         */
        if (thread_capset(turn->capabilities) < 0 || thread_setfsuid(turn->fsuid) < 0 ||
            thread_setfsgid(turn->fsgid) < 0 || thread_setgroups(turn->groups, turn->n_groups) < 0 ||
            thread_capset(turn->capabilities) < 0)
                abort();
        free(turn->groups);
        *turn = (IdentityTurn) {};
        errno = saved_errno;
}

static int root_of(const Identity *identity, int dir_fd) {
        return dir_fd >= 0 ? dir_fd : identity->root_fd;
}

/* What would be judged by who reads it, which would be us. */
static int refuse_judging(int fd, const char *path, Error *error) {
        const char *judging;

        int r = resolve_judging_file_system(fd, FILE_READ, &judging);
        if (r < 0)
                return error_set_errno(error, r, "open %s", path);
        if (judging)
                return error_set(error, ERROR_PERMISSION_DENIED, "open %s: files of %s are not read", path,
                                 judging);
        return 0;
}

int identity_open(const Identity *identity, int dir_fd, const char *path, int flags, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};
        if (!(flags & O_PATH))
                flags |= O_NOCTTY | O_NONBLOCK;

        int r = identity_enter(identity, &turn, error);
        if (r < 0)
                return r;

        _cleanup_close_ int fd =
                open_beneath(root_of(identity, dir_fd), path, (uint64_t) flags, 0, RESOLVE_ROOT);
        if (fd < 0)
                return error_set_errno(error, fd, "open %s", path);
        r = refuse_judging(fd, path, error);
        return r < 0 ? r : TAKE_FD(fd);
}

int identity_open_directory(const Identity *identity, int dir_fd, const char *path, Error *error) {
        return identity_open(identity, dir_fd, path, O_RDONLY | O_DIRECTORY, error);
}

/* Looked at before it is opened, as opening alone makes some devices act. */
int identity_open_file(const Identity *identity, int dir_fd, const char *path, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};
        struct stat st;

        int r = identity_enter(identity, &turn, error);
        if (r < 0)
                return r;

        _cleanup_close_ int path_fd = open_beneath(root_of(identity, dir_fd), path, O_PATH, 0, RESOLVE_ROOT);
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return error_set_errno(error, path_fd < 0 ? path_fd : errno, "open %s", path);
        if (!S_ISREG(st.st_mode))
                return error_set(error, ERROR_INVALID_ARGUMENT, "open %s: is %s, not a regular file", path,
                                 resolve_type_words(st.st_mode));
        r = refuse_judging(path_fd, path, error);
        if (r < 0)
                return r;

        int fd = resolve_reopen(path_fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return error_set_errno(error, fd, "open %s", path);
        return fd;
}

int identity_stat(const Identity *identity, int dir_fd, const char *path, struct stat *ret, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};

        int r = identity_enter(identity, &turn, error);
        if (r < 0)
                return r;

        _cleanup_close_ int fd = open_beneath(root_of(identity, dir_fd), path, O_PATH, 0, RESOLVE_ROOT);
        if (fd < 0 || fstat(fd, ret) < 0)
                return error_set_errno(error, fd < 0 ? fd : errno, "stat %s", path);
        return 0;
}

int identity_mkdir_p(const Identity *identity, int dir_fd, const char *path, Error *error) {
        static const MakeDirectory make = { .mode = 0755, .uid = (uid_t) -1, .gid = (gid_t) -1 };
        _cleanup_(identity_leave) IdentityTurn turn = {};

        int r = identity_enter(identity, &turn, error);
        if (r < 0)
                return r;

        int fd = resolve_mkdir_p(root_of(identity, dir_fd), path, &make, RESOLVE_ROOT, NULL);
        if (fd < 0)
                return error_set_errno(error, fd, "mkdir %s", path);
        return fd;
}
