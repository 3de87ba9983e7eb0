/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define SCRATCH_MAX 256

static char *paths[SCRATCH_MAX];
static int fds[SCRATCH_MAX];
static unsigned n_paths;
static pid_t owner;

#define CHECK(expression) \
        do { \
                if ((expression) < 0) \
                        test_fail(__FILE__, __LINE__, "%s: %s: %s", __func__, path, strerror(errno)); \
        } while (0)

/* By rm, which can remove trees that are deeper than a path is long. */
static void remove_tree(const char *path) {
        pid_t pid = fork();

        if (pid == 0) {
                execlp("rm", "rm", "-rf", "--one-file-system", "--", path, NULL);
                _exit(127);
        }
        (void) waitpid(pid, NULL, 0);
}

static void remove_all(void) {
        if (getpid() != owner) /* a child of a test */
                return;
        for (unsigned i = 0; i < n_paths; i++) {
                remove_tree(paths[i]);
                close(fds[i]);
                free(paths[i]);
        }
}

int scratch_new(void) {
        char path[] = "/tmp/cruxd-test-XXXXXX";

        if (n_paths == 0) {
                owner = getpid();
                atexit(remove_all);
        }
        if (n_paths == SCRATCH_MAX || !mkdtemp(path))
                test_fail(__FILE__, __LINE__, "mkdtemp: %s", strerror(errno));
        CHECK(chmod(path, 0755));
        paths[n_paths] = strdup(path);
        CHECK(fds[n_paths] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return fds[n_paths++];
}

const char *scratch_path(int dir_fd) {
        for (unsigned i = 0; i < n_paths; i++)
                if (fds[i] == dir_fd)
                        return paths[i];
        test_fail(__FILE__, __LINE__, "fd %i is no scratch directory", dir_fd);
}

void need_root(void) {
        if (geteuid() != 0)
                test_skip("needs root");
}

void need_mounts(void) {
        need_root();
        int fd = fsopen("overlay", FSOPEN_CLOEXEC);
        if (fd < 0 && errno == ENOSYS)
                test_skip("no fsopen(2) here");
        close(fd);
}

static void put_parents(int dir_fd, const char *path) {
        char parent[4096];

        for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
                size_t n = (size_t) (slash - path);
                memcpy(parent, path, n);
                parent[n] = '\0';
                if (n == 0)
                        continue;
                if (mkdirat(dir_fd, parent, 0755) >= 0)
                        CHECK(fchmodat(dir_fd, parent, 0755, 0));
                else if (errno != EEXIST)
                        test_fail(__FILE__, __LINE__, "mkdir %s: %s", parent, strerror(errno));
        }
}

void put_directory(int dir_fd, const char *path, mode_t mode) {
        put_parents(dir_fd, path);
        if (mkdirat(dir_fd, path, 0755) < 0 && errno != EEXIST)
                CHECK(-1);
        CHECK(fchmodat(dir_fd, path, mode, 0));
}

void put_file(int dir_fd, const char *path, const char *content, mode_t mode) {
        put_parents(dir_fd, path);
        int fd = openat(dir_fd, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        CHECK(fd);
        CHECK(write(fd, content, strlen(content)));
        CHECK(fchmod(fd, mode));
        close(fd);
}

void put_symlink(int dir_fd, const char *path, const char *target) {
        put_parents(dir_fd, path);
        CHECK(symlinkat(target, dir_fd, path));
}

void put_node(int dir_fd, const char *path, mode_t mode, dev_t device) {
        put_parents(dir_fd, path);
        CHECK(mknodat(dir_fd, path, mode, device));
        CHECK(fchmodat(dir_fd, path, mode & 07777, 0));
}

struct stat stat_of(int dir_fd, const char *path) {
        struct stat st;

        CHECK(fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW));
        return st;
}

bool exists(int dir_fd, const char *path) {
        struct stat st;

        return fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) >= 0;
}

const char *content_of(int dir_fd, const char *path) {
        static char content[65536];

        int fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        CHECK(fd);
        ssize_t n = read(fd, content, sizeof(content) - 1);
        CHECK(n);
        content[n] = '\0';
        close(fd);
        return content;
}

const char *target_of(int dir_fd, const char *path) {
        static char target[4096];

        ssize_t n = readlinkat(dir_fd, path, target, sizeof(target) - 1);
        CHECK(n);
        target[n] = '\0';
        return target;
}

unsigned count_entries(int dir_fd, const char *path) {
        unsigned n = 0;

        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(fd);
        DIR *d = fdopendir(fd);
        for (const struct dirent *de; (de = readdir(d));)
                n += strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
        closedir(d);
        return n;
}
