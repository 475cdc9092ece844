#ifndef VIV_TREE_BLOB_H
#define VIV_TREE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

/* An arena for byte strings (a node's name and data): a u32 reference counts units of 8 bytes over pages of 256 KiB,
 * 30 GiB in all. Sizes are rounded to a class: steps of 8 bytes to 512, of 64 to 4 KiB, of an eighth to 32 KiB; longer
 * strings are kept apart, behind references of their own range. Freed blocks wait in a list per class; a block of a
 * larger class is cut up before a new page is opened. Addresses are stable. The owner remembers the size. */

enum { VIV_BLOB_CLASSES = 144, VIV_BLOB_PAGE_SHIFT = 18, VIV_BLOB_UNIT_SHIFT = 3 };
#define VIV_BLOB_LONG_FIRST 0xf0000000U /* references from here on are indexes of long strings */

struct viv_blob_long {
    uint32_t free_link; /* the pool's */
    bool used;
    uint8_t *bytes;
};

struct viv_blobs {
    uint8_t **pages; /* page 0 is not used: reference 0 means no bytes */
    uint32_t page_count, page_capacity;
    uint32_t current_bytes; /* taken from the last page */
    uint32_t free_first[VIV_BLOB_CLASSES];
    struct viv_pool longs;
    uint64_t memory_bytes;
    uint64_t free_bytes; /* of memory_bytes, waiting in the lists */
};

void viv_blobs_init(struct viv_blobs *blobs);
void viv_blobs_fini(struct viv_blobs *blobs);
/* 0 for size 0. */
uint32_t viv_blob_alloc(struct viv_blobs *blobs, size_t size);
void viv_blob_free(struct viv_blobs *blobs, uint32_t ref, size_t size);
/* True when both sizes need blocks of the same length, so that one can be rewritten in place. */
bool viv_blob_same_class(size_t a, size_t b);

static inline uint8_t *viv_blob_at(const struct viv_blobs *blobs, uint32_t ref)
{
    enum { UNITS_SHIFT = VIV_BLOB_PAGE_SHIFT - VIV_BLOB_UNIT_SHIFT };
    if (ref >= VIV_BLOB_LONG_FIRST) {
        return ((const struct viv_blob_long *)viv_pool_at(&blobs->longs, ref - VIV_BLOB_LONG_FIRST))->bytes;
    }
    return blobs->pages[ref >> UNITS_SHIFT] + ((size_t)(ref & ((1U << UNITS_SHIFT) - 1)) << VIV_BLOB_UNIT_SHIFT);
}

#endif /* VIV_TREE_BLOB_H */
