/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/string-util.h"

/* Spellings of uname(2), of Debian and of common usage, and what Go calls them. */
static const struct {
        const char *spelling;
        const char *architecture;
        const char *variant; /* NULL: as given */
} spellings[] = {
        { "x86_64", "amd64", NULL },    { "x86-64", "amd64", NULL },
        { "i386", "386", "" },          { "i486", "386", "" },
        { "i586", "386", "" },          { "i686", "386", "" },
        { "aarch64", "arm64", NULL },   { "aarch64_be", "arm64be", NULL },
        { "armhf", "arm", "v7" },       { "armel", "arm", "v6" },
        { "armv5l", "arm", "v5" },      { "armv5tel", "arm", "v5" },
        { "armv5tejl", "arm", "v5" },   { "armv6l", "arm", "v6" },
        { "armv7l", "arm", "v7" },      { "armv8l", "arm", "v7" },
        { "ppc64el", "ppc64le", NULL }, { "mips64el", "mips64le", NULL },
        { "mipsel", "mipsle", NULL },   { "loongarch64", "loong64", NULL },
};

static void set_part(char part[static PLATFORM_PART_MAX + 1], const char *s) {
        snprintf(part, PLATFORM_PART_MAX + 1, "%s", s);
}

/* Variants are spelt with and without their v. */
static void normalise_variant(Platform *platform) {
        const char *a = platform->architecture;
        char *v = platform->variant;

        if (isdigit((unsigned char) v[0]) && strlen(v) < PLATFORM_PART_MAX) {
                memmove(v + 1, v, strlen(v) + 1);
                v[0] = 'v';
        }
        if ((streq(a, "amd64") && streq(v, "v1")) ||
            (streq(a, "arm64") && (streq(v, "v8") || streq(v, "v8.0"))))
                v[0] = 0;
        else if (streq(a, "arm") && !v[0])
                set_part(v, "v7");
}

static void normalise(Platform *platform) {
        for (char *part = (char *) platform; part < (char *) (platform + 1); part++)
                *part = (char) tolower((unsigned char) *part);
        if (streq(platform->os, "macos"))
                set_part(platform->os, "darwin");
        for (size_t i = 0; i < ELEMENTSOF(spellings); i++)
                if (streq(platform->architecture, spellings[i].spelling)) {
                        set_part(platform->architecture, spellings[i].architecture);
                        if (spellings[i].variant && !platform->variant[0])
                                set_part(platform->variant, spellings[i].variant);
                        break;
                }
        normalise_variant(platform);
}

static int check_part(const char *what, const char *part, Error *error) {
        size_t n = strnlen(part, PLATFORM_PART_MAX + 1);

        if (n > PLATFORM_PART_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "%s of a platform is longer than %d bytes",
                                 what, PLATFORM_PART_MAX);
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char) part[i]) && (i == 0 || !strchr("._-", part[i])))
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "%s \"%s\" of a platform is not valid", what, part);
        return 0;
}

int platform_from_parts(const char *os, const char *architecture, const char *variant, Platform *ret,
                        Error *error) {
        int r = check_part("operating system", strempty(os), error);
        if (r < 0)
                return r;
        r = check_part("architecture", strempty(architecture), error);
        if (r < 0)
                return r;
        r = check_part("variant", strempty(variant), error);
        if (r < 0)
                return r;

        Platform platform = {};
        set_part(platform.os, strempty(os));
        set_part(platform.architecture, strempty(architecture));
        set_part(platform.variant, strempty(variant));
        normalise(&platform);
        *ret = platform;
        return 0;
}

int platform_parse(const char *text, Platform *ret, Error *error) {
        _cleanup_free_ char *copy = strndup(strempty(text), PLATFORM_MAX + 1);
        if (!copy)
                return error_oom(error);

        char *architecture = strchr(copy, '/'), *variant = NULL;
        if (architecture) {
                *architecture++ = 0;
                variant = strchr(architecture, '/');
                if (variant)
                        *variant++ = 0;
        }
        if (!architecture || !copy[0] || !architecture[0] || (variant && !variant[0]))
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                 "platform \"%.*s\" is not of the form os/architecture[/variant]",
                                 utf8_cut(strempty(text), PLATFORM_MAX), strempty(text));
        return platform_from_parts(copy, architecture, variant, ret, error);
}

void platform_host(Platform *ret) {
        struct utsname name;

        if (uname(&name) < 0 || platform_from_parts("linux", name.machine, NULL, ret, NULL) < 0)
                /* Neither happens: uname() fails for bad pointers only. */
                *ret = (Platform) { .os = "linux" };
}

bool platform_equal(const Platform *a, const Platform *b) {
        return streq(a->os, b->os) && streq(a->architecture, b->architecture) &&
               streq(a->variant, b->variant);
}

/* A variant "vN" is number N; none is that of the architecture's first. Others have no order. */
static int variant_number(const Platform *platform) {
        uint64_t n = 0;

        if (!platform->variant[0])
                return streq(platform->architecture, "arm64") ? 8 : 1;
        if (platform->variant[0] != 'v' || parse_uint64(platform->variant + 1, &n) < 0 || n > 100)
                return -1;
        return (int) n;
}

unsigned platform_rank(const Platform *wanted, const Platform *offered) {
        const unsigned exact = 200;

        if (!streq(wanted->os, offered->os) || !streq(wanted->architecture, offered->architecture))
                return 0;
        if (streq(wanted->variant, offered->variant))
                return exact;
        int w = variant_number(wanted), o = variant_number(offered);
        return w < 0 || o < 0 || o > w ? 0 : exact - 1 - (unsigned) (w - o);
}

const char *platform_format(char buffer[static PLATFORM_MAX], const Platform *platform) {
        snprintf(buffer, PLATFORM_MAX, "%s/%s%s%s", platform->os, platform->architecture,
                 platform->variant[0] ? "/" : "", platform->variant);
        return buffer;
}

const char *platform_format_directory(char buffer[static PLATFORM_MAX], const Platform *platform) {
        platform_format(buffer, platform);
        for (char *p = buffer; *p; p++)
                if (*p == '/')
                        *p = '-';
        return buffer;
}
