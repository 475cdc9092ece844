#include "partition/bins.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/endian.h"

static int compare_ids(const void *left, const void *right)
{
    uint32_t a = ((const struct viv_bin *)left)->id, b = ((const struct viv_bin *)right)->id;
    return (a > b) - (a < b);
}

viv_status viv_bins_init(struct viv_bins *bins, const struct viv_bin *list, size_t count)
{
    if (count == 0 || count > VIV_PARTITION_BINS_MAX) {
        return VIV_ERR_INVALID;
    }
    struct viv_bins sorted = {.list = viv_alloc(count * sizeof *list), .count = count};
    memcpy(sorted.list, list, count * sizeof *list);
    qsort(sorted.list, count, sizeof *list, compare_ids);
    for (size_t i = 0; i < count; i++) {
        bool is_twice = i > 0 && sorted.list[i].id == sorted.list[i - 1].id;
        if (is_twice || !isfinite(sorted.list[i].weight) || sorted.list[i].weight <= 0) {
            viv_bins_fini(&sorted);
            return VIV_ERR_INVALID;
        }
        sorted.weight_total += sorted.list[i].weight;
    }
    *bins = sorted;
    return VIV_OK;
}

void viv_bins_fini(struct viv_bins *bins)
{
    free(bins->list);
    *bins = (struct viv_bins){0};
}

size_t viv_bins_bytes(const struct viv_bins *bins)
{
    return bins->count * sizeof bins->list[0];
}

uint64_t viv_bins_hash(uint32_t id, uint64_t seed)
{
    uint8_t bytes[4];
    viv_store_le32(bytes, id);
    return XXH64(bytes, sizeof bytes, seed);
}

size_t viv_bins_cycle(const struct viv_bins *bins, size_t first, size_t want, uint32_t *ids)
{
    VIV_ASSERT(first < bins->count);
    size_t count = want < bins->count ? want : bins->count;
    for (size_t i = 0; i < count; i++) {
        ids[i] = bins->list[(first + i) % bins->count].id;
    }
    return count;
}

bool viv_bins_taken(const uint32_t *ids, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}
