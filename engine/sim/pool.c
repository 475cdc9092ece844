#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/replica.h"

static size_t slot_of(const struct viv_sim_pool *pool, uint64_t zxid, uint32_t crc)
{
    return (size_t)viv_mix64(zxid ^ (uint64_t)crc << 32) & (pool->slot_count - 1);
}

static void grow(struct viv_sim_pool *pool)
{
    pool->capacity = pool->capacity == 0 ? 256 : pool->capacity * 2;
    pool->entries = viv_realloc(pool->entries, pool->capacity * sizeof *pool->entries);
    free(pool->slots);
    pool->slot_count = pool->capacity * 2;
    pool->slots = viv_alloc_zeroed(pool->slot_count, sizeof *pool->slots);
    for (size_t i = 1; i <= pool->count; i++) {
        size_t slot = slot_of(pool, pool->entries[i].zxid, pool->entries[i].crc);
        while (pool->slots[slot] != 0) {
            slot = (slot + 1) & (pool->slot_count - 1);
        }
        pool->slots[slot] = (uint32_t)i;
    }
}

/* Of a damaged one what its identifier says. */
static bool is_same(const struct viv_sim_entry *known, const struct viv_entry *entry)
{
    return viv_entry_is_damaged(entry) ? known->crc == entry->body_crc && known->body.size == entry->body.size
                                       : viv_bytes_equal(known->body, entry->body);
}

uint32_t viv_sim_pool_number(struct viv_sim_pool *pool, const struct viv_entry *entry)
{
    if (pool->count + 2 >= pool->capacity) {
        grow(pool);
    }
    size_t slot = slot_of(pool, entry->zxid, entry->body_crc);
    for (; pool->slots[slot] != 0; slot = (slot + 1) & (pool->slot_count - 1)) {
        const struct viv_sim_entry *known = &pool->entries[pool->slots[slot]];
        if (known->zxid == entry->zxid && is_same(known, entry)) {
            return pool->slots[slot];
        }
    }
    VIV_ASSERT(!viv_entry_is_damaged(entry)); /* it was whole once */
    uint8_t *body = viv_alloc(entry->body.size + 1);
    memcpy(body, entry->body.data, entry->body.size);
    pool->entries[++pool->count] =
        (struct viv_sim_entry){entry->zxid, entry->body_crc, viv_bytes_of(body, entry->body.size)};
    pool->slots[slot] = (uint32_t)pool->count;
    return (uint32_t)pool->count;
}

void viv_sim_pool_fini(struct viv_sim_pool *pool)
{
    for (size_t i = 1; i <= pool->count; i++) {
        free((void *)(uintptr_t)pool->entries[i].body.data);
    }
    free(pool->entries);
    free(pool->slots);
    *pool = (struct viv_sim_pool){0};
}

void viv_sim_numbers_add(struct viv_sim_numbers *numbers, uint32_t number)
{
    if (numbers->count == numbers->capacity) {
        numbers->capacity = numbers->capacity == 0 ? 64 : numbers->capacity * 2;
        numbers->items = viv_realloc(numbers->items, numbers->capacity * sizeof *numbers->items);
    }
    numbers->items[numbers->count++] = number;
}
