#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { ITEMS_MIN = 16 };

void viv_pool_init(struct viv_pool *pool, size_t item_bytes)
{
    VIV_ASSERT(item_bytes >= sizeof pool->free);
    *pool = (struct viv_pool){.item_bytes = item_bytes, .free = VIV_POOL_NONE};
}

void viv_pool_fini(struct viv_pool *pool)
{
    free(pool->items);
    viv_pool_init(pool, pool->item_bytes);
}

void *viv_pool_at(const struct viv_pool *pool, uint32_t index)
{
    VIV_ASSERT(index < pool->used);
    return pool->items + (size_t)index * pool->item_bytes;
}

uint32_t viv_pool_take(struct viv_pool *pool)
{
    uint32_t index = pool->free;
    if (index != VIV_POOL_NONE) {
        memcpy(&pool->free, viv_pool_at(pool, index), sizeof pool->free);
    } else {
        VIV_ASSERT(pool->used < VIV_POOL_NONE);
        if (pool->used == pool->capacity) {
            pool->capacity = pool->capacity == 0 ? ITEMS_MIN : pool->capacity * 2;
            pool->items = viv_realloc(pool->items, pool->capacity * pool->item_bytes);
        }
        index = pool->used++;
    }
    memset(viv_pool_at(pool, index), 0, pool->item_bytes);
    pool->live++;
    return index;
}

void viv_pool_give(struct viv_pool *pool, uint32_t index)
{
    VIV_ASSERT(pool->live > 0);
    memcpy(viv_pool_at(pool, index), &pool->free, sizeof pool->free);
    pool->free = index;
    pool->live--;
}
