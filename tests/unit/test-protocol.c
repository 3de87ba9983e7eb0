/* SPDX-License-Identifier: Apache-2.0 */
#include "base/string-util.h"
#include "protocol/envelope.h"
#include "protocol/identifier.h"
#include "protocol/limits.h"
#include "test.h"

static Request decode(const char *line) {
        Request request = {};
        Error error = {};

        if (request_decode(line, strlen(line), false, 0, &request, &error) < 0)
                test_fail(__FILE__, __LINE__, "%s: %s", line, error_message(&error));
        return request;
}

static void refuse(const char *line, ErrorCode code, const char *words) {
        _cleanup_(error_clear) Error error = {};
        _cleanup_(request_clear) Request request = {};

        ASSERT_LT(request_decode(line, strlen(line), false, 0, &request, &error), 0);
        ASSERT_STREQ(error_code_to_string(error.code), error_code_to_string(code));
        ASSERT_CONTAINS(error_message(&error), words);
}

TEST(status_needs_nothing) {
        _cleanup_(request_clear) Request a = decode("{\"version\":0,\"command\":\"status\"}\n");
        _cleanup_(request_clear) Request b =
                decode("{\"Command\":\"status\",\"payload\":null,\"extra\":[1]}");

        ASSERT_EQ(a.command, COMMAND_STATUS);
        ASSERT_EQ(b.command, COMMAND_STATUS);
}

TEST(envelope_errors) {
        refuse("garbage", ERROR_INVALID_ARGUMENT, "malformed message: invalid character 'g'");
        refuse("[]", ERROR_INVALID_ARGUMENT, "must be a JSON object");
        refuse("null", ERROR_INVALID_ARGUMENT, "must be a JSON object");
        refuse("{\"version\":1,\"command\":\"status\"}", ERROR_UNSUPPORTED, "unsupported protocol version");
        refuse("{\"version\":\"0\",\"command\":\"status\"}", ERROR_INVALID_ARGUMENT,
               "\"version\" must be a whole number");
        refuse("{\"command\":\"reticulate\"}", ERROR_UNSUPPORTED, "unknown command: reticulate");
        refuse("{\"command\":\"sweep\"}", ERROR_UNSUPPORTED, "unknown command: sweep");
        refuse("{}", ERROR_UNSUPPORTED, "unknown command: ");
        refuse("{\"command\":7}", ERROR_INVALID_ARGUMENT, "\"command\" must be a string");
}

TEST(payload_members) {
        _cleanup_(request_clear) Request r = decode("{\"command\":\"container-exec\",\"PAYLOAD\":{\"ID\":"
                                                    "\"acme/hello\",\"Command\":[\"/bin/true\",\"\"]}}");

        ASSERT_STREQ(r.payload.id, "acme-hello");
        ASSERT_STREQ(r.payload.command[0], "/bin/true");
        ASSERT_EQ(strv_length(r.payload.command), 2);
}

TEST(members_that_are_given_as_fds) {
        static const char line[] =
                "{\"command\":\"image-import\",\"payload\":{\"ref\":\"a\",\"version\":\"1\","
                "\"path\":7}}";
        _cleanup_(request_clear) Request r = {};

        ASSERT_EQ(member_from_fd_name("archive"), MEMBER_PATH);
        ASSERT_EQ(member_from_fd_name("root"), 0); /* the client's, not the build's */
        ASSERT_OK(request_decode(line, strlen(line), false, MEMBER_PATH, &r, NULL));
        ASSERT_EQ(r.given, MEMBER_PATH);
        ASSERT_TRUE(r.payload.path == NULL);
        refuse(line, ERROR_INVALID_ARGUMENT, "\"path\"");
}

TEST(default_id_is_the_ref) {
        _cleanup_(request_clear) Request r = decode("{\"command\":\"image-start\",\"payload\":{\"ref\":"
                                                    "\"acme/hello\",\"version\":\"1.0.0\",\"id\":\"\"}}");

        ASSERT_STREQ(r.payload.id, "acme-hello");
        ASSERT_STREQ(r.payload.image, "acme/hello:1.0.0");
}

TEST(missing_members_are_named) {
        refuse("{\"command\":\"container-stop\"}", ERROR_INVALID_ARGUMENT, "needs a payload");
        refuse("{\"command\":\"container-stop\",\"payload\":null}", ERROR_INVALID_ARGUMENT,
               "needs a payload");
        refuse("{\"command\":\"container-stop\",\"payload\":[]}", ERROR_INVALID_ARGUMENT,
               "\"payload\" must be an object");
        refuse("{\"command\":\"container-stop\",\"payload\":{}}", ERROR_INVALID_ARGUMENT,
               "needs member \"id\"");
        refuse("{\"command\":\"container-stop\",\"payload\":{\"id\":\"\"}}", ERROR_INVALID_ARGUMENT,
               "needs member \"id\"");
        refuse("{\"command\":\"container-exec\",\"payload\":{\"id\":\"a\",\"command\":[]}}",
               ERROR_INVALID_ARGUMENT, "\"command\"");
        refuse("{\"command\":\"container-exec\",\"payload\":{\"id\":\"a\",\"command\":[\"\"]}}",
               ERROR_INVALID_ARGUMENT, "name a program");
        refuse("{\"command\":\"container-exec\",\"payload\":{\"id\":\"a\",\"command\":\"true\"}}",
               ERROR_INVALID_ARGUMENT, "must be an array");
        refuse("{\"command\":\"container-stop\",\"payload\":{\"id\":\"a b\"}}", ERROR_INVALID_ARGUMENT,
               "\"a b\" is no identifier");
        refuse("{\"command\":\"image-import\",\"payload\":{\"ref\":\"a\",\"version\":\"1\"}}",
               ERROR_INVALID_ARGUMENT, "\"path\"");
        refuse("{\"command\":\"image-import\",\"payload\":{\"ref\":\"a\\n\",\"version\":\"1\",\"path\":\"/"
               "x\"}}",
               ERROR_INVALID_ARGUMENT, "control characters");
        refuse("{\"command\":\"image-destroy\",\"payload\":{\"ref\":\"a\\uffff\",\"version\":\"1\"}}",
               ERROR_INVALID_ARGUMENT, "\"ref\"");
        refuse("{\"command\":\"image-destroy\",\"payload\":{\"ref\":\"a\",\"version\":\"\\ufdd0\"}}",
               ERROR_INVALID_ARGUMENT, "\"version\"");
        refuse("{\"command\":\"build\",\"payload\":{\"recipe\":[],\"resource\":\"a\",\"output\":\"/"
               "o\",\"root\":\"/r\"}}",
               ERROR_INVALID_ARGUMENT, "\"recipe\" must be an object");
}

