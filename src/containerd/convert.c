/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/convert.h"

#include "base/string-util.h"
#include "base/time-util.h"
#include "containerd/message.h"

#define RUNC_OPTIONS_TYPE "containerd.runc.v1.Options"

int read_string(char **ret, const char *s) {
        if (isempty(s))
                return 0;
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

uint64_t read_timestamp(const Pb__Timestamp *timestamp) {
        if (!timestamp || timestamp->seconds < 0 || timestamp->nanos < 0 ||
            (uint64_t) timestamp->seconds > UINT64_MAX / USEC_PER_SEC - 1)
                return 0;
        return (uint64_t) timestamp->seconds * USEC_PER_SEC + (uint64_t) timestamp->nanos / 1000;
}

int read_labels(Pb__Label *const *labels, size_t count, CtrLabels *ret) {
        if (count == 0)
                return 0;
        ret->items = new0(CtrLabel, count);
        if (!ret->items)
                return -ENOMEM;

        for (size_t i = 0; i < count; i++) {
                CtrLabel *label = &ret->items[ret->count++];

                label->key = strdup(labels[i]->key);
                label->value = strdup(labels[i]->value);
                if (!label->key || !label->value)
                        return -ENOMEM;
        }
        return 0;
}

static int read_mount(const Types__Mount *mount, CtrMount *ret) {
        if (read_string(&ret->type, mount->type) < 0 || read_string(&ret->source, mount->source) < 0 ||
            read_string(&ret->target, mount->target) < 0)
                return -ENOMEM;

        ret->options = new0(char *, mount->n_options + 1);
        if (!ret->options)
                return -ENOMEM;
        for (size_t i = 0; i < mount->n_options; i++) {
                ret->options[i] = strdup(mount->options[i]);
                if (!ret->options[i])
                        return -ENOMEM;
        }
        return 0;
}

int read_mounts(Types__Mount *const *mounts, size_t count, CtrMounts *ret) {
        if (count == 0)
                return 0;
        ret->items = new0(CtrMount, count);
        if (!ret->items)
                return -ENOMEM;

        for (size_t i = 0; i < count; i++)
                if (read_mount(mounts[i], &ret->items[ret->count++]) < 0)
                        return -ENOMEM;
        return 0;
}

int read_descriptor(const Types__Descriptor *descriptor, CtrDescriptor *ret) {
        if (!descriptor)
                return 0;
        ret->size = descriptor->size;
        if (read_string(&ret->media_type, descriptor->media_type) < 0 ||
            read_string(&ret->digest, descriptor->digest) < 0)
                return -ENOMEM;
        return read_labels(descriptor->annotations, descriptor->n_annotations, &ret->annotations);
}

/* Memory for `count` pointers, and behind them the structures of `size` bytes that they point to, zeroed. */
static void **pointers_and_items(size_t count, size_t size) {
        void **pointers = calloc(count, sizeof(void *) + size);

        for (size_t i = 0; pointers && i < count; i++)
                pointers[i] = (char *) (pointers + count) + i * size;
        return pointers;
}

int write_labels(const CtrLabels *labels, Pb__Label ***ret, size_t *ret_count) {
        if (!labels || labels->count == 0)
                return 0;
        Pb__Label **written = (Pb__Label **) pointers_and_items(labels->count, sizeof(Pb__Label));
        if (!written)
                return -ENOMEM;

        for (size_t i = 0; i < labels->count; i++) {
                pb__label__init(written[i]);
                written[i]->key = labels->items[i].key;
                written[i]->value = labels->items[i].value;
        }
        *ret = written;
        *ret_count = labels->count;
        return 0;
}

int write_mounts(const CtrMounts *mounts, Types__Mount ***ret, size_t *ret_count) {
        if (!mounts || mounts->count == 0)
                return 0;
        Types__Mount **written = (Types__Mount **) pointers_and_items(mounts->count, sizeof(Types__Mount));
        if (!written)
                return -ENOMEM;

        for (size_t i = 0; i < mounts->count; i++) {
                const CtrMount *mount = &mounts->items[i];

                types__mount__init(written[i]);
                written[i]->type = mount->type;
                written[i]->source = mount->source;
                written[i]->target = mount->target;
                written[i]->options = mount->options;
                written[i]->n_options = strv_length(mount->options);
        }
        *ret = written;
        *ret_count = mounts->count;
        return 0;
}

int write_platforms(const CtrPlatform *platforms, size_t count, Types__Platform ***ret, size_t *ret_count) {
        if (count == 0)
                return 0;
        Types__Platform **written = (Types__Platform **) pointers_and_items(count, sizeof(Types__Platform));
        if (!written)
                return -ENOMEM;

        for (size_t i = 0; i < count; i++) {
                types__platform__init(written[i]);
                written[i]->os = (char *) platforms[i].os;
                written[i]->architecture = (char *) platforms[i].architecture;
                written[i]->variant = (char *) platforms[i].variant;
        }
        *ret = written;
        *ret_count = count;
        return 0;
}

int write_descriptor(const CtrDescriptor *descriptor, Types__Descriptor *ret, Pb__Label ***storage) {
        types__descriptor__init(ret);
        ret->media_type = descriptor->media_type;
        ret->digest = descriptor->digest;
        ret->size = descriptor->size;
        if (write_labels(&descriptor->annotations, storage, &ret->n_annotations) < 0)
                return -ENOMEM;
        ret->annotations = *storage;
        return 0;
}

int write_any(const char *type_url, const ProtobufCMessage *message, Pb__Any *ret) {
        const size_t n = protobuf_c_message_get_packed_size(message);
        uint8_t *data = malloc(MAX(n, (size_t) 1));

        if (!data)
                return -ENOMEM;
        protobuf_c_message_pack(message, data);
        pb__any__init(ret);
        ret->type_url = (char *) type_url;
        ret->value = (ProtobufCBinaryData) { .data = data, .len = n };
        return 0;
}

int write_runc_options(const CtrRuncOptions *options, Pb__Any *ret) {
        Runc__Options message = RUNC__OPTIONS__INIT;

        message.binary_name = options->binary_name;
        message.root = options->root;
        message.shim_cgroup = options->shim_cgroup;
        message.systemd_cgroup = options->systemd_cgroup;
        message.no_pivot_root = options->no_pivot_root;
        message.no_new_keyring = options->no_new_keyring;
        message.io_uid = options->io_uid;
        message.io_gid = options->io_gid;
        return write_any(RUNC_OPTIONS_TYPE, &message.base, ret);
}

bool any_is(const Pb__Any *any, const char *type) {
        const char *slash;

        if (!any || !any->type_url)
                return false;
        if (streq(any->type_url, type))
                return true;
        slash = strrchr(any->type_url, '/');
        return slash && streq(slash + 1, type);
}

int read_runc_options(const Pb__Any *any, CtrRuncOptions *ret, Error *error) {
        _cleanup_message_ Runc__Options *message = NULL;
        int r;

        if (!any_is(any, RUNC_OPTIONS_TYPE))
                return 0;
        r = message_unpack(&runc__options__descriptor, any->value.data, any->value.len, &message, error);
        if (r < 0)
                return r;

        *ret = (CtrRuncOptions) {
                .systemd_cgroup = message->systemd_cgroup,
                .no_pivot_root = message->no_pivot_root,
                .no_new_keyring = message->no_new_keyring,
                .io_uid = message->io_uid,
                .io_gid = message->io_gid,
        };
        if (read_string(&ret->binary_name, message->binary_name) < 0 ||
            read_string(&ret->root, message->root) < 0 ||
            read_string(&ret->shim_cgroup, message->shim_cgroup) < 0) {
                ctr_runc_options_clear(ret);
                return error_oom(error);
        }
        return 1;
}
