/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/envelope.h"

#include <stdio.h>

#include "base/string-util.h"
#include "protocol/limits.h"

static const char *const kinds[] = {
        [REPLY_OK] = "ok",
        [REPLY_ERROR] = "error",
        [REPLY_PROGRESS] = "progress",
};

/* How much of a command that is none an error shows, in bytes. */
#define QUOTE_MAX 256U

#define ENVELOPE_PREFIX "{\"version\":0,\"command\":\""

int request_decode(const char *line, size_t length, bool internal, Member given, Request *ret, Error *error) {
        _cleanup_json_ json_object *envelope = NULL;
        const char *name = NULL;
        int64_t version = PROTOCOL_VERSION;
        int r;

        r = json_parse(line, length, PROTOCOL_NESTING_MAX, &envelope, error);
        if (r < 0)
                return error_prefix(error, r, "malformed message");
        if (!json_object_is_type(envelope, json_type_object))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "malformed message: a request must be a JSON object");

        r = json_get_int64(envelope, "version", &version, error);
        if (r < 0)
                return error_prefix(error, r, "malformed message");
        if (version != PROTOCOL_VERSION)
                return error_set(error, ERROR_UNSUPPORTED, "unsupported protocol version");

        r = json_get_string(envelope, "command", &name, error);
        if (r < 0)
                return error_prefix(error, r, "malformed message");
        Command command = name ? command_from_string(name) : _COMMAND_INVALID;
        if (command < 0 || (command_info(command)->internal && !internal))
                return error_set(error, ERROR_UNSUPPORTED, "unknown command: %.*s",
                                 utf8_cut(strempty(name), QUOTE_MAX), strempty(name));

        r = payload_decode(command, json_member(envelope, "payload"), given, &ret->payload, error);
        if (r < 0)
                return r;
        ret->command = command;
        ret->given = given;
        return 0;
}

void request_clear(Request *request) {
        payload_clear(&request->payload);
        request->command = COMMAND_STATUS;
        request->given = 0;
}

int request_write(Command command, json_object *payload, Buffer *buffer) {
        int r;

        r = buffer_printf(buffer, ENVELOPE_PREFIX "%s\"", command_to_string(command));
        if (r >= 0 && payload)
                r = buffer_append_string(buffer, ",\"payload\":");
        if (r >= 0 && payload)
                r = json_write(payload, buffer);
        return r < 0 ? r : reply_end(buffer);
}

int reply_kind_from_prefix(const char *line, size_t length) {
        for (ReplyKind kind = REPLY_OK; kind < (ReplyKind) ELEMENTSOF(kinds); kind++) {
                char prefix[REPLY_PREFIX_MAX];
                size_t n = (size_t) snprintf(prefix, sizeof(prefix), ENVELOPE_PREFIX "%s\"", kinds[kind]);

                if (memcmp(line, prefix, MIN(n, length)) == 0)
                        return length < n ? -EAGAIN : (int) kind;
        }
        return _REPLY_KIND_INVALID;
}

int reply_begin(ReplyKind kind, Buffer *buffer) {
        return buffer_printf(buffer, ENVELOPE_PREFIX "%s\",\"payload\":", kinds[kind]);
}

int reply_end(Buffer *buffer) {
        return buffer_append_string(buffer, "}\n");
}

int reply_write(ReplyKind kind, json_object *payload, Buffer *buffer) {
        int r;

        if (!payload)
                return buffer_printf(buffer, ENVELOPE_PREFIX "%s\"}\n", kinds[kind]);
        r = reply_begin(kind, buffer);
        if (r >= 0)
                r = json_write(payload, buffer);
        return r < 0 ? r : reply_end(buffer);
}

int reply_write_error(const Error *e, Buffer *buffer) {
        const char *message = error_message(e);
        int r;

        r = reply_begin(REPLY_ERROR, buffer);
        if (r >= 0)
                r = buffer_append_string(buffer, "{\"message\":");
        if (r >= 0)
                r = json_write_string(message, strlen(message), buffer);
        if (r >= 0)
                r = buffer_printf(buffer, ",\"code\":\"%s\"}", error_code_to_string(e->code));
        return r < 0 ? r : reply_end(buffer);
}

int reply_decode(const char *line, size_t length, json_object **ret_payload, Error *ret_error, Error *error) {
        _cleanup_json_ json_object *envelope = NULL;
        const char *name = NULL, *message = "", *code = "";
        int r;

        r = json_parse(line, length, PROTOCOL_NESTING_MAX, &envelope, error);
        if (r >= 0)
                r = json_get_string(envelope, "command", &name, error);
        if (r < 0)
                return error_prefix(error, r, "malformed reply");

        json_object *payload = json_member(envelope, "payload");
        for (ReplyKind kind = REPLY_OK; name && kind < (ReplyKind) ELEMENTSOF(kinds); kind++) {
                if (!streq(name, kinds[kind]))
                        continue;
                if (kind == REPLY_ERROR) {
                        (void) json_get_string(payload, "message", &message, NULL);
                        (void) json_get_string(payload, "code", &code, NULL);
                        ErrorCode c = error_code_from_string(code);
                        error_set(ret_error, c == ERROR_NONE ? ERROR_INTERNAL : c, "%s", message);
                }
                if (ret_payload)
                        *ret_payload = json_object_get(payload);
                return (int) kind;
        }
        return error_set(error, ERROR_INVALID_ARGUMENT, "malformed reply: unknown kind \"%s\"",
                         strempty(name));
}
