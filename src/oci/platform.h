/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Platforms, "os/arch[/variant]" (OCI image specification, "Image Index: platform"; names are those of GOOS
 * and GOARCH). A Platform is a value without ownership, in normal form: the spellings of the kernel (x86_64,
 * aarch64, armhf …) become Go's, and a variant that is its architecture's default is left out (amd64/v1,
 * arm64/v8) or filled in (arm is arm/v7). */

#include "base/error.h"
#include "base/macro.h"

#define PLATFORM_PART_MAX 31
#define PLATFORM_MAX (3 * (PLATFORM_PART_MAX + 1))

typedef struct Platform {
        char os[PLATFORM_PART_MAX + 1];
        char architecture[PLATFORM_PART_MAX + 1];
        char variant[PLATFORM_PART_MAX + 1]; /* "" for none */
} Platform;

/* "os/arch" or "os/arch/variant". ERROR_INVALID_ARGUMENT. */
int platform_parse(const char *text, Platform *ret, Error *error);

/* From parts that a document gives; NULL is "". A part that is too long, or not of letters, digits and (but
 * at the front) '.', '_' and '-', is ERROR_INVALID_ARGUMENT. os and architecture may be "", which
 * platform_is_set() tells. */
int platform_from_parts(const char *os, const char *architecture, const char *variant, Platform *ret,
                        Error *error);

/* That of this machine: linux, and uname(2)'s machine. */
void platform_host(Platform *ret);

static inline bool platform_is_set(const Platform *platform) {
        return platform->os[0] && platform->architecture[0];
}

bool platform_equal(const Platform *a, const Platform *b) _pure_;

/* How well what is offered runs on what is wanted: 0 not at all, else the higher the better. The same os and
 * architecture are needed; of variants an older one fits (arm/v6 on arm/v7, amd64/v2 on amd64/v3), never a
 * newer. */
unsigned platform_rank(const Platform *wanted, const Platform *offered) _pure_;

/* "linux/arm/v7"; gives `buffer`. */
const char *platform_format(char buffer[static PLATFORM_MAX], const Platform *platform);

/* The same with '-' for '/', for names of directories: "linux-arm64". */
const char *platform_format_directory(char buffer[static PLATFORM_MAX], const Platform *platform);
