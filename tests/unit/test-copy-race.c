/* SPDX-License-Identifier: Apache-2.0 */

/* Copies while a stranger changes what is copied, or where it goes. What comes of a copy then is open; that
 * nothing leads out of either root, and that it ends, is not. */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/time-util.h"
#include "runtime/copy.h"
#include "runtime/resolve.h"
#include "runtime/rootfs.h"
#include "scratch.h"
#include "test.h"

/* How long each of these races is run. */
#define RACE_USEC (200 * USEC_PER_MSEC)

typedef struct Stranger {
        int dir_fd;
        const char *one, *other; /* to be exchanged, or a file to be worked on */
        void (*work)(const struct Stranger *stranger);
        atomic_bool stop;
        atomic_ulong rounds;
        pthread_t thread;
} Stranger;

static void exchange(const Stranger *stranger) {
        (void) renameat2(stranger->dir_fd, stranger->one, stranger->dir_fd, stranger->other, RENAME_EXCHANGE);
}

/* Moves a directory away and back, so that ".." of it means something else. */
static void move(const Stranger *stranger) {
        (void) renameat(stranger->dir_fd, stranger->one, stranger->dir_fd, stranger->other);
        (void) renameat(stranger->dir_fd, stranger->other, stranger->dir_fd, stranger->one);
}

static void append(const Stranger *stranger) {
        static const char data[65536] = "more";
        _cleanup_close_ int fd = openat(stranger->dir_fd, stranger->one, O_WRONLY | O_APPEND | O_CLOEXEC);

        (void) write_all(fd, data, sizeof(data));
}

static void cut(const Stranger *stranger) {
        _cleanup_close_ int fd = openat(stranger->dir_fd, stranger->one, O_WRONLY | O_CLOEXEC);

        (void) !ftruncate(fd, 10);
        (void) !ftruncate(fd, 10 << 20);
}

