/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "protocol/envelope.h"
#include "test.h"
#include "worker/exec-reply.h"

/* Sends a reply and reads it back as the client would. */
static json_object *send_and_read(const ExecReply *reply, int exit_code, bool bytes) {
        _cleanup_close_ int fd = memfd_create("reply", MFD_CLOEXEC);
        _cleanup_(buffer_clear) Buffer line = {};
        json_object *payload = NULL;
        Error error = {};

        ASSERT_OK(fd);
        ASSERT_OK(exec_reply_send(reply, exit_code, bytes, fd, NULL));
        ASSERT_OK(lseek(fd, 0, SEEK_SET));
        ASSERT_OK(read_to_end(fd, &line, 1 << 24));
        ASSERT_TRUE(line.data[line.length - 1] == '\n');
        if (reply_decode(line.data, line.length, &payload, NULL, &error) != REPLY_OK)
                test_fail(__FILE__, __LINE__, "%s", error_message(&error));
        return payload;
}

TEST(silent_streams_are_left_out) {
        _cleanup_(exec_reply_clear) ExecReply reply = {};
        _cleanup_json_ json_object *payload = send_and_read(&reply, 3, /* bytes= */ false);

        ASSERT_STREQ(json_object_to_json_string_ext(payload, JSON_C_TO_STRING_PLAIN), "{\"exitCode\":3}");
}

TEST(both_streams) {
        _cleanup_(exec_reply_clear) ExecReply reply = {};

        ASSERT_OK(exec_reply_take(&reply, STREAM_STDERR, "err\n", 4, NULL));
        ASSERT_OK(exec_reply_take(&reply, STREAM_STDOUT, "h\xc3", 2, NULL));
        ASSERT_OK(exec_reply_take(&reply, STREAM_STDOUT, "\xa9\xff\n", 3, NULL));
        _cleanup_json_ json_object *payload = send_and_read(&reply, 0, /* bytes= */ false);
        ASSERT_STREQ(json_object_to_json_string_ext(payload, JSON_C_TO_STRING_PLAIN),
                     "{\"exitCode\":0,\"stdout\":\"h\xc3\xa9\xef\xbf\xbd\\n\",\"stderr\":\"err\\n\"}");
}

TEST(a_character_for_each_byte) {
        _cleanup_(exec_reply_clear) ExecReply reply = {};

        ASSERT_OK(exec_reply_take(&reply, STREAM_STDOUT, "a\x80\xff\xc3\xa9", 5, NULL));
        _cleanup_json_ json_object *payload = send_and_read(&reply, 0, /* bytes= */ true);
        ASSERT_STREQ(json_object_get_string(json_member(payload, "stdout")),
                     "a\xc2\x80\xc3\xbf\xc3\x83\xc2\xa9");
}

/* Sequences of every length lie across the borders of the pieces that are sent. */
TEST(long_output_stays_whole) {
        static const char unit[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"";
        _cleanup_(exec_reply_clear) ExecReply reply = {};

        for (size_t i = 0; i < 100000; i++)
                ASSERT_OK(exec_reply_take(&reply, STREAM_STDOUT, unit, sizeof(unit) - 1, NULL));
        _cleanup_json_ json_object *payload = send_and_read(&reply, 0, /* bytes= */ false);
        json_object *out = json_member(payload, "stdout");
        ASSERT_EQ(json_object_get_string_len(out), (int) reply.streams[STREAM_STDOUT].length);
        ASSERT_EQ(memcmp(json_object_get_string(out), reply.streams[STREAM_STDOUT].data,
                         reply.streams[STREAM_STDOUT].length),
                  0);
}
