/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus.h"
#include "broker/job-place.h"
#include "test.h"

TEST(names_of_instances) {
        static const struct {
                const char *instance;
                const char *name;
        } table[] = {
                { "default", "xyz.cruciblehq.cruxd1" },
                { "ci", "xyz.cruciblehq.cruxd1.Instance.ci" },
                { "ci-2", "xyz.cruciblehq.cruxd1.Instance.ci-2" },
                { "2nd", "xyz.cruciblehq.cruxd1.Instance._32nd" },
                { "a.b_c", "xyz.cruciblehq.cruxd1.Instance.a_2eb_5fc" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *name = bus_name_of_instance(table[i].instance);
                ASSERT_STREQ(name, table[i].name);
                ASSERT_GT(sd_bus_service_name_is_valid(name), 0);
        }
}

TEST(every_error_has_a_name) {
        for (ErrorCode code = ERROR_INVALID_ARGUMENT; code < _ERROR_CODE_MAX; code++) {
                ASSERT_GT(sd_bus_interface_name_is_valid(bus_error_name(code)), 0);
                if (code != ERROR_INTERNAL)
                        ASSERT_NE(strcmp(bus_error_name(code), bus_error_name(ERROR_INTERNAL)), 0);
        }
        ASSERT_STREQ(bus_error_name(ERROR_INVALID_ARGUMENT), "xyz.cruciblehq.cruxd1.Error.InvalidArgument");
        ASSERT_EQ(bus_error_code("xyz.cruciblehq.cruxd1.Error.NotFound"), ERROR_NOT_FOUND);
        ASSERT_EQ(bus_error_code("org.freedesktop.DBus.Error.NoReply"), ERROR_NONE);
        ASSERT_STREQ(bus_error_name(_ERROR_CODE_MAX), "xyz.cruciblehq.cruxd1.Error.Internal");
}

static int feed(JobPlace *place, const char *payload, JobLine *line) {
        char text[1024];

        int n = snprintf(text, sizeof(text), "{\"version\":0,\"command\":\"progress\",\"payload\":%s}\n",
                         payload);
        return job_place_read(place, text, (size_t) n, line);
}

TEST(places) {
        JobPlace place = {};
        JobLine line = {};

        ASSERT_EQ(feed(&place,
                       "{\"job\":\"1\",\"platform\":\"linux/amd64\",\"stage\":\"1\",\"step\":2,\"of\":5}",
                       &line),
                  JOB_NEWS_PLACE);
        ASSERT_STREQ(place.platform, "linux/amd64");
        ASSERT_STREQ(place.stage, "1");
        ASSERT_EQ(place.step, 2);
        ASSERT_EQ(place.n_steps, 5);

        ASSERT_EQ(feed(&place, "{\"stage\":\"app\",\"step\":3,\"of\":5}", &line), JOB_NEWS_PLACE);
        ASSERT_STREQ(place.platform, "linux/amd64");
        ASSERT_STREQ(place.stage, "app");

        ASSERT_EQ(feed(&place, "{\"stage\":\"app\",\"step\":3,\"of\":5,\"bytes\":4096}", &line),
                  JOB_NEWS_BYTES);
        ASSERT_EQ(place.bytes, 4096);

        ASSERT_EQ(feed(&place, "{\"step\":3,\"stream\":\"stderr\",\"line\":\"oh no\"}", &line),
                  JOB_NEWS_LINE);
        ASSERT_STREQ(line.stream, "stderr");
        ASSERT_STREQ(line.text, "oh no");
        job_line_clear(&line);
        ASSERT_EQ(feed(&place, "{\"line\":\"\"}", &line), JOB_NEWS_LINE);
        ASSERT_STREQ(line.stream, "stdout");
        job_line_clear(&line);

        ASSERT_LT(feed(&place, "{\"stage\":7}", &line), 0);
        ASSERT_LT(feed(&place, "garbage", &line), 0);
        ASSERT_STREQ(place.stage, "app");
        job_place_clear(&place);
}
