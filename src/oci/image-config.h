/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image's configuration (OCI image specification, "OCI Image Configuration"): read, and edited in place so
 * that members unknown to us survive into the output image. The fields mirror the document; the editing
 * functions keep both in step. */

#include <stdint.h>

#include "base/buffer.h"
#include "base/json.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/platform.h"

#define CONFIG_STRINGS_MAX 4096 /* entries of env, entrypoint, cmd, each */

typedef struct ImageConfig {
        json_object *document; /* owned: the whole of it */
        Platform platform;     /* not set where the document has no os or architecture */
        char **env;            /* "NAME=value"; owned, as all below; NULL where absent */
        char **entrypoint;
        char **cmd;
        char *workdir;     /* NULL where absent or empty */
        char *user;        /* NULL where absent or empty */
        char *stop_signal; /* NULL where absent or empty */
        Digest *diff_ids;
        size_t n_diff_ids;
} ImageConfig;

/* Labels and annotations are in the document alone: nothing of ours acts on them. ERROR_INVALID_ARGUMENT. */
int image_config_parse(const char *text, size_t length, ImageConfig *ret, Error *error);

/* Each edit: 0 or -ENOMEM, and then the config is good for nothing but image_config_clear(). NULL or an empty
 * array removes the member. */
int image_config_set_env(ImageConfig *config, char *const *env);
int image_config_set_workdir(ImageConfig *config, const char *workdir);

/* Also removes Cmd, which would be arguments to an entrypoint that is gone. */
int image_config_set_entrypoint(ImageConfig *config, char *const *entrypoint);

/* Puts a layer on top: its diff id and its entry of the history. `created_usec` is wall-clock time in
 * microseconds; it becomes the image's creation time too. `created_by` may be NULL. A history that does not
 * fit the layers of the base is dropped rather than continued wrongly. */
int image_config_append_layer(ImageConfig *config, const Digest *diff_id, uint64_t created_usec,
                              const char *created_by);

/* An entry of the history that has no layer (an image whose settings alone were changed). */
int image_config_append_empty(ImageConfig *config, uint64_t created_usec, const char *created_by);

/* Appends the document's text. -ENOMEM. */
int image_config_write(const ImageConfig *config, Buffer *buffer);

void image_config_clear(ImageConfig *config);

/* The argument vector of a container: entrypoint, then cmd; or NULL without memory. */
char **image_config_args(const ImageConfig *config);

/* Puts "NAME=value" into an environment, in place of the same NAME or behind the rest. -ENOMEM. */
int env_put(char ***env, const char *assignment);
