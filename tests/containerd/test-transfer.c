/* SPDX-License-Identifier: Apache-2.0 */

/* Pulling, from a registry that is started for it: with TLS, as containerd 1.7 wants it, and with a password.
 */

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/content.h"
#include "containerd/images.h"
#include "containerd/snapshots.h"
#include "containerd/transfer.h"
#include "tests/containerd/fixture.h"

#define USER "crux"
#define PASSWORD "secret"
/* crypt(3) of the password. */
#define PASSWORD_HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static pid_t registry_pid;
static char reference[128], missing[128];

static void registry_end(void) {
        if (registry_pid > 0) {
                kill(registry_pid, SIGKILL);
                waitpid(registry_pid, NULL, 0);
        }
}

static void write_file(const char *name, const char *format, ...)
        __attribute__((__format__(__printf__, 2, 3)));
static void write_file(const char *name, const char *format, ...) {
        char path[128];
        va_list args;

        snprintf(path, sizeof(path), "%s/%s", fixture_directory(), name);
        FILE *f = fopen(path, "we");
        ASSERT_NOT_NULL(f);
        va_start(args, format);
        vfprintf(f, format, args);
        va_end(args);
        fclose(f);
}

static void registry_start(const char *dir, unsigned port) {
        char config[128];

        fixture_run("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
                    "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null",
                    dir);
        write_file("htpasswd", "%s:%s\n", USER, PASSWORD_HASH);
        write_file(
                "registry.yml",
                "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %1$s/registry}}\n"
                "http:\n  addr: localhost:%2$u\n  tls: {certificate: %1$s/cert.pem, key: %1$s/key.pem}\n"
                "auth: {htpasswd: {realm: test, path: %1$s/htpasswd}}\n",
                dir, port);
        snprintf(config, sizeof(config), "%s/registry.yml", dir);
        fflush(stdout);
        registry_pid = fork();
        if (registry_pid == 0) {
                if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
                        _exit(126);
                execlp("docker-registry", "docker-registry", "serve", config, NULL);
                _exit(127);
        }
        atexit(registry_end);
}

/* A registry with a busybox in it, and a containerd that trusts it. */
static CtrClient *client_and_registry(void) {
        const char *dir = fixture_directory(), *source = getenv("CRUXD_SOURCE");
        const unsigned port = 20000 + (unsigned) getpid() % 10000;
        char path[128];

        if (reference[0])
                return fixture_client();
        if (!source || system("command -v docker-registry skopeo openssl python3 >/dev/null") != 0)
                test_skip("docker-registry, skopeo, openssl or python3 is not installed");
        (void) fixture_busybox();
        registry_start(dir, port);
        fixture_run("python3 %s/tests/lib/mkimage.py busybox --compress gzip %s/busybox.tar", source, dir);
        fixture_run("for i in $(seq 50); do skopeo --insecure-policy copy --quiet "
                    "--dest-tls-verify=false "
                    "--dest-creds %s:%s oci-archive:%s/busybox.tar docker://localhost:%u/acme/busybox:1 "
                    "2>/dev/null && exit 0; sleep 0.3; done; exit 1",
                    USER, PASSWORD, dir, port);

        snprintf(path, sizeof(path), "%s/cert.pem", dir);
        setenv("SSL_CERT_FILE", path, true);
        fixture_stop(SIGTERM);
        fixture_start();
        snprintf(missing, sizeof(missing), "localhost:%u/acme/missing:1", port);
        snprintf(reference, sizeof(reference), "localhost:%u/acme/busybox:1", port);
        return fixture_client();
}

typedef struct Seen {
        unsigned lines, saved, asked;
        const char *password;
        pthread_t thread;
} Seen;

static void see(const CtrProgress *progress, void *userdata) {
        Seen *seen = userdata;

        ASSERT_TRUE(pthread_equal(seen->thread, pthread_self()));
        seen->lines++;
        seen->saved += streq(progress->event, "saved");
}

static int give(const char *host, const char *name, CtrCredentials *ret, void *userdata, Error *error) {
        Seen *seen = userdata;

        seen->asked++;
        if (!seen->password)
                return error_set(error, ERROR_PERMISSION_DENIED, "nobody knows the password of %s", host);
        if (!seen->password[0])
                return 0;
        ret->username = strdup(USER);
        ret->secret = strdup(seen->password);
        return 0;
}

static const CtrPlatform platform = {
        .os = "linux",
#if defined(__aarch64__)
        .architecture = "arm64",
#else
        .architecture = "amd64",
#endif
};