static void remove_and_make(const Stranger *stranger) {
        (void) unlinkat(stranger->dir_fd, stranger->one, 0);
        close(openat(stranger->dir_fd, stranger->one, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
}

static void *stranger_thread(void *userdata) {
        Stranger *stranger = userdata;

        while (!atomic_load(&stranger->stop)) {
                stranger->work(stranger);
                atomic_fetch_add(&stranger->rounds, 1);
        }
        return NULL;
}

static void stranger_start(Stranger *stranger) {
        ASSERT_EQ(pthread_create(&stranger->thread, NULL, stranger_thread, stranger), 0);
}

static void stranger_end(Stranger *stranger) {
        atomic_store(&stranger->stop, true);
        pthread_join(stranger->thread, NULL);
        ASSERT_LT(0, atomic_load(&stranger->rounds));
}

/* The world outside of both roots must stay as it is. */
typedef struct World {
        int dir, host, image;
        Identity client;
} World;

static World new_world(void) {
        World w = { .dir = scratch_new() };

        put_directory(w.dir, "outside", 0755);
        put_file(w.dir, "outside/secret", "SECRET", 0644);
        put_file(w.dir, "outside/sub/secret", "SECRET", 0644);
        put_directory(w.dir, "host/src/tree/dir", 0755);
        put_directory(w.dir, "image", 0755);
        w.host = openat(w.dir, "host/src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        w.image = openat(w.dir, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_EQ(identity_init(&w.client, geteuid() == 0 ? 65534 : geteuid(), getegid(), NULL, 0,
                                dup(w.host), NULL),
                  0);
        return w;
}

static void world_clear(World *w) {
        identity_clear(&w->client);
        close(w->host);
        close(w->image);
}

static void check_outside(const World *w) {
        ASSERT_EQ(count_entries(w->dir, "outside"), 2);
        ASSERT_EQ(count_entries(w->dir, "outside/sub"), 1);
        ASSERT_EQ(count_entries(w->dir, "."), 3);
        ASSERT_STREQ(content_of(w->dir, "outside/secret"), "SECRET");
}

static int copy_once(const World *w, const char *from, const char *to) {
        const CopySource source = {
                .root_fd = w->host, .path = from, .identity = &w->client, .refuse_devices = true
        };
        const CopyDestination destination = { .root_fd = w->image, .path = to };

        return copy_tree(&source, &destination, NULL, NULL, NULL, NULL);
}

/* Copies again and again while the stranger is at work; gives how often it worked. */
static unsigned race(World *w, Stranger *stranger, const char *from, const char *to, const char *forbidden) {
        uint64_t end = now_usec(CLOCK_MONOTONIC) + RACE_USEC;
        unsigned good = 0;

        stranger_start(stranger);
        while (now_usec(CLOCK_MONOTONIC) < end) {
                good += copy_once(w, from, to) >= 0;
                if (forbidden && exists(w->image, forbidden)) {
                        stranger_end(stranger);
                        test_fail(__FILE__, __LINE__, "%s was copied", forbidden);
                }
        }
        stranger_end(stranger);
        check_outside(w);
        return good;
}

TEST(a_source_directory_that_becomes_a_symlink) {
        _cleanup_(world_clear) World w = new_world();
        Stranger stranger = { .dir_fd = w.host, .one = "tree/dir", .other = "trap", .work = exchange };

        put_file(w.host, "tree/dir/sub/own", "own", 0644);
        put_symlink(w.host, "trap", "../../../outside");
        race(&w, &stranger, "tree", "/x", "x/dir/sub/secret");

        Stranger outer = { .dir_fd = w.host, .one = "tree", .other = "trap", .work = exchange };
        if (S_ISLNK(stat_of(w.host, "tree/dir").st_mode))
                exchange(&stranger);
        race(&w, &outer, "tree/dir", "/y", "y/secret");
}

TEST(a_source_directory_that_moves) {
        _cleanup_(world_clear) World w = new_world();
        Stranger stranger = {
                .dir_fd = w.dir, .one = "host/src/tree/dir", .other = "outside/dir", .work = move
        };

        put_file(w.host, "tree/dir/sub/own", "own", 0644);
        uint64_t end = now_usec(CLOCK_MONOTONIC) + RACE_USEC;
        stranger_start(&stranger);
        while (now_usec(CLOCK_MONOTONIC) < end) {
                (void) copy_once(&w, "tree/dir/../../secret", "/x");
                (void) copy_once(&w, "tree/dir/sub/../../secret", "/x");
        }
        stranger_end(&stranger);
        ASSERT_FALSE(exists(w.image, "x"));
        check_outside(&w);
}

/* A directory is listed as a whole before its files are opened: many of them give the stranger time, and some
 * of those that he exchanges are far from the beginning, wherever the file system lists them. */
#define VICTIMS 8

static void put_company(int dir_fd) {
        char name[32];

        for (unsigned i = 0; i < 400; i++) {
                snprintf(name, sizeof(name), "tree/company-%u", i);
                put_file(dir_fd, name, "own", 0644);
        }
        for (unsigned i = 0; i < VICTIMS; i++) {
                snprintf(name, sizeof(name), "tree/%u", i);
                put_file(dir_fd, name, "own", 0644);
        }
}

/* Each victim with its "trap-N" beside the tree. */
static void exchange_victims(const Stranger *stranger) {
        char name[32], trap[32];

        for (unsigned i = 0; i < VICTIMS; i++) {
                snprintf(name, sizeof(name), "tree/%u", i);
                snprintf(trap, sizeof(trap), "trap-%u", i);
                (void) renameat2(stranger->dir_fd, name, stranger->dir_fd, trap, RENAME_EXCHANGE);
        }
}

/* A copy that worked has all of a file, one that failed perhaps a part; none has anything else. */
static void check_content(const World *w, int r, const char *directory) {
        char path[32];

        for (unsigned i = 0; i < VICTIMS; i++) {
                snprintf(path, sizeof(path), "%s/%u", directory, i);
                if (!exists(w->image, path) || !S_ISREG(stat_of(w->image, path).st_mode))
                        continue;
                const char *content = content_of(w->image, path);
                if (strcmp(content, "own") != 0 && (r >= 0 || content[0]))
                        abort(); /* the stranger still runs: no way to fail in order */
        }
}

TEST(source_files_that_become_symlinks) {
        _cleanup_(world_clear) World w = new_world();
        Stranger stranger = { .dir_fd = w.host, .work = exchange_victims };
        uint64_t end = now_usec(CLOCK_MONOTONIC) + RACE_USEC;
        char trap[32];

        put_company(w.host);
        for (unsigned i = 0; i < VICTIMS; i++) {
                snprintf(trap, sizeof(trap), "trap-%u", i);
                put_symlink(w.host, trap, "../../../outside/secret");
        }
        stranger_start(&stranger);
        while (now_usec(CLOCK_MONOTONIC) < end) {
                check_content(&w, copy_once(&w, "tree", "/x"), "x");
                check_content(&w, copy_once(&w, "tree/0", "/y/"), "y");
        }
        stranger_end(&stranger);
        check_outside(&w);
}

TEST(source_files_that_become_fifos) {
        _cleanup_(world_clear) World w = new_world();
        Stranger one = { .dir_fd = w.host, .work = exchange_victims }, two = one;
        char trap[32];

        put_company(w.host);
        for (unsigned i = 0; i < VICTIMS; i++) {
                snprintf(trap, sizeof(trap), "trap-%u", i);
                put_node(w.host, trap, S_IFIFO | 0666, 0);
        }
        race(&w, &one, "tree", "/x", NULL); /* and does not wait */
        race(&w, &two, "tree/0", "/y", NULL);
}

TEST(a_source_file_that_grows_or_shrinks) {
        _cleanup_(world_clear) World w = new_world();
        Stranger grows = { .dir_fd = w.host, .one = "tree/file", .work = append };
        Stranger shrinks = { .dir_fd = w.host, .one = "tree/file", .work = cut };

        put_file(w.host, "tree/file", "begin", 0644);
        ASSERT_LT(0, race(&w, &grows, "tree", "/x", NULL)); /* and ends */
        ASSERT_LT(0, race(&w, &shrinks, "tree", "/x", NULL));
        ASSERT_LE(stat_of(w.image, "x/file").st_size, 10 << 20);
}

TEST(a_source_file_that_comes_and_goes) {
        _cleanup_(world_clear) World w = new_world();
        Stranger stranger = { .dir_fd = w.host, .one = "tree/file", .work = remove_and_make };
        uint64_t end = now_usec(CLOCK_MONOTONIC) + RACE_USEC;

        put_file(w.host, "tree/stays", "x", 0644);
        stranger_start(&stranger);
        while (now_usec(CLOCK_MONOTONIC) < end)
                ASSERT_EQ(copy_once(&w, "tree", "/x"), 0);
        stranger_end(&stranger);
}

TEST(a_destination_directory_that_becomes_a_symlink) {
        _cleanup_(world_clear) World w = new_world();
        static const char *const targets[] = { "../../outside", "../../../../../../tmp", NULL };

        put_file(w.host, "tree/dir/sub/own", "own", 0644);
        put_file(w.host, "tree/dir/file", "own", 0644);
        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                char name[16];
                snprintf(name, sizeof(name), "trap%zu", i);
                put_symlink(w.image, name, targets[i] ? targets[i] : scratch_path(w.dir));
                put_directory(w.image, "x/dir/sub", 0755);

                Stranger inner = { .dir_fd = w.image, .one = "x/dir", .other = name, .work = exchange };
                race(&w, &inner, "tree", "/x", NULL);
                if (S_ISLNK(stat_of(w.image, "x/dir").st_mode))
                        exchange(&inner);
                Stranger outer = { .dir_fd = w.image, .one = "x", .other = name, .work = exchange };
                race(&w, &outer, "tree", "/x/dir", NULL);
                Stranger file = { .dir_fd = w.image, .one = "x", .other = name, .work = exchange };
                race(&w, &file, "tree/dir/file", "/x/dir/made/", NULL);
                if (S_ISLNK(stat_of(w.image, "x").st_mode))
                        exchange(&outer);
        }
}

