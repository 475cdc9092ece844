#ifndef VIV_TREE_BLOB_H
#define VIV_TREE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An arena for byte strings (a node's name and data): a u32 reference counts units of 8 bytes over pages of 256 KiB,
 * so that 32 GiB can be addressed. Sizes are rounded to a class: steps of 8 bytes to 512, of 64 to 4 KiB, of an eighth
 * to 32 KiB; longer strings have a page of their own. Freed blocks wait in a list per class; a block of a larger class
 * is cut up before a new page is opened. Addresses are stable. The owner remembers the size. */

enum { VIV_BLOB_CLASSES = 144, VIV_BLOB_PAGE_SHIFT = 18, VIV_BLOB_UNIT_SHIFT = 3 };

struct viv_blobs {
    uint8_t **pages; /* page 0 is not used: reference 0 means no bytes */
    uint32_t page_count, page_capacity;
    uint32_t free_page; /* head of the list of page numbers given back by long strings, linked through spare */
    uint32_t *spare;    /* per page: next free page number */
    uint32_t current;   /* page being filled */
    uint32_t current_bytes;
    uint32_t free_first[VIV_BLOB_CLASSES];
    uint64_t memory_bytes;
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
    return blobs->pages[ref >> UNITS_SHIFT] + ((size_t)(ref & ((1U << UNITS_SHIFT) - 1)) << VIV_BLOB_UNIT_SHIFT);
}

#endif /* VIV_TREE_BLOB_H */
