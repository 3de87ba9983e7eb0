/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/string-util.h"
#include "runtime/copy-internal.h"

uid_t copy_uid(const Copy *copy, const struct stat *st) {
        return copy->source->keep_owners ? st->st_uid : 0;
}

gid_t copy_gid(const Copy *copy, const struct stat *st) {
        return copy->source->keep_owners ? st->st_gid : 0;
}

/* What belongs to a file wherever it is. trusted.* and the names that overlayfs keeps its own books under
 * belong to a mount, labels and ACLs to the policy of a machine. */
static bool is_portable(const char *name) {
        return (startswith(name, "user.") && !startswith(name, "user.overlay.")) ||
               streq(name, "security.capability");
}

static int copy_one_attribute(int in, int out, const char *name) {
        char small[256];
        _cleanup_free_ char *large = NULL;
        char *value = small;

        ssize_t n = fgetxattr(in, name, small, sizeof(small));
        if (n < 0 && errno == ERANGE) {
                value = large = malloc(XATTR_SIZE_MAX);
                if (!large)
                        return -ENOMEM;
                n = fgetxattr(in, name, large, XATTR_SIZE_MAX);
        }
        if (n < 0)
                return errno == ENODATA ? 0 : -errno;
        return fsetxattr(out, name, value, (size_t) n, 0) < 0 ? -errno : 0;
}

/* Nearly every file has none, and is then done after one call. */
static int copy_extended_attributes(int in, int out) {
        char small[1024];
        _cleanup_free_ char *large = NULL;
        char *names = small;

        ssize_t n = flistxattr(in, small, sizeof(small));
        if (n < 0 && errno == ERANGE) {
                names = large = malloc(XATTR_LIST_MAX);
                if (!large)
                        return -ENOMEM;
                n = flistxattr(in, large, XATTR_LIST_MAX);
        }
        if (n < 0)
                return errno == EOPNOTSUPP ? 0 : -errno;

        for (const char *name = names; name < names + n; name += strlen(name) + 1) {
                if (!is_portable(name))
                        continue;
                int r = copy_one_attribute(in, out, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A change of owner takes the set-ID bits and capabilities away, so that it comes first and they follow. */
int copy_attributes(const Copy *copy, int in, const struct stat *st, int out, struct stat *ret_st) {
        uid_t uid = copy_uid(copy, st);
        gid_t gid = copy_gid(copy, st);
        mode_t mode = st->st_mode & 07777;
        struct stat now;

        if (fstat(out, &now) < 0)
                return -errno;
        if (now.st_uid != uid || now.st_gid != gid) {
                if (fchown(out, uid, gid) < 0 || fchmod(out, mode) < 0)
                        return -errno;
        } else if ((now.st_mode & 07777) != mode && fchmod(out, mode) < 0)
                return -errno;

        if (ret_st)
                *ret_st = now;
        return copy_extended_attributes(in, out);
}
