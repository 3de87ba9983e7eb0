/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"
#include "base/time-util.h"
#include "broker/config-file.h"
#include "broker/setting-value.h"
#include "broker/settings.h"
#include "test.h"

TEST(times) {
        static const struct {
                const char *text;
                int result;
                uint64_t usec;
        } table[] = {
                { "0", 0, 0 },
                { "5", 0, 5 * USEC_PER_SEC },
                { "5s", 0, 5 * USEC_PER_SEC },
                { "250ms", 0, 250 * USEC_PER_MSEC },
                { "1min 30s", 0, 90 * USEC_PER_SEC },
                { "1min30s", 0, 90 * USEC_PER_SEC },
                { "2 h", 0, 7200 * USEC_PER_SEC },
                { "1d", 0, 86400 * USEC_PER_SEC },
                { "7us", 0, 7 },
                { "infinity", 0, USEC_INFINITY },
                { "", -EINVAL, 0 },
                { "s", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "5 parsecs", -EINVAL, 0 },
                { "1.5s", -EINVAL, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "18446744073709551", -ERANGE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                uint64_t usec = 0;
                ASSERT_EQ(parse_time(table[i].text, &usec), table[i].result);
                ASSERT_EQ(usec, table[i].usec);
        }
}

TEST(sizes) {
        static const struct {
                const char *text;
                int result;
                uint64_t bytes;
        } table[] = {
                { "0", 0, 0 },
                { "17", 0, 17 },
                { "64K", 0, KIB(64) },
                { "3M", 0, MIB(3) },
                { "2G", 0, GIB(2) },
                { "1T", 0, GIB(1024) },
                { "", -EINVAL, 0 },
                { "K", -EINVAL, 0 },
                { "1k", -EINVAL, 0 },
                { "1KB", -EINVAL, 0 },
                { "17179869184G", -ERANGE, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                uint64_t bytes = 0;
                ASSERT_EQ(parse_size(table[i].text, &bytes), table[i].result);
                ASSERT_EQ(bytes, table[i].bytes);
        }
}

TEST(booleans) {
        bool b = false;

        ASSERT_OK(parse_boolean("yes", &b));
        ASSERT_TRUE(b);
        ASSERT_OK(parse_boolean("Off", &b));
        ASSERT_FALSE(b);
        ASSERT_EQ(parse_boolean("maybe", &b), -EINVAL);
        ASSERT_EQ(parse_boolean("", &b), -EINVAL);
}

static char directory[] = "/tmp/test-settings-XXXXXX";

/* Writes a file below the directory and gives its path, which the next call overwrites. */
static const char *put(const char *name, const char *text) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ASSERT_OK(fd);
        ASSERT_OK(write_all(fd, text, strlen(text)));
        safe_close(fd);
        return path;
}

static void collect(const char *file, unsigned line, const char *section, const char *key, const char *value,
                    void *userdata) {
        buffer_printf(userdata, "%s:%u:%s.%s=%s\n", strrchr(file, '/') + 1, line, section, key, value);
}

static void set_up(void) {
        static bool done;

        if (done)
                return;
        ASSERT_NOT_NULL(mkdtemp(directory));
        log_set_max_level(LOG_ERR);
        done = true;
}

TEST(a_file_is_read_line_by_line) {
        Buffer seen = {};

        set_up();
        const char *path = put("one.conf", "stray=1\n"
                                           "# comment\n"
                                           "; another\n"
                                           "  [ A ]\n"
                                           "[A]\n"
                                           "key = some value  \n"
                                           "\n"
                                           "no equals\n"
                                           "=nothing\n"
                                           "[unclosed\n"
                                           "key=\n"
                                           "[B]\r\n"
                                           "x=a=b");
        ASSERT_OK(config_read_file(path, collect, &seen, NULL));
        buffer_append(&seen, "", 1);
        ASSERT_STREQ(seen.data, "one.conf:6:A.key=some value\n"
                                "one.conf:11:A.key=\n"
                                "one.conf:13:B.x=a=b\n");
        buffer_clear(&seen);
}

TEST(what_is_no_text_is_refused) {
        Error error = {};
        char path[256];

        set_up();
        snprintf(path, sizeof(path), "%s/absent", directory);
        ASSERT_EQ(config_read_file(path, collect, NULL, &error), -ENOENT);
        ASSERT_EQ(config_read_file(directory, collect, NULL, &error), -EISDIR);
        snprintf(path, sizeof(path), "%s/fifo", directory);
        ASSERT_OK(mkfifo(path, 0600));
        Buffer seen = {};
        ASSERT_OK(config_read_file(path, collect, &seen, &error)); /* empty, and does not hang */
        ASSERT_EQ(seen.length, 0);
        ASSERT_EQ(config_read_file("/dev/zero", collect, NULL, &error), -EFBIG);
        error_clear(&error);
}

TEST(directories_have_precedence) {
        char etc[256], usr[256], path[300];
        Buffer seen = {};

        set_up();
        snprintf(etc, sizeof(etc), "%s/etc", directory);
        snprintf(usr, sizeof(usr), "%s/usr", directory);
        static const char *const subdirectories[] = { "etc", "usr", "etc/c.conf.d", "usr/c.conf.d" };
        for (size_t i = 0; i < ELEMENTSOF(subdirectories); i++) {
                snprintf(path, sizeof(path), "%s/%s", directory, subdirectories[i]);
                ASSERT_OK(mkdir(path, 0700));
        }
        put("usr/c.conf", "[A]\nmain=usr\n");
        put("usr/c.conf.d/10-a.conf", "[A]\nten=usr\n");
        put("usr/c.conf.d/20-b.conf", "[A]\ntwenty=usr\n");
        put("usr/c.conf.d/30-masked.conf", "[A]\nthirty=usr\n");
        put("usr/c.conf.d/ignored.txt", "[A]\nignored=1\n");
        put("etc/c.conf.d/15-c.conf", "[A]\nfifteen=etc\n");
        put("etc/c.conf.d/20-b.conf", "[A]\ntwenty=etc\n");
        snprintf(path, sizeof(path), "%s/c.conf.d/30-masked.conf", etc);
        ASSERT_OK(symlink("/dev/null", path));

        const char *directories[] = { etc, usr, NULL };
        config_read_directories(directories, "c.conf", collect, &seen);
        buffer_append(&seen, "", 1);
        ASSERT_STREQ(seen.data, "c.conf:2:A.main=usr\n"
                                "10-a.conf:2:A.ten=usr\n"
                                "15-c.conf:2:A.fifteen=etc\n"
                                "20-b.conf:2:A.twenty=etc\n");
        buffer_clear(&seen);

        put("etc/c.conf", "[A]\nmain=etc\n");
        config_read_directories(directories, "c.conf", collect, &seen);
        buffer_append(&seen, "", 1);
        ASSERT_CONTAINS(seen.data, "main=etc\n");
        ASSERT_NULL(strstr(seen.data, "main=usr\n"));
        buffer_clear(&seen);
}

TEST(settings) {
        Settings s = {};

        set_up();
        const char *path = put("cruxd.conf", "[Daemon]\n"
                                             "LogLevel=debug\n"
                                             "ExitOnIdleSec=1min\n"
                                             "ExitOnIdleSec=never\n"
                                             "Namespace=other\n"
                                             "WorkerIdleSec=3\n"
                                             "WorkerIdleSec=\n"
                                             "Unknown=1\n"
                                             "[Limits]\n"
                                             "BuildsMax=7\n"
                                             "BuildsPerUserMax=0\n"
                                             "ConnectionsMax=70000\n"
                                             "RequestMemoryMax=1G\n"
                                             "LogLevel=err\n");
        ASSERT_OK(settings_load(path, "default", &s, NULL));
        ASSERT_EQ(s.log_level, LOG_DEBUG);
        ASSERT_EQ(s.exit_on_idle_usec, 60 * USEC_PER_SEC);
        ASSERT_STREQ(s.namespace, "other");
        ASSERT_EQ(s.worker_idle_usec, 10 * USEC_PER_SEC);
        ASSERT_EQ(s.builds_max, 7);
        ASSERT_EQ(s.builds_per_user_max, 3);
        ASSERT_EQ(s.connections_max, 4096);
        ASSERT_EQ(s.request_memory_max, GIB(1));
        ASSERT_STREQ(s.containerd_address, "/run/containerd/containerd.sock");
        settings_clear(&s);

        Error error = {};
        ASSERT_EQ(settings_load("/nonexistent/cruxd.conf", "default", &s, &error), -ENOENT);
        ASSERT_EQ(error.code, ERROR_NOT_FOUND);
        error_clear(&error);
}
