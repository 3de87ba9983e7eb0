/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd.services.transfer.v1: images out of registries, fetched and unpacked by containerd itself. */

#include "containerd/client.h"
#include "containerd/types.h"

/* One line of what a transfer is doing. Borrowed, during the callback. */
typedef struct CtrProgress {
        const char *event; /* "waiting", "downloading", "complete", "extracting", "saved", "Resolved …" */
        const char *name;  /* what it is about, as "layer-sha256:…"; may be "" */
        int64_t done;      /* bytes */
        int64_t total;     /* 0 where not known */
} CtrProgress;

typedef void (*CtrProgressCallback)(const CtrProgress *progress, void *userdata);

/* Owned. A user name and password, or an identity token: then the user name is NULL. Both NULL is anonymous.
 */
typedef struct CtrCredentials {
        char *username, *secret;
} CtrCredentials;

/* Wipes and frees. */
void ctr_credentials_clear(CtrCredentials *credentials);

/* Asked when a registry wants to know who is there, several times perhaps. A negative value (with the error
 * filled in) ends the transfer and is its result. */
typedef int (*CtrCredentialsCallback)(const char *host, const char *reference, CtrCredentials *ret,
                                      void *userdata, Error *error);

typedef struct CtrPull {
        const char *reference; /* whole: "docker.io/library/alpine:latest" */
        const char *name;      /* of the image; NULL: the reference */
        const CtrLabels *labels;

        /* What is fetched; none means all that the image has. */
        const CtrPlatform *platforms;
        size_t platform_count;

        /* Unpack these platforms into the snapshotter, NULL for containerd's default. A platform and
         * snapshotter that containerd's transfer plugin is not configured for are fetched and, without a
         * word, not unpacked. */
        bool unpack;
        const char *snapshotter;

        /* Registry configuration; containerd before 2.0 knows neither and goes by TLS and its own defaults.
         */
        const char *host_dir;       /* "/etc/containerd/certs.d", or NULL */
        const char *default_scheme; /* "http" for registries without TLS, or NULL */

        /* Both may be NULL. They are called by the thread that called ctr_pull(), and may not use what they
         * are given afterwards. */
        CtrProgressCallback progress;
        CtrCredentialsCallback credentials;
        void *userdata;
} CtrPull;

/* Pulls. Existing content is not fetched again, an existing image of the name is replaced. ERROR_NOT_FOUND
 * for a reference that the registry does not have, ERROR_PERMISSION_DENIED where it lets nobody in with these
 * credentials, mostly ERROR_INTERNAL for its other complaints. No deadline. Cancelled, it leaves what was
 * fetched as ingests and to the garbage collector. */
int ctr_pull(CtrClient *client, const CtrPull *pull, Error *error);
