#include "tree/usage_sums.h"

#include <stdlib.h>

static uint32_t hash_of(viv_node_id quota)
{
    return viv_lookup_hash(viv_bytes_of(&quota, sizeof quota));
}

static uint32_t find(const struct viv_usage_sums *sums, viv_node_id quota)
{
    uint32_t cursor = 0, at, hash = hash_of(quota);
    while ((at = viv_lookup_next(&sums->by_quota, hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (sums->items[at].quota == quota) {
            return at;
        }
    }
    return VIV_LOOKUP_NONE;
}

void viv_usage_sums_fini(struct viv_usage_sums *sums)
{
    free(sums->items);
    viv_lookup_fini(&sums->by_quota);
}

static uint32_t begin(struct viv_usage_sums *sums, viv_node_id quota)
{
    if (sums->count == sums->capacity) {
        sums->capacity = sums->capacity == 0 ? 8 : sums->capacity * 2;
        sums->items = viv_realloc(sums->items, sums->capacity * sizeof *sums->items);
    }
    sums->items[sums->count] = (struct viv_usage_sum){.quota = quota};
    viv_lookup_add(&sums->by_quota, hash_of(quota), sums->count);
    return sums->count++;
}

/* The last takes the place of the one that goes. */
static void end(struct viv_usage_sums *sums, uint32_t at)
{
    uint32_t last = --sums->count;
    viv_lookup_remove(&sums->by_quota, hash_of(sums->items[at].quota), at);
    if (at != last) {
        viv_lookup_remove(&sums->by_quota, hash_of(sums->items[last].quota), last);
        sums->items[at] = sums->items[last];
        viv_lookup_add(&sums->by_quota, hash_of(sums->items[at].quota), at);
    }
}

void viv_usage_sums_add(struct viv_usage_sums *sums, viv_node_id quota, struct viv_usage change)
{
    uint32_t at = find(sums, quota);
    if (at == VIV_LOOKUP_NONE) {
        at = begin(sums, quota);
    }
    struct viv_usage *sum = &sums->items[at].change;
    sum->count += change.count;
    sum->bytes += change.bytes;
    if (sum->count == 0 && sum->bytes == 0) {
        end(sums, at);
    }
}

struct viv_usage viv_usage_sums_of(const struct viv_usage_sums *sums, viv_node_id quota)
{
    uint32_t at = sums->count == 0 ? VIV_LOOKUP_NONE : find(sums, quota);
    return at == VIV_LOOKUP_NONE ? (struct viv_usage){0} : sums->items[at].change;
}
