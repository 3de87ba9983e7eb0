/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The envelope of the wire protocol: one JSON object a line.
 *
 *     request   {"version":0,"command":"NAME","payload":{…}}
 *     reply     {"version":0,"command":"ok","payload":{…}}
 *               {"version":0,"command":"error","payload":{"message":"…","code":"…"}}
 *               {"version":0,"command":"progress","payload":{…}}      before the last line, to who asked for
 * them
 *
 * Replies written here begin with exactly the bytes shown, so that one who passes them on need not parse
 * them. */

#include "base/json.h"
#include "protocol/payload.h"

#define PROTOCOL_VERSION 0

typedef struct Request {
        Command command;
        Member given; /* as fds, and therefore not in the payload */
        Payload payload;
} Request;

/* Decodes a line (its newline may be there or not) and checks it: syntax, version, command, payload.
 * ERROR_UNSUPPORTED for version and command, ERROR_INVALID_ARGUMENT for the rest. Internal commands are
 * unknown unless `internal`. `given` are members that came as fds. */
int request_decode(const char *line, size_t length, bool internal, Member given, Request *ret, Error *error);
void request_clear(Request *request);

/* Appends a request's whole line with its newline, for clients: 0 or -ENOMEM. `payload` may be NULL: the
 * member is left out. */
int request_write(Command command, json_object *payload, Buffer *buffer);

typedef enum ReplyKind {
        REPLY_OK,
        REPLY_ERROR,
        REPLY_PROGRESS,
        _REPLY_KIND_INVALID = -EINVAL,
} ReplyKind;

/* So many bytes of a line tell its kind. */
#define REPLY_PREFIX_MAX 40

/* The kind of a line that was written by this module, from its first bytes; _REPLY_KIND_INVALID for others,
 * -EAGAIN when there are too few bytes to tell. */
int reply_kind_from_prefix(const char *line, size_t length) _pure_;

/* Append a whole line with its newline: 0 or -ENOMEM. `payload` may be NULL: the member is left out. */
int reply_write(ReplyKind kind, json_object *payload, Buffer *buffer);
int reply_write_error(const Error *e, Buffer *buffer);

/* The start and end of a line whose payload the caller appends in between, for large ones. */
int reply_begin(ReplyKind kind, Buffer *buffer);
int reply_end(Buffer *buffer);

/* Reads a reply line back: its kind and payload (a new reference, NULL for none); an error line fills
 * *ret_error. */
int reply_decode(const char *line, size_t length, json_object **ret_payload, Error *ret_error, Error *error);
