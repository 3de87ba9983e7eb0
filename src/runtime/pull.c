/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/pull.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/string-util.h"
#include "containerd/transfer.h"
#include "runtime/credentials.h"

/* Where containerd, 2.0 and later, is told of mirrors, certificates and registries without TLS: hosts.toml.
 */
#define REGISTRY_HOST_DIR "/etc/containerd/certs.d"

/* 1 when the image is there whole, 0 when it must be pulled. */
static int use_local(Runtime *runtime, const char *name, const Platform *platform, Image *ret,
                     Digest *ret_chain, Error *error) {
        _cleanup_(image_clear) Image image = {};
        _cleanup_(error_clear) Error e = {};
        int r;

        r = image_store_find(runtime, name, platform, &image, &e);
        if (r >= 0)
                r = image_unpack(runtime, &image, ret_chain, &e);
        if (r == -ENOENT || r == -EOPNOTSUPP) /* absent, incomplete, or there for other platforms */
                return 0;
        if (r < 0) {
                error_move(error, &e);
                return r;
        }
        *ret = image;
        image = (Image) {};
        return 1;
}

static bool is_loopback(const char *domain) {
        size_t host = domain[0] == '[' ? strcspn(domain, "]") + 1 : strcspn(domain, ":");

        return (host == strlen("localhost") && startswith(domain, "localhost")) ||
               startswith(domain, "127.") || startswith(domain, "[::1]");
}

static void log_progress(const CtrProgress *progress, void *userdata) {
        log_debug("Pulling %s: %s %s", (const char *) userdata, progress->event, progress->name);
}

/* What lies between containerd and the registry reaches us as an error of no kind. */
static int explain(Error *error, int r) {
        if (r != -EIO)
                return r;
        if (strstr(error_message(error), "dial tcp"))
                return error_recode(error, ERROR_UNAVAILABLE);
        if (strstr(error_message(error), "HTTP response to HTTPS client"))
                return error_prefix(
                        error, error_recode(error, ERROR_UNSUPPORTED),
                        "the registry is without TLS, which containerd before 2.0 does not speak");
        return r;
}

/* Registries on this machine may be without TLS, as for docker, where containerd can be told so. */
static int pull_from(Runtime *runtime, CtrPull *pull, const char *domain, Error *error) {
        int r;

        r = ctr_pull(runtime->client, pull, error);
        if (r != -EIO || !is_loopback(domain) ||
            !strstr(error_message(error), "HTTP response to HTTPS client"))
                return r;
        error_clear(error);
        pull->default_scheme = "http";
        return ctr_pull(runtime->client, pull, error);
}

static int find_credentials(const char *host, const char *reference, CtrCredentials *ret, void *userdata,
                            Error *error) {
        int r = credentials_find(host, ret, error);

        return MIN(r, 0);
}

int image_pull(Runtime *runtime, const Reference *reference, const Platform *platform, Image *ret,
               Digest *ret_chain, Error *error) {
        int r;

        r = use_local(runtime, reference->canonical, platform, ret, ret_chain, error);
        if (r != 0)
                return MIN(r, 0);

        CtrPlatform wanted = {
                .os = platform->os,
                .architecture = platform->architecture,
                .variant = platform->variant[0] ? platform->variant : NULL,
        };
        CtrPull pull = {
                .reference = reference->canonical,
                .platforms = &wanted,
                .platform_count = 1,
                .host_dir = access(REGISTRY_HOST_DIR, F_OK) >= 0 ? REGISTRY_HOST_DIR : NULL,
                .progress = log_progress,
                .credentials = find_credentials,
                .userdata = reference->canonical,
        };
        log_info("Pulling %s", reference->canonical);
        r = pull_from(runtime, &pull, reference->domain, error);
        if (r < 0)
                return error_prefix(error, explain(error, r), "pull %s", reference->canonical);
        r = image_store_find(runtime, reference->canonical, platform, ret, error);
        if (r < 0)
                return r;
        r = image_unpack(runtime, ret, ret_chain, error);
        if (r < 0)
                image_clear(ret);
        return r;
}
