/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/root-check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd-util.h"
#include "base/macro.h"
#include "oci/spec.h"
#include "runtime/resolve.h"

/* What the runtime mounts on, or goes through on its way there. Absent is right: it is made then. */
static const struct {
        const char *path;
        mode_t type;
        bool may_be_link; /* inside of the root: some images have /run or /etc elsewhere */
} places[] = {
        { "/proc", S_IFDIR, false }, { "/dev", S_IFDIR, false }, { "/sys", S_IFDIR, false },
        { "/run", S_IFDIR, true },   { "/etc", S_IFDIR, true },  { SPEC_RESOLV_CONF, S_IFREG, true },
};

int root_check(int root_fd, Error *error) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                const char *path = places[i].path;
                struct stat st;

                _cleanup_close_ int fd = open_beneath(
                        root_fd, path, O_PATH | (places[i].may_be_link ? 0 : O_NOFOLLOW), 0, RESOLVE_IMAGE);
                if (fd == -ENOENT)
                        continue;
                if (fd < 0) {
                        (void) error_set_errno(error, fd, "open %s", path);
                        return error_recode(error, ERROR_INVALID_ARGUMENT);
                }
                if (fstat(fd, &st) < 0)
                        return error_set_errno(error, errno, "stat %s", path);
                if ((st.st_mode & S_IFMT) != places[i].type)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                         "%s is %s, no container can be started on it", path,
                                         resolve_type_words(st.st_mode));
        }
        return 0;
}
