/* SPDX-License-Identifier: Apache-2.0 */
#include "build/emulation.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd-util.h"
#include "base/log.h"
#include "base/string-util.h"

#define ENTRY_MAX ((size_t) KIB(4))
#define MAGIC_MAX 128U /* the kernel's own BINPRM_BUF_SIZE allows up to 256, of which ELF needs 20 */

static const struct {
        const char *architecture; /* GOARCH */
        unsigned char class, data;
        unsigned short machine;
} machines[] = {
        { "386", ELFCLASS32, ELFDATA2LSB, EM_386 },
        { "amd64", ELFCLASS64, ELFDATA2LSB, EM_X86_64 },
        { "arm", ELFCLASS32, ELFDATA2LSB, EM_ARM },
        { "arm64", ELFCLASS64, ELFDATA2LSB, EM_AARCH64 },
        { "loong64", ELFCLASS64, ELFDATA2LSB, EM_LOONGARCH },
        { "mips64le", ELFCLASS64, ELFDATA2LSB, EM_MIPS },
        { "ppc64le", ELFCLASS64, ELFDATA2LSB, EM_PPC64 },
        { "riscv64", ELFCLASS64, ELFDATA2LSB, EM_RISCV },
        { "s390x", ELFCLASS64, ELFDATA2MSB, EM_S390 },
};

size_t emulation_elf_header(const char *architecture, unsigned char ret[static ELF_HEADER_SIZE]) {
        for (size_t i = 0; i < ELEMENTSOF(machines); i++) {
                if (!streq(machines[i].architecture, architecture))
                        continue;
                bool big = machines[i].data == ELFDATA2MSB;

                memset(ret, 0, ELF_HEADER_SIZE);
                memcpy(ret, ELFMAG, SELFMAG);
                ret[EI_CLASS] = machines[i].class;
                ret[EI_DATA] = machines[i].data;
                ret[EI_VERSION] = EV_CURRENT;
                ret[EI_NIDENT + (big ? 1 : 0)] = ET_EXEC;
                ret[EI_NIDENT + 2 + (big ? 1 : 0)] = (unsigned char) machines[i].machine;
                ret[EI_NIDENT + 2 + (big ? 0 : 1)] = (unsigned char) (machines[i].machine >> 8);
                return ELF_HEADER_SIZE;
        }
        return 0;
}

/* Reads "magic 7f454c…" into bytes; the number of them, 0 where the line is missing or wrong. */
static size_t read_hex(const char *entry, const char *key, unsigned char ret[static MAGIC_MAX]) {
        const char *p = strstr(entry, key);
        size_t n = 0;
        unsigned byte;

        if (!p)
                return 0;
        for (p += strlen(key); n < MAGIC_MAX && sscanf(p, "%2x", &byte) == 1 && p[0] != '\n'; p += 2)
                ret[n++] = (unsigned char) byte;
        return n;
}

bool emulation_entry_matches(const char *entry, const unsigned char *header, size_t n) {
        unsigned char magic[MAGIC_MAX], mask[MAGIC_MAX];

        if (!startswith(entry, "enabled\n"))
                return false;
        const char *flags = strstr(entry, "\nflags: ");
        if (!flags || !memchr(flags + 8, 'F', strcspn(flags + 8, "\n")))
                return false;
        const char *offset = strstr(entry, "\noffset ");
        if (!offset || !startswith(offset, "\noffset 0\n"))
                return false;

        size_t n_magic = read_hex(entry, "\nmagic ", magic), n_mask = read_hex(entry, "\nmask ", mask);
        if (n_magic == 0 || n_magic > n)
                return false;
        for (size_t i = 0; i < n_magic; i++)
                if ((header[i] ^ magic[i]) & (i < n_mask ? mask[i] : 0xff))
                        return false;
        return true;
}

/* The file system itself rather than /proc/sys/fs/binfmt_misc, which may not be mounted, or not be seen from
 * a sandbox. */
static int open_binfmt_misc(void) {
        _cleanup_close_ int fs = fsopen("binfmt_misc", FSOPEN_CLOEXEC);

        if (fs < 0)
                return -errno;
        if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
        return fd < 0 ? -errno : fd;
}

static bool entry_file_matches(int dir_fd, const char *name, const unsigned char *header, size_t n) {
        _cleanup_(buffer_clear) Buffer entry = {};
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd >= 0 && read_to_end(fd, &entry, ENTRY_MAX) >= 0 && buffer_append(&entry, "", 1) >= 0 &&
               emulation_entry_matches(entry.data, header, n);
}

static bool has_emulator(const unsigned char *header, size_t n) {
        _cleanup_close_ int fd = open_binfmt_misc();
        _cleanup_closedir_ DIR *d = fd >= 0 ? opendir_fd(fd) : NULL;
        struct dirent *entry;

        if (!d)
                log_debug("Cannot look into binfmt_misc, taking it to be empty: %s",
                          errno_words(fd < 0 ? fd : errno));
        while (d && (entry = readdir(d)))
                if (entry->d_name[0] != '.' && !streq(entry->d_name, "register") &&
                    !streq(entry->d_name, "status") && entry_file_matches(fd, entry->d_name, header, n))
                        return true;
        return false;
}

/* What the processor runs by itself besides its own: variants are taken on trust. */
static bool is_native(const Platform *host, const Platform *platform) {
        return streq(host->architecture, platform->architecture) ||
               (streq(host->architecture, "amd64") && streq(platform->architecture, "386"));
}

int emulation_check(const Platform *platform, Error *error) {
        unsigned char header[ELF_HEADER_SIZE];
        char name[PLATFORM_MAX], host_name[PLATFORM_MAX];
        Platform host;

        platform_host(&host);
        if (is_native(&host, platform))
                return 0;
        size_t n = emulation_elf_header(platform->architecture, header);
        if (n > 0 && has_emulator(header, n))
                return 0;
        return error_set(error, ERROR_UNSUPPORTED,
                         "cannot run commands for %s on this machine (%s): no emulator is registered with "
                         "the kernel's binfmt_misc for use in containers (Debian: install qemu-user-static)",
                         platform_format(name, platform), platform_format(host_name, &host));
}
