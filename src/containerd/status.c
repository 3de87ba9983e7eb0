/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/status.h"

#include "base/string-util.h"

/* How much of the peer's words is kept, in bytes: runtimes put whole log files there. */
#define DETAILS_MAX KIB(16)

static ErrorCode status_to_code(grpc_status_code status) {
        switch (status) {
        case GRPC_STATUS_INVALID_ARGUMENT:
        case GRPC_STATUS_OUT_OF_RANGE:
                return ERROR_INVALID_ARGUMENT;
        case GRPC_STATUS_NOT_FOUND:
                return ERROR_NOT_FOUND;
        case GRPC_STATUS_ALREADY_EXISTS:
                return ERROR_ALREADY_EXISTS;
        case GRPC_STATUS_PERMISSION_DENIED:
        case GRPC_STATUS_UNAUTHENTICATED:
                return ERROR_PERMISSION_DENIED;
        case GRPC_STATUS_FAILED_PRECONDITION:
        case GRPC_STATUS_ABORTED:
                return ERROR_BUSY;
        case GRPC_STATUS_UNIMPLEMENTED:
                return ERROR_UNSUPPORTED;
        case GRPC_STATUS_UNAVAILABLE:
        case GRPC_STATUS_DEADLINE_EXCEEDED:
        case GRPC_STATUS_CANCELLED:
                return ERROR_UNAVAILABLE;
        default:
                return ERROR_INTERNAL;
        }
}

/* The class of an error that has none is the one thing in containerd's words that says nothing. */
static size_t without_unknown(const char *details, size_t length) {
        static const char suffix[] = ": unknown";
        const size_t n = sizeof(suffix) - 1;

        while (length > n && memcmp(details + length - n, suffix, n) == 0)
                length -= n;
        return length;
}

int status_to_error(grpc_status_code status, const char *details, size_t length, const StatusContext *context,
                    Error *error) {
        if (status == GRPC_STATUS_OK)
                return 0;
        if (context->cancelled)
                return error_set(error, ERROR_CANCELLED, "cancelled");

        length = without_unknown(details, MIN(length, DETAILS_MAX));
        _cleanup_free_ char *words = utf8_sanitize(details, length, NULL);
        if (!words)
                return error_oom(error);

        const ErrorCode code = status_to_code(status);
        const char *name = strrchr(context->method, '/');
        name = name ? name + 1 : context->method;

        switch (status) {
        case GRPC_STATUS_DEADLINE_EXCEEDED:
                if (context->timeout_sec > 0)
                        return error_set(error, code, "containerd at %s did not answer \"%s\" within %u s",
                                         context->address, name, context->timeout_sec);
                _fallthrough_;
        case GRPC_STATUS_UNAVAILABLE:
        case GRPC_STATUS_CANCELLED:
                return error_set(error, code, "containerd at %s is not available: %s", context->address,
                                 words[0] ? words : "no reason given");
        case GRPC_STATUS_UNIMPLEMENTED:
                return error_set(error, code, "containerd at %s cannot do \"%s\": %s", context->address, name,
                                 words);
        default:
                if (!words[0])
                        return error_set(error, code, "containerd failed \"%s\" with status %i and no words",
                                         name, status);
                return error_set(error, code, "%s", words);
        }
}
