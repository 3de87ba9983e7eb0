/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container-exit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/string-util.h"

/* A 64-bit number in decimal. */
#define NUMBER_MAX 24

bool container_is_service(const Runtime *runtime, const CtrLabels *labels) {
        const char *instance = ctr_labels_get(labels, LABEL_INSTANCE);

        return instance && streq(instance, runtime->instance) && !ctr_labels_get(labels, LABEL_OWNER);
}

bool container_read_exit(const CtrLabels *labels, CtrExit *ret) {
        const char *code_text = ctr_labels_get(labels, LABEL_EXIT_CODE),
                   *time_text = ctr_labels_get(labels, LABEL_EXIT_TIME);
        uint64_t code, usec;

        if (!code_text || !time_text || parse_uint64(code_text, &code) < 0 || code > UINT32_MAX ||
            parse_uint64(time_text, &usec) < 0)
                return false;
        *ret = (CtrExit) { .status = (uint32_t) code, .exited_usec = usec };
        return true;
}

/* All labels are replaced: those that are not about the exit stay, then come these. */
static int write_labels(Runtime *runtime, const CtrContainer *container, const CtrExit *end, Error *error) {
        _cleanup_(ctr_labels_clear) CtrLabels labels = {};
        char code[NUMBER_MAX], usec[NUMBER_MAX];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < container->labels.count; i++) {
                const CtrLabel *label = &container->labels.items[i];

                if (!streq(label->key, LABEL_EXIT_CODE) && !streq(label->key, LABEL_EXIT_TIME))
                        r = ctr_labels_set(&labels, label->key, label->value);
        }
        if (r >= 0 && end) {
                snprintf(code, sizeof(code), "%" PRIu32, end->status);
                snprintf(usec, sizeof(usec), "%" PRIu64, end->exited_usec);
                r = ctr_labels_set(&labels, LABEL_EXIT_CODE, code);
        }
        if (r >= 0 && end)
                r = ctr_labels_set(&labels, LABEL_EXIT_TIME, usec);
        if (r < 0)
                return error_oom(error);
        return ctr_container_update(runtime->client,
                                    &(CtrContainer) { .id = container->id, .labels = labels },
                                    CTR_CONTAINER_LABELS, error);
}

int container_note_exit(Runtime *runtime, const CtrContainer *container, const CtrExit *end, Error *error) {
        return write_labels(runtime, container, end, error);
}

void container_note_end(Runtime *runtime, const char *id, const CtrExit *end) {
        _cleanup_(ctr_container_clear) CtrContainer container = {};
        _cleanup_(error_clear) Error e = {};
        CTR_SHIELD();

        int r = ctr_container_get(runtime->client, id, &container, &e);
        if (r >= 0 && container_is_service(runtime, &container.labels))
                r = container_note_exit(runtime, &container, end, &e);
        if (r < 0 && r != -ENOENT)
                log_warning("Failed to note how container %s ended, ignoring: %s", id, error_message(&e));
}

void container_forget_exit(Runtime *runtime, const CtrContainer *container) {
        _cleanup_(error_clear) Error e = {};

        if (!ctr_labels_get(&container->labels, LABEL_EXIT_CODE) &&
            !ctr_labels_get(&container->labels, LABEL_EXIT_TIME))
                return;
        CTR_SHIELD();
        if (write_labels(runtime, container, NULL, &e) < 0)
                log_warning("Failed to take the labels of its last end off container %s, ignoring: %s",
                            container->id, error_message(&e));
}
