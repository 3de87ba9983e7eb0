/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/ustar.h"

#include <stdio.h>
#include <string.h>

#include "base/string-util.h"

typedef struct Header {
        char name[100];
        char mode[8];
        char uid[8];
        char gid[8];
        char size[12];
        char mtime[12];
        char checksum[8];
        char type;
        char link[100];
        char magic[6];
        char version[2];
        char user[32];
        char group[32];
        char major[8];
        char minor[8];
        char prefix[155];
        char padding[12];
} Header;
_Static_assert(sizeof(Header) == USTAR_BLOCK, "a header is one block");

/* The most that 11 octal digits say. Beyond it the number stands in binary with the first bit set, as GNU
 * began to do and everyone reads. */
#define OCTAL_SIZE_MAX ((UINT64_C(1) << 33) - 1)

static void set_size(char field[static 12], uint64_t size) {
        if (size <= OCTAL_SIZE_MAX) {
                snprintf(field, 12, "%011llo", (unsigned long long) size);
                return;
        }
        field[0] = (char) 0x80;
        for (unsigned i = 0; i < 8; i++)
                field[11 - i] = (char) (size >> (8 * i));
}

void ustar_header(char ret[static USTAR_BLOCK], const char *name, uint64_t size) {
        bool directory = endswith(name, "/");
        unsigned sum = 0;
        Header h = {};

        memcpy(h.name, name, strnlen(name, sizeof(h.name)));
        snprintf(h.mode, sizeof(h.mode), "%07o", directory ? 0755 : 0644);
        snprintf(h.uid, sizeof(h.uid), "%07o", 0);
        snprintf(h.gid, sizeof(h.gid), "%07o", 0);
        set_size(h.size, size);
        snprintf(h.mtime, sizeof(h.mtime), "%011o", 0);
        h.type = directory ? '5' : '0';
        memcpy(h.magic, "ustar", sizeof(h.magic));
        memcpy(h.version, "00", sizeof(h.version));

        /* The sum is taken with the field itself as spaces. */
        memset(h.checksum, ' ', sizeof(h.checksum));
        for (const unsigned char *p = (const unsigned char *) &h; p < (const unsigned char *) (&h + 1); p++)
                sum += *p;
        snprintf(h.checksum, sizeof(h.checksum) - 1, "%06o", sum);
        memcpy(ret, &h, sizeof(h));
}
