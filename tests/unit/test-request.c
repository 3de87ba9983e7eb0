/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "broker/request.h"
#include "protocol/limits.h"
#include "test.h"

static int read_line(const char *line, size_t length, Request *request, Error *error) {
        error_clear(error);
        return request_read(line, length, 0, request, error);
}

TEST(a_recipe_is_checked_before_anything_runs) {
        static const char good[] = "{\"command\":\"build\",\"payload\":{\"resource\":\"r\",\"root\":\"/\","
                                   "\"output\":\"/o\",\"recipe\":{\"stages\":[{\"from\":\"oci x\"}]}}}\n";
        static const char bad[] = "{\"command\":\"build\",\"payload\":{\"resource\":\"r\",\"root\":\"/\","
                                  "\"output\":\"/o\",\"recipe\":{\"stages\":[]}}}\n";
        Request request = {};
        Error error = {};

        ASSERT_OK(read_line(good, strlen(good), &request, &error));
        ASSERT_EQ(request.command, COMMAND_BUILD);
        request_clear(&request);
        ASSERT_EQ(read_line(bad, strlen(bad), &request, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "stage");
        error_clear(&error);
}

TEST(internal_commands_are_unknown) {
        Request request = {};
        Error error = {};

        ASSERT_LT(read_line("{\"command\":\"sweep\"}\n", 20, &request, &error), 0);
        ASSERT_EQ(error.code, ERROR_UNSUPPORTED);
        error_clear(&error);
}

/* A line with so many elements of an array that nobody reads, some of whose strings hold commas. */
static void fill(Buffer *line, size_t values) {
        line->length = 0;
        buffer_append_string(line, "{\"command\":\"status\",\"x\":[\"" /* 4 values */);
        while (line->length < REQUEST_VALUES_MAX)
                buffer_append_string(line, ",:[{\\\",\\\\");
        buffer_append_string(line, "\"");
        for (size_t i = 4; i < values; i++)
                buffer_append_string(line, ",1");
        buffer_append_string(line, "]}\n");
}

TEST(values_are_bounded) {
        Request request = {};
        Error error = {};
        Buffer line = {};

        fill(&line, REQUEST_VALUES_MAX - 8);
        ASSERT_OK(read_line(line.data, line.length, &request, &error));
        request_clear(&request);
        fill(&line, REQUEST_VALUES_MAX + 8);
        ASSERT_EQ(read_line(line.data, line.length, &request, &error), -EINVAL);
        ASSERT_CONTAINS(error_message(&error), "values");
        error_clear(&error);
        buffer_clear(&line);
}

TEST(the_line_goes_into_a_sealed_memfd) {
        static const char line[] = "{\"command\":\"container-stop\",\"payload\":{\"id\":\"a/b\"}}\n";
        char copy[sizeof(line)] = {};
        Peer peer = peer_self();
        JobRequest job = {};
        Request request = {};
        Error error = {};

        ASSERT_OK(read_line(line, strlen(line), &request, &error));
        ASSERT_OK(request_to_job(&request, line, strlen(line), &peer, &job, &error));
        ASSERT_EQ(job.command, COMMAND_CONTAINER_STOP);
        ASSERT_STREQ(job.resource, "a-b");
        ASSERT_EQ(job.n_fds, 1); /* it needs no files */
        ASSERT_STREQ(job.fds[0].name, "request");
        ASSERT_EQ(pread(job.fds[0].fd, copy, sizeof(copy), 0), (ssize_t) strlen(line));
        ASSERT_STREQ(copy, line);
        ASSERT_LT(ftruncate(job.fds[0].fd, 0), 0);
        ASSERT_LT(write(job.fds[0].fd, "x", 1), 0);
        job_request_clear(&job);
        request_clear(&request);
}
