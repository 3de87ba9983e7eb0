/* SPDX-License-Identifier: Apache-2.0 */
#include "containerd/content-data.h"

#define FIELD_DATA 2

/* How a field's value is written. */
typedef enum Wire {
        WIRE_VARINT = 0,
        WIRE_FIXED64 = 1,
        WIRE_BYTES = 2,
        WIRE_FIXED32 = 5,
} Wire;

typedef struct Reader {
        const uint8_t *at;
        size_t left;
} Reader;

static int read_varint(Reader *reader, uint64_t *ret) {
        uint64_t value = 0;

        for (unsigned shift = 0; shift < 64; shift += 7) {
                if (reader->left == 0)
                        return -EBADMSG;
                const uint8_t byte = *reader->at++;
                reader->left--;
                value |= (uint64_t) (byte & 0x7f) << shift;
                if (!(byte & 0x80)) {
                        *ret = value;
                        return 0;
                }
        }
        return -EBADMSG;
}

static int skip(Reader *reader, uint64_t n) {
        if (n > reader->left)
                return -EBADMSG;
        reader->at += n;
        reader->left -= n;
        return 0;
}

int content_data_find(const uint8_t *message, size_t n, const uint8_t **ret, size_t *ret_n) {
        Reader reader = { message, n };
        const uint8_t *data = message;
        size_t data_n = 0;

        while (reader.left > 0) {
                uint64_t key, value;
                int r = read_varint(&reader, &key);

                if (r < 0)
                        return r;
                switch (key & 7) {
                case WIRE_VARINT:
                        r = read_varint(&reader, &value);
                        break;
                case WIRE_FIXED64:
                        r = skip(&reader, 8);
                        break;
                case WIRE_FIXED32:
                        r = skip(&reader, 4);
                        break;
                case WIRE_BYTES:
                        r = read_varint(&reader, &value);
                        if (r < 0)
                                return r;
                        if (key >> 3 == FIELD_DATA) {
                                data = reader.at;
                                data_n = value;
                        }
                        r = skip(&reader, value);
                        break;
                default:
                        r = -EBADMSG;
                }
                if (r < 0)
                        return r;
        }
        *ret = data;
        *ret_n = data_n;
        return 0;
}
