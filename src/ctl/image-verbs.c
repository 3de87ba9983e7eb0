/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "ctl/build-request.h"
#include "ctl/call.h"

/* An archive's path, for the daemon. */
static char *archive_path(const char *path) {
        _cleanup_free_ char *directory = getcwd(NULL, 0);

        return directory ? path_make_absolute(directory, path) : NULL;
}

int verb_import(const Options *options, Error *error) {
        char **arguments = options->arguments;
        _cleanup_free_ char *path = archive_path(arguments[2]);

        if (!path)
                return error_set_errno(error, errno, "%s", arguments[2]);
        return call_simple(options, error, COMMAND_IMAGE_IMPORT, "ref", arguments[0], "version", arguments[1],
                           "path", path, NULL);
}

int verb_start(const Options *options, Error *error) {
        char **arguments = options->arguments;

        return call_simple(options, error, COMMAND_IMAGE_START, "ref", arguments[0], "version", arguments[1],
                           "id", arguments[2], NULL);
}

int verb_destroy_image(const Options *options, Error *error) {
        char **arguments = options->arguments;

        return call_simple(options, error, COMMAND_IMAGE_DESTROY, "ref", arguments[0], "version",
                           arguments[1], NULL);
}

int verb_update(const Options *options, Error *error) {
        char **arguments = options->arguments;
        _cleanup_free_ char *path = archive_path(arguments[3]);

        if (!path)
                return error_set_errno(error, errno, "%s", arguments[3]);
        return call_simple(options, error, COMMAND_CONTAINER_UPDATE, "id", arguments[0], "ref", arguments[1],
                           "version", arguments[2], "path", path, NULL);
}
