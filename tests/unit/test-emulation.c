/* SPDX-License-Identifier: Apache-2.0 */
#include "build/emulation.h"
#include "test.h"

/* As the kernel shows an entry that Debian's qemu-user-static registers. */
#define AARCH64(state, flags, magic) \
        state "\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: " flags \
              "\noffset 0\nmagic " magic "\nmask ffffffffffffff00fffffffffffffffffeffffff\n"
#define MAGIC "7f454c460201010000000000000000000200b700"

static bool matches(const char *entry, const char *architecture) {
        unsigned char header[ELF_HEADER_SIZE];
        size_t n = emulation_elf_header(architecture, header);

        ASSERT_GT(n, 0);
        return emulation_entry_matches(entry, header, n);
}

TEST(entries) {
        ASSERT_TRUE(matches(AARCH64("enabled", "POF", MAGIC), "arm64"));
        ASSERT_FALSE(matches(AARCH64("enabled", "POF", MAGIC), "arm"));
        ASSERT_FALSE(matches(AARCH64("enabled", "POF", MAGIC), "riscv64"));
        ASSERT_FALSE(matches(AARCH64("disabled", "POF", MAGIC), "arm64"));
        ASSERT_FALSE(matches(AARCH64("enabled", "PO", MAGIC), "arm64"));
        ASSERT_FALSE(matches(AARCH64("enabled", "F", ""), "arm64"));
        ASSERT_FALSE(matches("enabled\ninterpreter /x\nflags: F\nextension .py\n", "arm64"));
        ASSERT_FALSE(matches("", "arm64"));
}

TEST(big_endian_headers) {
        unsigned char header[ELF_HEADER_SIZE];

        ASSERT_EQ(emulation_elf_header("s390x", header), ELF_HEADER_SIZE);
        ASSERT_EQ(header[5], 2);
        ASSERT_EQ(header[17], 2);
        ASSERT_EQ(header[19], 22);
        ASSERT_EQ(emulation_elf_header("pdp11", header), 0);
}

TEST(this_machine_needs_none) {
        Platform host;

        platform_host(&host);
        ASSERT_OK(emulation_check(&host, NULL));
}

TEST(what_nobody_emulates) {
        _cleanup_(error_clear) Error error = {};
        Platform platform = { "linux", "pdp11", "" };

        ASSERT_EQ(emulation_check(&platform, &error), -EOPNOTSUPP);
        ASSERT_CONTAINS(error_message(&error), "linux/pdp11");
}
