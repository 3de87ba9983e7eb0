/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/containerd/container.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/time-util.h"
#include "containerd/snapshots.h"

static const char spec_format[] =
        "{\"ociVersion\":\"1.0.2\",\"process\":%s,\"root\":{\"path\":\"rootfs\"},\"hostname\":\"test\","
        "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],"
        "\"linux\":{\"cgroupsPath\":\"/%s/"
        "%s\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
        "{\"type\":\"mount\"},{\"type\":\"network\"}]}}";

static void make_rootfs(CtrClient *client, const char *id, CtrMounts *ret) {
        CtrLabels labels = {};

        ASSERT_EQ(ctr_labels_set(&labels, "containerd.io/gc.root", "yes"), 0);
        ASSERT_SUCCESS(ctr_snapshot_prepare(client, "overlayfs", id, NULL, &labels, ret, e));
        ctr_labels_clear(&labels);
        ASSERT_STREQ(ret->items[0].type, "bind");
        fixture_run("cd %s && mkdir bin proc tmp dev && cp %s bin/ && for a in sh cat sleep true false echo "
                    "kill; do "
                    "ln -s busybox bin/$a; done",
                    ret->items[0].source, fixture_busybox());
}

void container_make(CtrClient *client, const char *id, const char *args, const CtrRuncOptions *options) {
        char process[1024], spec[2048];
        CtrMounts mounts = {};
        CtrContainer container = {
                .id = (char *) id,
                .runtime = (char *) CTR_RUNTIME_RUNC,
                .snapshotter = (char *) "overlayfs",
                .snapshot_key = (char *) id,
                .spec = spec,
        };

        make_rootfs(client, id, &mounts);
        snprintf(process, sizeof(process), PROCESS("%s"), args);
        snprintf(spec, sizeof(spec), spec_format, process, fixture_namespace(), id);
        container.spec_length = strlen(spec);
        if (options) {
                container.has_runc_options = true;
                container.runc_options = *options;
        }
        ASSERT_SUCCESS(ctr_container_create(client, &container, e));
        ASSERT_SUCCESS(ctr_task_create(client, id, &mounts, NULL, NULL, NULL, e));
        ctr_mounts_clear(&mounts);
}

void container_remove(CtrClient *client, const char *id) {
        CtrWait *wait = NULL;
        CtrExit exit;

        ASSERT_SUCCESS(ctr_task_wait_begin(client, id, NULL, &wait, e));
        (void) ctr_task_kill(client, id, NULL, SIGKILL, true, NULL);
        ASSERT_EQ(ctr_wait_finish(wait, 10 * USEC_PER_SEC, &exit, NULL), 1);
        ctr_wait_free(wait);
        ASSERT_SUCCESS(ctr_task_delete(client, id, NULL, e));
        ASSERT_SUCCESS(ctr_container_delete(client, id, e));
        ASSERT_SUCCESS(ctr_snapshot_remove(client, "overlayfs", id, e));
}

/* Reads until the writers have gone and the wait is over. */
static void collect(int fd, CtrWait *wait, char *output, size_t size) {
        struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                                { .fd = ctr_wait_get_fd(wait), .events = POLLIN } };
        size_t n = 0;

        while (fds[0].fd >= 0 || fds[1].fd >= 0) {
                ASSERT_GT(poll(fds, 2, 20000), 0);
                if (fds[0].revents) {
                        ssize_t r = read(fd, output + n, size - 1 - n);
                        if (r > 0)
                                n += (size_t) r;
                        else if (r == 0)
                                fds[0].fd = -1;
                }
                if (fds[1].revents)
                        fds[1].fd = -1;
        }
        output[n] = '\0';
}

uint32_t container_exec(CtrClient *client, const char *id, const char *exec_id, const char *process,
                        const char *input, char *output, size_t output_size) {
        char in[128], out[128];
        CtrStdio stdio = { .in = input ? in : NULL, .out = out };
        CtrWait *wait = NULL;
        CtrExit exit = {}, deleted = {};
        int in_fd = -EBADF, out_fd;
        uint32_t pid = 0;

        snprintf(in, sizeof(in), "%s/%s.in", fixture_directory(), exec_id);
        snprintf(out, sizeof(out), "%s/%s.out", fixture_directory(), exec_id);
        ASSERT_EQ(mkfifo(out, 0600), 0);
        out_fd = open(out, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        ASSERT_OK(out_fd);
        if (input) {
                ASSERT_EQ(mkfifo(in, 0600), 0);
                in_fd = open(in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
                ASSERT_OK(in_fd);
        }
        ASSERT_SUCCESS(ctr_task_exec(client, id, exec_id, process, strlen(process), &stdio, e));
        ASSERT_SUCCESS(ctr_task_wait_begin(client, id, exec_id, &wait, e));
        ASSERT_SUCCESS(ctr_task_start(client, id, exec_id, &pid, e));
        ASSERT_GT(pid, 0);
        if (input) {
                ASSERT_EQ(write(in_fd, input, strlen(input)), strlen(input));
                close(in_fd);
                ASSERT_SUCCESS(ctr_task_close_stdin(client, id, exec_id, e));
        }
        collect(out_fd, wait, output, output_size);
        ASSERT_EQ(ctr_wait_finish(wait, 0, &exit, NULL), 1);
        ASSERT_GT(exit.exited_usec, 0);
        ctr_wait_free(wait);
        ASSERT_SUCCESS(ctr_task_delete_process(client, id, exec_id, &deleted, e));
        ASSERT_EQ(deleted.status, exit.status);
        close(out_fd);
        unlink(in);
        unlink(out);
        return exit.status;
}
