/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"
#include "test.h"

/* How long anything here may take; nothing is waited for longer than it takes. */
#define PATIENCE_MS 5000

static void pause_ms(unsigned ms) {
        usleep(ms * 1000);
}

/* What a child of a test ends with where namespaces are not to be had. */
#define NO_NAMESPACES 77

/* cruxd-init as PID 1 of a new namespace, in which this process's further children are, too. */
static pid_t start_init(void) {
        const char *program = getenv("CRUXD_INIT");

        if (unshare(CLONE_NEWPID) < 0)
                _exit(NO_NAMESPACES);
        pid_t pid = fork();
        if (pid == 0) {
                execl(program, program, NULL);
                _exit(127);
        }
        return pid;
}

/* One test a process: the namespace of children can be set once. */
static void in_child(int (*function)(void)) {
        int status;

        need_root();
        if (!getenv("CRUXD_INIT"))
                test_skip("CRUXD_INIT does not say where it is");
        pid_t pid = fork();
        if (pid == 0)
                _exit(function());
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_NAMESPACES)
                test_skip("no PID namespaces here");
        ASSERT_EQ(status, 0);
}

/* Its state and its parent, in this namespace: 0 when there is no such process. */
static char state_of(pid_t pid, pid_t *ret_parent) {
        char path[64], state = 0;
        int parent;

        snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        FILE *f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%*d (%*[^)]) %c %i", &state, &parent) != 2)
                state = 0;
        fclose(f);
        *ret_parent = parent;
        return state;
}

static unsigned count_children(pid_t of) {
        unsigned n = 0;
        DIR *d = opendir("/proc");

        for (const struct dirent *de; (de = readdir(d));) {
                pid_t parent = 0;
                n += atoi(de->d_name) > 0 && state_of(atoi(de->d_name), &parent) && parent == of;
        }
        closedir(d);
        return n;
}

/* A process of the namespace that leaves children behind: some that end at once, and one that stays. */
static pid_t leave_orphans(void) {
        pid_t pid = fork();

        if (pid == 0) {
                for (unsigned i = 0; i < 20; i++)
                        if (fork() == 0) {
                                pause_ms(50);
                                _exit(3);
                        }
                if (fork() == 0)
                        for (;;)
                                pause();
                _exit(0);
        }
        return pid;
}

static int wait_for_end(pid_t pid) {
        int status;

        for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
                if (waitpid(pid, &status, WNOHANG) == pid)
                        return status;
                pause_ms(1);
        }
        return -1;
}

static int reaps_and_ends(void) {
        pid_t init = start_init();
        unsigned ms;

        pid_t other = leave_orphans();
        if (waitpid(other, NULL, 0) != other)
                return 1;
        for (ms = 0; count_children(init) != 1 && ms < PATIENCE_MS; ms += 5)
                pause_ms(5);
        if (ms >= PATIENCE_MS)
                return 2; /* not reaped, or the living one did not get there */

        kill(init, SIGHUP);
        kill(init, SIGUSR1);
        kill(init, SIGALRM);
        pause_ms(50);
        if (waitpid(init, NULL, WNOHANG) != 0)
                return 3;

        kill(init, SIGTERM);
        return wait_for_end(init) == 0 ? 0 : 4;
}

TEST(orphans_are_reaped_and_sigterm_ends_it) {
        in_child(reaps_and_ends);
}

/* The signal may come before the program has set itself up, too: then its default action would be to be
 * dropped. */
static int ends_however_early(void) {
        pid_t init = start_init();

        for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
                int status;
                kill(init, SIGTERM);
                if (waitpid(init, &status, WNOHANG) == init)
                        return status;
                pause_ms(1);
        }
        return 1;
}

TEST(a_repeated_sigterm_ends_it_however_early) {
        in_child(ends_however_early);
}