TEST(a_destination_file_that_becomes_a_symlink) {
        _cleanup_(world_clear) World w = new_world();
        Stranger stranger = { .dir_fd = w.image, .one = "file", .other = "trap", .work = exchange };

        put_file(w.host, "file", "own", 0644);
        put_file(w.image, "file", "old", 0644);
        put_symlink(w.image, "trap", "../outside/secret");
        race(&w, &stranger, "file", "/file", NULL);
}

TEST(directories_made_while_their_parents_change) {
        _cleanup_(world_clear) World w = new_world();
        static const MakeDirectory make = { .mode = 0755, .uid = (uid_t) -1, .gid = (gid_t) -1 };

        put_directory(w.image, "a/b", 0755);
        put_symlink(w.image, "trap", "../outside");
        Stranger strangers[] = {
                { .dir_fd = w.image, .one = "a", .other = "trap", .work = exchange },
                { .dir_fd = w.image, .one = "a/b", .other = "moved", .work = move },
        };
        for (size_t i = 0; i < ELEMENTSOF(strangers); i++) {
                uint64_t end = now_usec(CLOCK_MONOTONIC) + RACE_USEC;

                stranger_start(&strangers[i]);
                while (now_usec(CLOCK_MONOTONIC) < end) {
                        safe_close(resolve_mkdir_p(w.image, "/a/b/../../../outside/x", &make, RESOLVE_IMAGE,
                                                   NULL));
                        safe_close(resolve_mkdir_p(w.image, "/a/b/c/d", &make, RESOLVE_IMAGE, NULL));
                        (void) unlinkat(w.image, "a/b/c/d", AT_REMOVEDIR);
                        (void) unlinkat(w.image, "a/b/c", AT_REMOVEDIR);
                }
                stranger_end(&strangers[i]);
                check_outside(&w);
                if (S_ISLNK(stat_of(w.image, "a").st_mode))
                        exchange(&strangers[0]);
        }
}
