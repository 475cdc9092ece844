#include "base/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"

enum { CAPACITY_MIN = 16 };

uint32_t viv_lookup_hash(struct viv_bytes key)
{
    return (uint32_t)XXH3_64bits(key.data, key.size);
}

static void fill_free(struct viv_lookup *lookup)
{
    memset(lookup->slots, 0xff, (size_t)lookup->capacity * sizeof lookup->slots[0]);
    lookup->count = 0;
}

void viv_lookup_fini(struct viv_lookup *lookup)
{
    free(lookup->slots);
    *lookup = (struct viv_lookup){0};
}

static void place(struct viv_lookup *lookup, uint32_t hash, uint32_t item)
{
    uint32_t at = hash & (lookup->capacity - 1);
    while (lookup->slots[at].item != VIV_LOOKUP_NONE) {
        at = (at + 1) & (lookup->capacity - 1);
    }
    lookup->slots[at] = (struct viv_lookup_slot){hash, item};
    lookup->count++;
}

static void grow(struct viv_lookup *lookup)
{
    struct viv_lookup old = *lookup;

    VIV_ASSERT(old.capacity <= UINT32_MAX / 4);
    lookup->capacity = old.capacity == 0 ? CAPACITY_MIN : old.capacity * 2;
    lookup->slots = viv_alloc((size_t)lookup->capacity * sizeof lookup->slots[0]);
    fill_free(lookup);
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].item != VIV_LOOKUP_NONE) {
            place(lookup, old.slots[i].hash, old.slots[i].item);
        }
    }
    VIV_ASSERT(lookup->count == old.count);
    free(old.slots);
}

void viv_lookup_add(struct viv_lookup *lookup, uint32_t hash, uint32_t item)
{
    VIV_ASSERT(item != VIV_LOOKUP_NONE);
    /* At most three quarters full: probes stay short and always meet a free slot. */
    if (lookup->count >= lookup->capacity / 4 * 3) {
        grow(lookup);
    }
    place(lookup, hash, item);
}

/* Moves later members of the run into the gap, so that no run is ever broken. */
static void close_gap(struct viv_lookup *lookup, uint32_t gap)
{
    uint32_t mask = lookup->capacity - 1;
    uint32_t at = (gap + 1) & mask;
    while (lookup->slots[at].item != VIV_LOOKUP_NONE) {
        uint32_t home = lookup->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            lookup->slots[gap] = lookup->slots[at];
            gap = at;
        }
        at = (at + 1) & mask;
    }
    lookup->slots[gap] = (struct viv_lookup_slot){VIV_LOOKUP_NONE, VIV_LOOKUP_NONE};
}

void viv_lookup_remove(struct viv_lookup *lookup, uint32_t hash, uint32_t item)
{
    VIV_ASSERT(lookup->count > 0);
    uint32_t at = hash & (lookup->capacity - 1);
    while (lookup->slots[at].item != item) {
        VIV_ASSERT(lookup->slots[at].item != VIV_LOOKUP_NONE);
        at = (at + 1) & (lookup->capacity - 1);
    }
    close_gap(lookup, at);
    lookup->count--;
}

uint32_t viv_lookup_next(const struct viv_lookup *lookup, uint32_t hash, uint32_t *cursor)
{
    if (lookup->count == 0) {
        return VIV_LOOKUP_NONE;
    }
    while (true) {
        const struct viv_lookup_slot *slot = &lookup->slots[(hash + *cursor) & (lookup->capacity - 1)];
        if (slot->item == VIV_LOOKUP_NONE) {
            return VIV_LOOKUP_NONE;
        }
        (*cursor)++;
        if (slot->hash == hash) {
            return slot->item;
        }
    }
}
