/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/containerd/fixture.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time-util.h"
#include "containerd/namespaces.h"
#include "containerd/tasks.h"
#include "containerd/version.h"

/* How long containerd may take to start. */
#define START_SECONDS 30

static char directory[64], address[96], namespace[64];
static pid_t containerd_pid;
static CtrClient *shared_client;

/* Nothing of this machine's but the program itself; no CRI, which wants a network. */
static const char configuration[] =
        "version = 2\n"
        "root = \"%1$s/root\"\n"
        "state = \"%1$s/state\"\n"
        "disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\",\n"
        "  \"io.containerd.cri.v1.runtime\", \"io.containerd.nri.v1.nri\", "
        "\"io.containerd.internal.v1.tracing\",\n"
        "  \"io.containerd.tracing.processor.v1.otlp\"]\n"
        "[grpc]\n"
        "  address = \"%2$s\"\n"
        "[plugins.\"io.containerd.internal.v1.opt\"]\n"
        "  path = \"%1$s/opt\"\n";

static bool is_in_path(const char *program) {
        char line[128];

        snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", program);
        return system(line) == 0;
}

void fixture_run(const char *format, ...) {
        char line[4096];
        va_list args;
        int r;

        va_start(args, format);
        vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        r = system(line);
        if (r != 0)
                test_fail(__FILE__, __LINE__, "\"%s\" ends with status %i", line, r);
}

void fixture_stop(int signal) {
        if (containerd_pid <= 0)
                return;
        kill(containerd_pid, signal);
        while (waitpid(containerd_pid, NULL, 0) < 0 && errno == EINTR)
                ;
        containerd_pid = 0;
}

static void wait_for_start(void) {
        const uint64_t until = now_usec(CLOCK_MONOTONIC) + START_SECONDS * USEC_PER_SEC;
        int status;

        while (access(address, F_OK) < 0) {
                if (waitpid(containerd_pid, &status, WNOHANG) == containerd_pid) {
                        containerd_pid = 0;
                        fixture_run("sed 's/^/# /' %s/log >&2", directory);
                        test_fail(__FILE__, __LINE__, "containerd ends with status %i", status);
                }
                if (now_usec(CLOCK_MONOTONIC) > until)
                        test_fail(__FILE__, __LINE__, "containerd does not start");
                usleep(10000);
        }
}

void fixture_start(void) {
        char config[128], log[128];
        sigset_t none;

        snprintf(config, sizeof(config), "%s/config.toml", directory);
        snprintf(log, sizeof(log), "%s/log", directory);
        unlink(address);
        fflush(stdout);
        containerd_pid = fork();
        if (containerd_pid == 0) {
                /* Of our process group, which ends together. No parent-death signal: it would come when the
                 * thread ends that starts containerd again. */
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                if (!freopen(log, "a", stderr) || !freopen("/dev/null", "r", stdin) || dup2(2, 1) < 0)
                        _exit(126);
                execlp("containerd", "containerd", "--config", config, NULL);
                _exit(127);
        }
        wait_for_start();
}

/* No task may stay: its shim would. */
static void end_tasks(void) {
        CtrProcesses tasks = {};

        ctr_client_uncancel(shared_client);
        if (containerd_pid <= 0 || ctr_task_list(shared_client, &tasks, NULL) < 0)
                return;
        for (size_t i = 0; i < tasks.count; i++) {
                const char *id =
                        tasks.items[i].container_id ? tasks.items[i].container_id : tasks.items[i].id;
                CtrWait *wait = NULL;
                CtrExit exit;

                if (ctr_task_wait_begin(shared_client, id, NULL, &wait, NULL) >= 0) {
                        (void) ctr_task_kill(shared_client, id, NULL, SIGKILL, true, NULL);
                        (void) ctr_wait_finish(wait, 10 * USEC_PER_SEC, &exit, NULL);
                        (void) ctr_task_delete(shared_client, id, NULL, NULL);
                }
                ctr_wait_free(wait);
        }
        ctr_processes_clear(&tasks);
}

static void teardown(void) {
        if (shared_client)
                end_tasks();
        shared_client = ctr_client_free(shared_client);
        fixture_stop(SIGTERM);
        umount2(directory, MNT_DETACH);
        rmdir(directory);
}

static void setup(void) {
        char path[128];

        if (geteuid() != 0)
                test_skip("this needs root");
        if (!is_in_path("containerd"))
                test_skip("containerd is not installed");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                test_skip("there is no mount namespace for this: %s", strerror(errno));

        strcpy(directory, "/run/cruxd-test-XXXXXX");
        if (!mkdtemp(directory))
                test_fail(__FILE__, __LINE__, "%s: %s", directory, strerror(errno));
        atexit(teardown);
        if (mount("cruxd-test", directory, "tmpfs", 0, "mode=0755,size=75%") < 0)
                test_fail(__FILE__, __LINE__, "tmpfs: %s", strerror(errno));
        snprintf(address, sizeof(address), "%s/containerd.sock", directory);
        snprintf(namespace, sizeof(namespace), "cruxd-test-%i", getpid());

        snprintf(path, sizeof(path), "%s/config.toml", directory);
        FILE *f = fopen(path, "we");
        if (!f)
                test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
        fprintf(f, configuration, directory, address);
        fclose(f);
        fixture_start();
}

const char *fixture_directory(void) {
        if (!directory[0])
                setup();
        else if (containerd_pid <= 0)
                test_skip("containerd does not run");
        return directory;
}

const char *fixture_address(void) {
        return address;
}

const char *fixture_namespace(void) {
        return namespace;
}

CtrClient *fixture_new_client(void) {
        CtrClient *client = NULL;

        (void) fixture_directory();
        ASSERT_SUCCESS(ctr_client_new(address, namespace, &client, e));
        return client;
}

CtrClient *fixture_client(void) {
        if (!shared_client) {
                shared_client = fixture_new_client();
                ASSERT_SUCCESS(ctr_namespace_ensure(shared_client, e));
        } else
                (void) fixture_directory();
        ctr_client_uncancel(shared_client);
        (void) ctr_client_set_lease(shared_client, NULL);
        return shared_client;
}

bool fixture_is_at_least(unsigned major, unsigned minor) {
        CtrVersion version = {};
        bool is;

        ASSERT_SUCCESS(ctr_version_get(fixture_client(), &version, e));
        is = version.major > major || (version.major == major && version.minor >= minor);
        ctr_version_clear(&version);
        return is;
}

const char *fixture_busybox(void) {
        const char *path = "/bin/busybox";

        if (access(path, X_OK) < 0 || system("ldd /bin/busybox >/dev/null 2>&1") == 0)
                test_skip("there is no static busybox");
        return path;
}
