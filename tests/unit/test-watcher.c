/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/manager.h"
#include "test.h"

/* A watcher of a daemon that is not on the bus. */
static Manager manager;
static Watcher *watcher;

static void begin(void) {
        manager = (Manager) {};
        manager.bus.manager = &manager;
        manager.settings.containerd_address = (char *) "/run/containerd.sock";
        watcher = &manager.watcher;
        watcher_init(watcher, &manager);
        watcher->run = 1;
}

static void end(void) {
        watcher_clear(watcher);
}

static int take(const char *payload, Error *error) {
        char text[2048];

        int n = snprintf(text, sizeof(text), "{\"version\":0,\"command\":\"progress\",\"payload\":%s}\n",
                         payload);
        return watcher_take_line(watcher, text, (size_t) n, error);
}

TEST(what_a_watch_tells_is_known) {
        begin();
        ASSERT_EQ(watcher_check(watcher, NULL), error_code_to_errno(ERROR_UNAVAILABLE));
        ASSERT_OK(take("{\"container\":{\"id\":\"b\",\"image\":\"r:1\",\"state\":\"running\",\"created\":5,"
                       "\"pid\":4294967295,\"unit\":\"cruxd-b.scope\"}}",
                       NULL));
        ASSERT_OK(take("{\"container\":{\"id\":\"a\",\"state\":\"stopped\",\"exitCode\":137,\"exited\":9}}",
                       NULL));
        ASSERT_OK(take("{\"image\":{\"name\":\"r:1\",\"digest\":\"sha256:0\",\"created\":7}}", NULL));
        ASSERT_FALSE(watcher->ready);
        ASSERT_FALSE(watcher->reachable);
        ASSERT_OK(take("{\"listed\":\"1.7.24\"}", NULL));
        ASSERT_TRUE(watcher->ready);
        ASSERT_TRUE(watcher->reachable);
        ASSERT_STREQ(watcher->version, "1.7.24");
        ASSERT_OK(watcher_check(watcher, NULL));

        const Container *b = watcher_find_container(watcher, "b"), *a = watcher_find_container(watcher, "a");
        ASSERT_NOT_NULL(a);
        ASSERT_NOT_NULL(b);
        ASSERT_STREQ(b->image, "r:1");
        ASSERT_STREQ(b->state, "running");
        ASSERT_STREQ(b->unit, "cruxd-b.scope");
        ASSERT_EQ(b->created_usec, 5);
        ASSERT_EQ(b->pid, UINT32_MAX);
        ASSERT_EQ(b->exit_code, -1);
        ASSERT_EQ(b->exit_usec, 0);
        ASSERT_STREQ(a->image, "");
        ASSERT_EQ(a->exit_code, 137);
        ASSERT_EQ(a->exit_usec, 9);
        ASSERT_STREQ(watcher_find_image(watcher, "r:1")->digest, "sha256:0");

        ASSERT_OK(take("{\"container\":{\"id\":\"b\",\"image\":\"r:2\",\"state\":\"stopped\"}}", NULL));
        ASSERT_TRUE(watcher_find_container(watcher, "b") == b);
        ASSERT_STREQ(b->image, "r:2");
        ASSERT_STREQ(b->state, "stopped");
        ASSERT_OK(take("{\"containerGone\":\"a\"}", NULL));
        ASSERT_NULL(watcher_find_container(watcher, "a"));
        ASSERT_OK(take("{\"containerGone\":\"a\"}", NULL));
        ASSERT_OK(take("{\"imageGone\":\"r:1\"}", NULL));
        ASSERT_EQ(watcher->images.count, 0);
        end();
}

