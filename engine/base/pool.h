#ifndef VIV_BASE_POOL_H
#define VIV_BASE_POOL_H

#include "base/bytes.h"

/* Items of one size in an array that grows; an item's index never changes, its address may when another is taken.
 * Freed items are used again, the last one first. Does not know what the items own. */

#define VIV_POOL_NONE UINT32_MAX

struct viv_pool {
    uint8_t *items;
    size_t item_bytes;
    uint32_t used, capacity; /* indexes below `used` have been handed out at some time */
    uint32_t free, live;
};

void viv_pool_init(struct viv_pool *pool, size_t item_bytes); /* at least 4 */
void viv_pool_fini(struct viv_pool *pool);
/* Returns the index of a zeroed item. */
uint32_t viv_pool_take(struct viv_pool *pool);
/* The first four bytes of a free item are the pool's. */
void viv_pool_give(struct viv_pool *pool, uint32_t index);
void *viv_pool_at(const struct viv_pool *pool, uint32_t index);

#endif /* VIV_BASE_POOL_H */
