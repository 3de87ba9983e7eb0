/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/string-util.h"

#define LARGE_FILES 4U
#define LARGE_SIZE ((size_t) MIB(128))
#define MANY_DIRECTORIES 100U
#define MANY_FILES 200U /* in each */
#define MANY_SIZE 2048U
#define SMALL_FILES 10U

static int _printf_(3, 0)
        request_v(Buffer *ret, const char *command, const char *payload, va_list arguments) {
        _cleanup_free_ char *text = NULL;

        if (payload && vasprintf(&text, payload, arguments) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        return buffer_printf(ret, "{\"version\":0,\"command\":\"%s\"%s%s}\n", command,
                             text ? ",\"payload\":" : "", strempty(text));
}

int bench_request(Buffer *ret, const char *command, const char *payload, ...) {
        va_list arguments;

        va_start(arguments, payload);
        int r = request_v(ret, command, payload, arguments);
        va_end(arguments);
        return r;
}

int bench_ask(const Target *target, double *ret_msec, Error *error, const char *command, const char *payload,
              ...) {
        _cleanup_(buffer_clear) Buffer request = {}, reply = {};
        va_list arguments;
        double msec = 0;

        va_start(arguments, payload);
        int r = request_v(&request, command, payload, arguments);
        va_end(arguments);
        if (r < 0)
                return error_oom(error);
        r = exchange(target->socket, &request, &reply, &msec, error);
        if (r < 0)
                return error_prefix(error, r, "%s", command);
        if (ret_msec)
                *ret_msec = msec;
        return 0;
}

static int copy_base(const Bench *bench, Error *error) {
        _cleanup_free_ char *path = format_string("%s/base.tar", bench->directory);

        if (!path)
                return error_oom(error);
        _cleanup_close_ int from = open(bench->base, O_RDONLY | O_CLOEXEC);
        if (from < 0)
                return error_set_errno(error, errno, "%s", bench->base);
        _cleanup_close_ int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (to < 0)
                return error_set_errno(error, errno, "%s", path);
        for (ssize_t n = 1; n > 0;) {
                n = sendfile(to, from, NULL, MIB(1));
                if (n < 0)
                        return error_set_errno(error, errno, "copy %s", bench->base);
        }
        return 0;
}

int bench_directory(Bench *bench, Error *error) {
        if (bench->directory)
                return 0;
        if (!bench->base)
                return error_set(error, ERROR_UNSUPPORTED, "needs --base");
        char *path = format_string("%s/cruxd-benchmark-XXXXXX", getenv("TMPDIR") ?: "/var/tmp");
        if (!path)
                return error_oom(error);
        if (!mkdtemp(path)) {
                int r = error_set_errno(error, errno, "%s", path);
                free(path);
                return r;
        }
        bench->directory = path;
        for (unsigned i = 0; i < bench->n_targets; i++) {
                Target *target = bench->targets + i;

                target->output = format_string("%s/output-%u", path, i + 1);
                if (!target->output)
                        return error_oom(error);
                if (mkdir(target->output, 0755) < 0)
                        return error_set_errno(error, errno, "%s", target->output);
        }
        return copy_base(bench, error);
}

static int write_file(int dir_fd, const char *name, const void *data, size_t n, size_t times, Error *error) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        if (fd < 0)
                return error_set_errno(error, errno, "%s", name);
        for (size_t i = 0; i < times; i++) {
                int r = write_all(fd, data, n);
                if (r < 0)
                        return error_set_errno(error, r, "write %s", name);
        }
        return 0;
}

static int random_bytes(void *data, size_t n, Error *error) {
        for (size_t at = 0; at < n;) {
                ssize_t got = getrandom((char *) data + at, MIN(n - at, (size_t) MIB(1)), 0);
                if (got < 0)
                        return error_set_errno(error, errno, "getrandom");
                at += (size_t) got;
        }
        return 0;
}