TEST(a_new_list_tells_what_went) {
        begin();
        for (const char *c = "cab"; *c; c++) {
                char line[128];
                snprintf(line, sizeof(line), "{\"container\":{\"id\":\"%c\",\"state\":\"running\"}}", *c);
                ASSERT_OK(take(line, NULL));
                snprintf(line, sizeof(line), "{\"image\":{\"name\":\"i:%c\"}}", *c);
                ASSERT_OK(take(line, NULL));
        }
        ASSERT_OK(take("{\"listed\":\"2\"}", NULL));
        ASSERT_EQ(watcher->containers.count, 3);

        watcher->run++;
        ASSERT_OK(take("{\"container\":{\"id\":\"b\",\"state\":\"stopped\"}}", NULL));
        ASSERT_OK(take("{\"image\":{\"name\":\"i:c\"}}", NULL));
        ASSERT_EQ(watcher->containers.count, 3); /* until all has been told */
        ASSERT_OK(take("{\"listed\":\"2\"}", NULL));
        ASSERT_EQ(watcher->containers.count, 1);
        ASSERT_STREQ(watcher_find_container(watcher, "b")->state, "stopped");
        ASSERT_EQ(watcher->images.count, 1);
        ASSERT_NOT_NULL(watcher_find_image(watcher, "i:c"));
        end();
}

TEST(what_is_no_line_of_a_watch) {
        static const char *const lines[] = {
                "{\"container\":{\"id\":\"a/b\",\"state\":\"running\"}}",
                "{\"container\":{\"state\":\"running\"}}",
                "{\"container\":{\"id\":7}}",
                "{\"container\":\"a\"}",
                "{\"container\":{\"id\":\"a\",\"pid\":4294967296}}",
                "{\"container\":{\"id\":\"a\",\"pid\":-1}}",
                "{\"container\":{\"id\":\"a\",\"exitCode\":2147483648}}",
                "{\"container\":{\"id\":\"a\",\"created\":-1}}",
                "{\"image\":{\"name\":\"nothing\"}}",
                "{\"image\":{\"name\":\"a b:1\"}}",
                "{\"image\":{\"name\":\":1\"}}",
                "{\"image\":{\"name\":\"a:1\",\"created\":-1}}",
                "{\"containerGone\":7}",
                "{\"listed\":true}",
        };

        begin();
        for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
                _cleanup_(error_clear) Error error = {};
                if (take(lines[i], &error) >= 0)
                        test_fail(__FILE__, __LINE__, "%s was taken", lines[i]);
                ASSERT_EQ(error.code, ERROR_INVALID_ARGUMENT);
        }
        ASSERT_LT(watcher_take_line(watcher, "garbage\n", strlen("garbage\n"), NULL), 0);
        ASSERT_EQ(watcher->containers.count, 0);
        ASSERT_EQ(watcher->images.count, 0);
        ASSERT_OK(take("{\"something new\":1}", NULL)); /* of a newer worker */
        end();
}

TEST(there_are_bounds) {
        char line[128];

        begin();
        for (unsigned i = 0; i < CONTAINERS_MAX + 2; i++) {
                snprintf(line, sizeof(line), "{\"container\":{\"id\":\"c%u\",\"state\":\"running\"}}", i);
                ASSERT_OK(take(line, NULL));
        }
        ASSERT_EQ(watcher->containers.count, CONTAINERS_MAX);
        ASSERT_OK(take("{\"containerGone\":\"c7\"}", NULL));
        ASSERT_OK(take("{\"container\":{\"id\":\"d\",\"state\":\"running\"}}", NULL));
        ASSERT_NOT_NULL(watcher_find_container(watcher, "d"));
        end();
}

static Object *object(const char *name) {
        static Object objects[64];
        static size_t n;

        objects[n] = (Object) { .name = (char *) name };
        return &objects[n++];
}

TEST(tables_are_in_order) {
        static const char *const names[] = { "m", "a", "z", "b", "y", "aa", "n", "", "mm" };
        ObjectTable table = {};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ASSERT_OK(object_table_add(&table, object(names[i]), 100));
        for (size_t i = 1; i < table.count; i++)
                ASSERT_LT(strcmp(table.items[i - 1]->name, table.items[i]->name), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ASSERT_STREQ(object_table_find(&table, names[i])->name, names[i]);
        ASSERT_NULL(object_table_find(&table, "c"));

        object_table_remove(&table, object_table_find(&table, "a"));
        object_table_remove(&table, object_table_find(&table, "z"));
        ASSERT_NULL(object_table_find(&table, "a"));
        ASSERT_NULL(object_table_find(&table, "z"));
        ASSERT_EQ(table.count, ELEMENTSOF(names) - 2);
        ASSERT_STREQ(object_table_find(&table, "aa")->name, "aa");
        ASSERT_EQ(object_table_add(&table, object("full"), table.count), -ENOSPC);
        object_table_clear(&table);
}
