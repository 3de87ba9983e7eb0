/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/version.h"

#include "base/string-util.h"
#include "containerd/convert.h"
#include "containerd/unary.h"
#include "proto/version.pb-c.h"

static const Method version = {
        .path = "/containerd.services.version.v1.Version/Version",
        .request = &pb__empty__descriptor,
        .reply = &version__version_response__descriptor,
        .timeout_sec = TIMEOUT_LOOKUP_SEC,
        .repeat = REPEAT_SAFELY,
};

void ctr_version_clear(CtrVersion *v) {
        free(v->version);
        free(v->revision);
        *v = (CtrVersion) {};
}

/* One number of at most this, with what stands behind it. */
static int parse_number(const char *s, const char **ret_rest, unsigned *ret) {
        unsigned n = 0;
        const char *p = s;

        for (; *p >= '0' && *p <= '9'; p++) {
                if (n > 100000)
                        return -EINVAL;
                n = n * 10 + (unsigned) (*p - '0');
        }
        if (p == s)
                return -EINVAL;
        *ret_rest = p;
        *ret = n;
        return 0;
}

int ctr_version_parse(const char *s, unsigned *ret_major, unsigned *ret_minor) {
        unsigned major, minor;
        const char *rest;

        if (*s == 'v')
                s++;
        if (parse_number(s, &rest, &major) < 0 || *rest != '.' || parse_number(rest + 1, &rest, &minor) < 0)
                return -EINVAL;
        *ret_major = major;
        *ret_minor = minor;
        return 0;
}

int ctr_version_get(CtrClient *client, CtrVersion *ret, Error *error) {
        Pb__Empty request = PB__EMPTY__INIT;
        _cleanup_message_ Version__VersionResponse *reply = NULL;
        _cleanup_(ctr_version_clear) CtrVersion v = {};
        int r;

        r = call_unary(client, &version, &request.base, &reply, error);
        if (r < 0)
                return r;
        v.version = strdup(reply->version);
        v.revision = strdup(reply->revision);
        if (!v.version || !v.revision)
                return error_oom(error);
        (void) ctr_version_parse(v.version, &v.major, &v.minor);
        *ret = TAKE(v, (CtrVersion) {});
        return 0;
}

int ctr_version_check(CtrClient *client, Error *error) {
        _cleanup_(ctr_version_clear) CtrVersion v = {};
        unsigned major, minor;
        int r;

        r = ctr_version_get(client, &v, error);
        if (r < 0)
                return r;
        if (ctr_version_parse(v.version, &major, &minor) < 0)
                return 0;
        if (major < CTR_VERSION_MIN_MAJOR ||
            (major == CTR_VERSION_MIN_MAJOR && minor < CTR_VERSION_MIN_MINOR))
                return error_set(error, ERROR_UNSUPPORTED,
                                 "containerd at %s is version %s, and %u.%u is the oldest that will do",
                                 ctr_client_get_address(client), v.version, CTR_VERSION_MIN_MAJOR,
                                 CTR_VERSION_MIN_MINOR);
        return 0;
}