/* Bytes that no compressor makes less of, none of them twice. */
static int fill_large(int dir_fd, Error *error) {
        _cleanup_free_ char *data = malloc(LARGE_SIZE);
        char name[16];
        int r = data ? 0 : error_oom(error);

        for (unsigned i = 0; i < LARGE_FILES && r >= 0; i++) {
                snprintf(name, sizeof(name), "%u", i);
                r = random_bytes(data, LARGE_SIZE, error);
                if (r >= 0)
                        r = write_file(dir_fd, name, data, LARGE_SIZE, 1, error);
        }
        return r;
}

/* Text of which each file has its own: random letters of a small alphabet, which a compressor halves. */
static int fill_many(int dir_fd, Error *error) {
        char data[MANY_SIZE], name[32];
        int r = 0;

        for (unsigned d = 0; d < MANY_DIRECTORIES && r >= 0; d++) {
                snprintf(name, sizeof(name), "%02u", d);
                if (mkdirat(dir_fd, name, 0755) < 0)
                        return error_set_errno(error, errno, "mkdir %s", name);
                for (unsigned f = 0; f < MANY_FILES && r >= 0; f++) {
                        snprintf(name, sizeof(name), "%02u/%03u", d, f);
                        r = random_bytes(data, sizeof(data), error);
                        for (size_t i = 0; i < sizeof(data); i++)
                                data[i] = (char) ('a' + (data[i] & 15));
                        if (r >= 0)
                                r = write_file(dir_fd, name, data, sizeof(data), 1, error);
                }
        }
        return r;
}

static int fill_small(int dir_fd, Error *error) {
        char name[16];
        int r = 0;

        for (unsigned i = 0; i < SMALL_FILES && r >= 0; i++) {
                snprintf(name, sizeof(name), "%u", i);
                r = write_file(dir_fd, name, "hello, world\n", 13, 1, error);
        }
        return r;
}

int bench_tree(Bench *bench, Tree tree, Error *error) {
        static const struct {
                const char *name;
                int (*fill)(int dir_fd, Error *error);
        } trees[_TREE_MAX] = {
                [TREE_SMALL] = { "small", fill_small },
                [TREE_LARGE] = { "large", fill_large },
                [TREE_MANY] = { "many", fill_many },
        };
        int r;

        r = bench_directory(bench, error);
        if (r < 0 || bench->made[tree])
                return r;
        _cleanup_free_ char *path = format_string("%s/%s", bench->directory, trees[tree].name);
        if (!path)
                return error_oom(error);
        if (mkdir(path, 0755) < 0)
                return error_set_errno(error, errno, "mkdir %s", path);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(error, errno, "open %s", path);
        r = trees[tree].fill(fd, error);
        bench->made[tree] = r >= 0;
        return error_prefix(error, r, "make %s", path);
}

int bench_image(Bench *bench, Target *target, Error *error) {
        int r = bench_directory(bench, error);

        if (r < 0 || target->imported)
                return r;
        r = bench_ask(target, NULL, error, "image-import",
                      "{\"ref\":\"%s\",\"version\":\"1\",\"path\":\"%s/base.tar\"}", target->name,
                      bench->directory);
        target->imported = r >= 0;
        return r;
}

int bench_container(Bench *bench, Target *target, Error *error) {
        int r = bench_image(bench, target, error);

        if (r < 0 || target->started)
                return r;
        r = bench_ask(target, NULL, error, "image-start", "{\"ref\":\"%s\",\"version\":\"1\"}", target->name);
        target->started = r >= 0;
        return r;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        if (remove(path) < 0)
                fprintf(stderr, "remove %s: %m\n", path);
        return 0;
}

void bench_clear(Bench *bench) {
        for (unsigned i = 0; i < bench->n_targets; i++) {
                Target *target = bench->targets + i;
                _cleanup_(error_clear) Error error = {};

                if (target->imported && bench_ask(target, NULL, &error, "image-destroy",
                                                  "{\"ref\":\"%s\",\"version\":\"1\"}", target->name) < 0)
                        fprintf(stderr, "%s: %s\n", target->socket, error_message(&error));
                free(target->output);
        }
        if (bench->directory)
                (void) nftw(bench->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(bench->directory);
        *bench = (Bench) {};
}
