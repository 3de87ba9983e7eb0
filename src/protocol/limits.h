/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bounds of the wire protocol. They are part of it: a client may count on them. */

#include "base/macro.h"

/* A request line with its newline, in bytes. */
#define PROTOCOL_LINE_MAX MIB(16)

/* Objects and arrays inside one another. */
#define PROTOCOL_NESTING_MAX 64U

/* A connection that has not sent its whole line by then is dropped, in microseconds. */
#define PROTOCOL_LINE_TIMEOUT_USEC UINT64_C(30000000)

/* What containerd takes as an identifier, in bytes. */
#define IDENTIFIER_MAX 76U

/* An image's name, `ref:version`, in bytes. */
#define IMAGE_NAME_MAX 255U

/* `resource` of a build, in bytes: it stands in every entry of the build's journal, and in the image's
 * history. */
#define RESOURCE_MAX 1024U

/* A path (`path`, `root`, `output`, those of a recipe), its NUL included: PATH_MAX, path_resolution(7). */
#define PATH_BYTES_MAX 4096U

/* The strings of an argument vector (`command`, `entrypoint`) and their bytes in all: below the kernel's own
 * limits, so that what passes here can be executed. */
#define ARGUMENTS_MAX 4096U
#define ARGUMENT_MAX ((size_t) KIB(128)) /* of one string, its NUL included: MAX_ARG_STRLEN, execve(2) */
#define ARGUMENT_BYTES_MAX ((size_t) KIB(1024))

/* `platforms` of one build. */
#define PLATFORMS_MAX 16U