static CtrPull pull_of(const char *name, Seen *seen) {
        seen->thread = pthread_self();
        return (CtrPull) {
                .reference = name,
                .platforms = &platform,
                .platform_count = 1,
                .unpack = true,
                .progress = see,
                .credentials = give,
                .userdata = seen,
        };
}

static int count_committed(const CtrSnapshot *snapshot, void *userdata, Error *error) {
        *(unsigned *) userdata += snapshot->kind == CTR_SNAPSHOT_COMMITTED;
        return 0;
}

TEST(pull) {
        CtrClient *client = client_and_registry();
        Seen seen = { .password = PASSWORD };
        CtrPull pull = pull_of(reference, &seen);
        CtrImage image = {};
        CtrContentInfo info = {};
        unsigned n = 0;

        ASSERT_SUCCESS(ctr_pull(client, &pull, e));
        ASSERT_GT(seen.lines, 3);
        ASSERT_EQ(seen.saved, 1);
        ASSERT_GE(seen.asked, 1);
        ASSERT_SUCCESS(ctr_image_get(client, reference, &image, e));
        ASSERT_SUCCESS(ctr_content_info(client, image.target.digest, &info, e));
        ctr_content_info_clear(&info);
        ctr_image_clear(&image);
        ASSERT_SUCCESS(ctr_snapshot_walk(client, "overlayfs", NULL, count_committed, &n, e));
        ASSERT_EQ(n, 1);

        /* Once more under another name, without a word about it. */
        CtrLabels labels = {};
        ASSERT_EQ(ctr_labels_set(&labels, "mine", "yes"), 0);
        pull.name = "acme/busybox:1";
        pull.labels = &labels;
        pull.progress = NULL;
        const uint64_t began = now_usec(CLOCK_MONOTONIC);
        ASSERT_SUCCESS(ctr_pull(client, &pull, e));
        printf("# a pull of what is there takes %.0f ms\n",
               (double) (now_usec(CLOCK_MONOTONIC) - began) / 1000);
        ASSERT_SUCCESS(ctr_image_get(client, "acme/busybox:1", &image, e));
        ASSERT_STREQ(ctr_labels_get(&image.labels, "mine"), "yes");
        ctr_image_clear(&image);
        ctr_labels_clear(&labels);
        ASSERT_SUCCESS(ctr_image_delete(client, "acme/busybox:1", false, e));
        ASSERT_SUCCESS(ctr_image_delete(client, reference, true, e));
        n = 0;
        ASSERT_SUCCESS(ctr_snapshot_walk(client, "overlayfs", NULL, count_committed, &n, e));
        ASSERT_EQ(n, 0);
}

TEST(pull_that_fails) {
        CtrClient *client = client_and_registry();
        Seen seen = { .password = PASSWORD };
        CtrPull pull = pull_of(missing, &seen);
        Error error = {};

        ASSERT_ERROR(ctr_pull(client, &pull, e), ENOENT, "acme/missing:1");

        pull = pull_of(reference, &seen);
        seen = (Seen) { .password = "wrong", .thread = pthread_self() };
        ASSERT_ERROR(ctr_pull(client, &pull, e), EACCES, "401 Unauthorized");
        seen = (Seen) { .password = "", .thread = pthread_self() };
        ASSERT_ERROR(ctr_pull(client, &pull, e), EACCES, "pull access denied");
        seen = (Seen) { .thread = pthread_self() };
        ASSERT_ERROR(ctr_pull(client, &pull, e), EACCES, "nobody knows the password of localhost");
        ASSERT_EQ(seen.asked, 1);

        pull.credentials = NULL;
        ASSERT_ERROR(ctr_pull(client, &pull, e), EACCES, "401 Unauthorized");
        pull.reference = "localhost:1/acme/busybox:1";
        ASSERT_LT(ctr_pull(client, &pull, &error), 0);
        printf("# %s\n", error_message(&error));
        ASSERT_CONTAINS(error_message(&error), "localhost:1");
        error_clear(&error);
        pull.reference = "no reference";
        ASSERT_LT(ctr_pull(client, &pull, &error), 0);
        printf("# %s\n", error_message(&error));
        error_clear(&error);
}

static int give_and_cancel(const char *host, const char *name, CtrCredentials *ret, void *userdata,
                           Error *error) {
        ctr_client_cancel(fixture_client());
        return 0;
}

TEST(pull_that_is_cancelled) {
        CtrClient *client = client_and_registry();
        Seen seen = { .password = PASSWORD };
        CtrPull pull = pull_of(reference, &seen);

        pull.credentials = give_and_cancel;
        ASSERT_ERROR(ctr_pull(client, &pull, e), ECANCELED, "cancelled");
        ctr_client_uncancel(client);
}
