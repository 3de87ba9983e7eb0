/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/output.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"
#include "runtime/resolve.h"

#define OUTPUT_MODE 0644

/* How many random names are tried. One is enough unless somebody makes them on purpose. */
#define NAME_TRIES 16

struct Output {
        const Identity *identity;
        int dir_fd; /* O_PATH */
        int fd;
        char *name;
        char *path;      /* for messages */
        char *temporary; /* its name as long as it has another than the final one, else NULL */
};

/* A hidden name next to the final one, in new memory. NULL and errno. */
static char *random_name(const char *name) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
                return NULL;
        char *result = format_string(".%s.%016" PRIx64, name, random);
        if (!result)
                errno = ENOMEM;
        return result;
}

static int create_unnamed(Output *output) {
        int fd = openat(output->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, OUTPUT_MODE);

        return fd < 0 ? -errno : fd;
}

static int create_named(Output *output) {
        for (unsigned tries = 0; tries < NAME_TRIES; tries++) {
                _cleanup_free_ char *name = random_name(output->name);
                if (!name)
                        return -errno;
                int fd = openat(output->dir_fd, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC,
                                OUTPUT_MODE);
                if (fd >= 0) {
                        output->temporary = TAKE_PTR(name);
                        return fd;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

/* What a file system that has no O_TMPFILE says to it; -EISDIR is a kernel's. */
static bool lacks_tmpfile(int r) {
        return r == -EOPNOTSUPP || r == -EISDIR || r == -EINVAL || r == -ENOSYS;
}

/* As the client. */
static int create(Output *output, OutputFlags flags) {
        int fd = flags & OUTPUT_NAMED ? -EOPNOTSUPP : create_unnamed(output);
        if (lacks_tmpfile(fd))
                fd = create_named(output);
        if (fd < 0)
                return fd;
        output->fd = fd;
        return fchmod(fd, OUTPUT_MODE) < 0 ? -errno : 0;
}

int output_open(const Identity *identity, int dir_fd, const char *directory, const char *name,
                OutputFlags flags, Output **ret, Error *error) {
        if (isempty(name) || strchr(name, '/') || streq(name, ".") || streq(name, ".."))
                return error_set(error, ERROR_INVALID_ARGUMENT, "\"%s\" is no file name", strempty(name));

        _cleanup_(output_freep) Output *output = new0(Output, 1);
        if (!output)
                return error_oom(error);
        *output = (Output) { .identity = identity, .dir_fd = -EBADF, .fd = -EBADF };
        output->name = strdup(name);
        output->path = format_string("%s/%s", directory, name);
        if (!output->name || !output->path)
                return error_oom(error);

        output->dir_fd = identity_mkdir_p(identity, dir_fd, directory, error);
        if (output->dir_fd < 0)
                return output->dir_fd;

        _cleanup_(identity_leave) IdentityTurn turn = {};
        int r = identity_enter(identity, &turn, error);
        if (r < 0)
                return r;
        r = create(output, flags);
        if (r < 0)
                return error_set_errno(error, r, "create %s", output->path);

        *ret = TAKE_PTR(output);
        return 0;
}

int output_fd(const Output *output) {
        return output->fd;
}

static int link_as(Output *output, const char *name) {
        char path[FD_PATH_MAX];

        return linkat(AT_FDCWD, resolve_fd_path(path, output->fd), output->dir_fd, name, AT_SYMLINK_FOLLOW) <
                               0
                       ? -errno
                       : 0;
}

/* Gives a file without a name a hidden one. */
static int link_hidden(Output *output) {
        for (unsigned tries = 0; tries < NAME_TRIES; tries++) {
                _cleanup_free_ char *name = random_name(output->name);
                if (!name)
                        return -errno;
                int r = link_as(output, name);
                if (r >= 0)
                        output->temporary = TAKE_PTR(name);
                if (r != -EEXIST)
                        return r;
        }
        return -EEXIST;
}

/* As the client. A link cannot replace a name and a rename needs one, so that only where there is a file
 * already its successor has a hidden name for a moment. */
static int put_in_place(Output *output) {
        if (!output->temporary) {
                int r = link_as(output, output->name);
                if (r == -EEXIST)
                        r = link_hidden(output);
                if (r < 0 || !output->temporary)
                        return r;
        }
        if (renameat(output->dir_fd, output->temporary, output->dir_fd, output->name) < 0)
                return -errno;
        output->temporary = mfree(output->temporary);
        return 0;
}

int output_commit(Output *output, Error *error) {
        _cleanup_(identity_leave) IdentityTurn turn = {};

        int r = identity_enter(output->identity, &turn, error);
        if (r < 0)
                return r;
        r = put_in_place(output);
        return r < 0 ? error_set_errno(error, r, "create %s", output->path) : 0;
}

Output *output_free(Output *output) {
        if (!output)
                return NULL;

        if (output->temporary) {
                _cleanup_(identity_leave) IdentityTurn turn = {};
                if (identity_enter(output->identity, &turn, NULL) >= 0)
                        (void) unlinkat(output->dir_fd, output->temporary, 0);
        }
        safe_close(output->fd);
        safe_close(output->dir_fd);
        free(output->name);
        free(output->path);
        free(output->temporary);
        return mfree(output);
}
