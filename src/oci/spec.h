/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The OCI runtime specification's config.json of our containers, written from a struct of inputs. Nothing of
 * an image reaches it but what is named here: no label, no annotation, no volume of an image config. */

#include "base/buffer.h"
#include "base/error.h"
#include "oci/user.h"

#define SPEC_VERSION "1.3.0"
#define SPEC_SIZE_MAX MIB(4)
#define SPEC_DEPTH_MAX 32

/* What the kernel executes a program with, execve(2): the bytes of one argument or variable (MAX_ARG_STRLEN),
 * and of all with their pointers, below a stack of the usual 8 MiB. */
#define SPEC_STRING_MAX ((size_t) KIB(128))
#define SPEC_STRINGS_MAX ((size_t) MIB(2))

/* The PATH of an image that sets none. */
#define SPEC_DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct SpecMount {
        const char *destination;
        const char *type;
        const char *source;
        const char *const *options; /* NULL-terminated */
} SpecMount;

typedef struct SpecAnnotation {
        const char *name;
        const char *value;
} SpecAnnotation;

/* All borrowed. Zero is the default of each but args, cgroups_path and user. */
typedef struct SpecInputs {
        char *const *args; /* at least one */
        char *const *env;  /* empty: SPEC_DEFAULT_PATH */
        const char *cwd;   /* absolute; NULL: "/" */
        const ImageUser *user;
        const char *cgroups_path; /* "/cruxd/ID", or "SLICE:cruxd:ID" with the systemd driver */
        const char *hostname;     /* NULL: the runtime leaves the host's */
        bool no_resolv_conf;      /* without the bind of the host's /etc/resolv.conf */
        const SpecMount *mounts;  /* after the default ones */
        size_t n_mounts;
        const SpecAnnotation
                *annotations; /* ours, never an image's: "org.systemd.property.TimeoutStopUSec" … */
        size_t n_annotations;
} SpecInputs;

/* Appends the spec as JSON. ERROR_INVALID_ARGUMENT for inputs that no runtime would take (no args, a relative
 * cwd) and the kernel would not execute (too long). An environment entry without a name or '=' is left out,
 * as runtimes refuse it and images have it. */
int spec_write(const SpecInputs *inputs, Buffer *ret, Error *error);

/* Destinations of the default mounts, NULL-terminated, and that of the resolv.conf bind: the mount points
 * that a runtime makes where an image lacks them. */
extern const char *const spec_default_mount_points[];
#define SPEC_RESOLV_CONF "/etc/resolv.conf"

/* What an exec differs in from the container's own process. NULL members are the container's. */
typedef struct SpecExec {
        char *const *args; /* at least one */
        char *const *env;  /* the whole of it */
        const char *cwd;
        bool terminal;
} SpecExec;

/* Appends the Process of an exec, made from the text of a container's spec. ERROR_INVALID_ARGUMENT for a spec
 * without a process and the inputs that spec_write() refuses. */
int spec_write_exec(const char *spec, size_t length, const SpecExec *exec, Buffer *ret, Error *error);
