/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/verbs.h"

#include <limits.h>

const Verb verbs[] = {
        { "status", "", "show the daemon's state", 0, 0, 0, verb_status },
        { "list", "", "show the containers", 0, 0, 0, verb_list },
        { "images", "", "show the images", 0, 0, 0, verb_images },
        { "jobs", "", "show the commands that are waiting or under way", 0, 0, 0, verb_jobs },
        { "build", "[RECIPE]", "build an image from a recipe, a file or standard input", 0, 1, VERB_BUILDS,
          verb_build },
        { "import", "REF VERSION PATH", "take an image archive in, as REF:VERSION", 3, 3, 0, verb_import },
        { "start", "REF VERSION [ID]", "start a container of an image, unless it runs", 2, 3, 0, verb_start },
        { "destroy-image", "REF VERSION", "remove an image and its containers", 2, 2, 0, verb_destroy_image },
        { "stop", "ID", "stop a container, and keep it", 1, 1, 0, verb_stop },
        { "destroy", "ID", "remove a container, running or not", 1, 1, 0, verb_destroy },
        { "state", "ID", "show whether a container runs", 1, 1, 0, verb_state },
        { "exec", "ID [--] COMMAND…", "execute a command in a container", 2, ARGUMENTS_ANY,
          VERB_REST | VERB_EXEC, verb_exec },
        { "update", "ID REF VERSION PATH", "import an archive and let a container run it", 4, 4, 0,
          verb_update },
        { "log", "ID [OPTION…]", "show a container's output, by journalctl", 1, ARGUMENTS_ANY, VERB_REST,
          verb_log },
};

const size_t n_verbs = ELEMENTSOF(verbs);

const Verb *verb_find(const char *name) {
        for (size_t i = 0; i < n_verbs; i++)
                if (streq(verbs[i].name, name))
                        return &verbs[i];
        return NULL;
}
