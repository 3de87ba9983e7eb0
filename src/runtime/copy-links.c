/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "runtime/copy-internal.h"

/* A hash table with open addressing, at most half full. */
typedef struct Link {
        CopyInode source, copy;
        char *path; /* owned; NULL: free */
} Link;

struct CopyLinks {
        Link *slots;
        size_t n_slots, n_used; /* a power of two, or 0 */
};

#define SLOTS_MIN 64

CopyLinks *copy_links_new(void) {
        return new0(CopyLinks, 1);
}

CopyLinks *copy_links_free(CopyLinks *links) {
        if (!links)
                return NULL;
        for (size_t i = 0; i < links->n_slots; i++)
                free(links->slots[i].path);
        free(links->slots);
        return mfree(links);
}

/* The slot of an inode, or the free one where it belongs. */
static Link *find_slot(Link *slots, size_t n_slots, CopyInode source) {
        uint64_t hash = (source.inode ^ ((uint64_t) source.device << 32)) * UINT64_C(0x9e3779b97f4a7c15);
        size_t i = (size_t) (hash >> 32) & (n_slots - 1);

        while (slots[i].path && !copy_inode_equal(slots[i].source, source))
                i = (i + 1) & (n_slots - 1);
        return &slots[i];
}

static int grow(CopyLinks *links) {
        size_t n_slots = links->n_slots > 0 ? 2 * links->n_slots : SLOTS_MIN;
        Link *slots = new0(Link, n_slots);

        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < links->n_slots; i++)
                if (links->slots[i].path)
                        *find_slot(slots, n_slots, links->slots[i].source) = links->slots[i];
        free(links->slots);
        links->slots = slots;
        links->n_slots = n_slots;
        return 0;
}

const char *copy_links_find(const CopyLinks *links, CopyInode source, CopyInode *ret_copy) {
        if (links->n_slots == 0)
                return NULL;

        const Link *slot = find_slot(links->slots, links->n_slots, source);
        if (slot->path)
                *ret_copy = slot->copy;
        return slot->path;
}

int copy_links_add(CopyLinks *links, CopyInode source, CopyInode copy, const char *path) {
        if (2 * (links->n_used + 1) > links->n_slots && grow(links) < 0)
                return -ENOMEM;

        char *duplicate = strdup(path);
        if (!duplicate)
                return -ENOMEM;

        Link *slot = find_slot(links->slots, links->n_slots, source);
        if (!slot->path)
                links->n_used++;
        free(slot->path);
        *slot = (Link) { .source = source, .copy = copy, .path = duplicate };
        return 0;
}