TEST(identifiers) {
        static const struct {
                const char *id;
                bool valid;
        } table[] = {
                { "a", true },
                { "a.b_c-d", true },
                { "A1", true },
                { "", false },
                { "-a", false },
                { "a-", false },
                { "a--b", false },
                { "a..b", false },
                { "a/b", false },
                { "a b", false },
                { "\xc3\xa9", false },
                { "..", false },
                { "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhh", true },
                { "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhh", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                ASSERT_EQ(identifier_is_valid(table[i].id), table[i].valid);
}

TEST(replies) {
        _cleanup_(buffer_clear) Buffer b = {};
        _cleanup_(error_clear) Error e = {}, read = {};
        _cleanup_json_ json_object *payload = json_object_new_object(), *back = NULL;

        ASSERT_OK(reply_write(REPLY_OK, NULL, &b));
        ASSERT_EQ(b.length, strlen("{\"version\":0,\"command\":\"ok\"}\n"));
        ASSERT_EQ(reply_kind_from_prefix(b.data, b.length), REPLY_OK);
        ASSERT_EQ(reply_kind_from_prefix(b.data, 3), -EAGAIN);
        buffer_clear(&b);

        ASSERT_OK(json_add_string(payload, "stage", "caf\xc3"));
        ASSERT_OK(reply_write(REPLY_PROGRESS, payload, &b));
        ASSERT_EQ(reply_kind_from_prefix(b.data, b.length), REPLY_PROGRESS);
        ASSERT_EQ(reply_decode(b.data, b.length, &back, &read, NULL), REPLY_PROGRESS);
        buffer_clear(&b);

        error_set(&e, ERROR_NOT_RUNNING, "container \"%s\" is not running", "a\"b");
        ASSERT_OK(reply_write_error(&e, &b));
        ASSERT_EQ(reply_kind_from_prefix(b.data, b.length), REPLY_ERROR);
        ASSERT_EQ(reply_decode(b.data, b.length, NULL, &read, NULL), REPLY_ERROR);
        ASSERT_EQ(read.code, ERROR_NOT_RUNNING);
        ASSERT_STREQ(error_message(&read), "container \"a\"b\" is not running");
        ASSERT_EQ(reply_kind_from_prefix("garbage", 7), _REPLY_KIND_INVALID);
}

TEST(requests_written_are_read) {
        _cleanup_(buffer_clear) Buffer b = {};
        _cleanup_(request_clear) Request request = {};
        _cleanup_json_ json_object *payload = json_object_new_object();

        ASSERT_OK(request_write(COMMAND_STATUS, NULL, &b));
        ASSERT_EQ(b.length, strlen("{\"version\":0,\"command\":\"status\"}\n"));
        ASSERT_OK(request_decode(b.data, b.length, false, 0, &request, NULL));
        ASSERT_EQ(request.command, COMMAND_STATUS);
        buffer_clear(&b);

        ASSERT_OK(json_add_string(payload, "id", "acme/hello"));
        ASSERT_OK(request_write(COMMAND_CONTAINER_STOP, payload, &b));
        ASSERT_OK(request_decode(b.data, b.length, false, 0, &request, NULL));
        ASSERT_EQ(request.command, COMMAND_CONTAINER_STOP);
        ASSERT_STREQ(request.payload.id, "acme-hello");
}

TEST(image_names_are_split) {
        static const struct {
                const char *name, *ref, *version;
        } table[] = {
                { "acme/hello:1.0.0", "acme/hello", "1.0.0" },
                { "localhost:5000/a:b", "localhost:5000/a", "b" },
                { "localhost:5000/a", "localhost", "5000/a" }, /* which is put together again the same */
                { "acme/hello", NULL, NULL },
                { "acme:", NULL, NULL },
                { ":1", NULL, NULL },
                { "", NULL, NULL },
                { "a b:1", NULL, NULL },
                { "a\xef\xbf\xbf:1", NULL, NULL },
                { "a:1\xef\xb7\x90", NULL, NULL },
                { "a\xef\xbf\xbd:1", "a\xef\xbf\xbd", "1" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *ref = NULL, *version = NULL;

                ASSERT_EQ(image_name_split(table[i].name, &ref, &version), table[i].ref != NULL);
                if (table[i].ref) {
                        ASSERT_STREQ(ref, table[i].ref);
                        ASSERT_STREQ(version, table[i].version);
                }
        }
}
