/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether this machine can execute programs of a platform: its own, those of its compatible modes, and those
 * that an emulator is registered for with the kernel (Documentation/admin-guide/binfmt-misc.rst). */

#include "oci/platform.h"

/* 0, or ERROR_UNSUPPORTED that names the platform and says what would help. */
int emulation_check(const Platform *platform, Error *error);

/* Whether an entry of binfmt_misc (its text) would be used for this ELF header, in a container as well: it
 * must be enabled and have its interpreter opened beforehand (flag F). */
bool emulation_entry_matches(const char *entry, const unsigned char *header, size_t n);

/* The beginning of an ELF executable of an architecture (GOARCH); the bytes written, or 0 for one that is
 * unknown. */
#define ELF_HEADER_SIZE 20U
size_t emulation_elf_header(const char *architecture, unsigned char ret[static ELF_HEADER_SIZE]);
