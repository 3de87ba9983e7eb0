/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/types.h"

#include "base/string-util.h"
#include "containerd/runc-options.h"

static CtrLabel *find(const CtrLabels *labels, const char *key) {
        for (size_t i = 0; labels && i < labels->count; i++)
                if (streq(labels->items[i].key, key))
                        return &labels->items[i];
        return NULL;
}

const char *ctr_labels_get(const CtrLabels *labels, const char *key) {
        const CtrLabel *label = find(labels, key);
        return label ? label->value : NULL;
}

int ctr_labels_set(CtrLabels *labels, const char *key, const char *value) {
        _cleanup_free_ char *k = strdup(key), *v = strdup(value);
        CtrLabel *label = find(labels, key);

        if (!k || !v)
                return -ENOMEM;
        if (label) {
                free(label->value);
                label->value = TAKE_PTR(v);
                return 0;
        }

        CtrLabel *grown = reallocarray(labels->items, labels->count + 1, sizeof(CtrLabel));
        if (!grown)
                return -ENOMEM;
        grown[labels->count++] = (CtrLabel) { .key = TAKE_PTR(k), .value = TAKE_PTR(v) };
        labels->items = grown;
        return 0;
}

void ctr_labels_clear(CtrLabels *labels) {
        for (size_t i = 0; i < labels->count; i++) {
                free(labels->items[i].key);
                free(labels->items[i].value);
        }
        free(labels->items);
        *labels = (CtrLabels) {};
}

void ctr_mounts_clear(CtrMounts *mounts) {
        for (size_t i = 0; i < mounts->count; i++) {
                CtrMount *mount = &mounts->items[i];

                free(mount->type);
                free(mount->source);
                free(mount->target);
                strv_free(mount->options);
        }
        free(mounts->items);
        *mounts = (CtrMounts) {};
}

void ctr_descriptor_clear(CtrDescriptor *descriptor) {
        free(descriptor->media_type);
        free(descriptor->digest);
        ctr_labels_clear(&descriptor->annotations);
        *descriptor = (CtrDescriptor) {};
}

void ctr_runc_options_clear(CtrRuncOptions *options) {
        free(options->binary_name);
        free(options->root);
        free(options->shim_cgroup);
        *options = (CtrRuncOptions) {};
}
