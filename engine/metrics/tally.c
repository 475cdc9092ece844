#include "metrics/tally.h"

#include <string.h>

#include "base/assert.h"

static uint64_t bucket_middle(unsigned bucket)
{
    if (bucket >> VIV_TALLY_SUB_BITS <= 1) {
        return bucket;
    }
    unsigned shift = (bucket >> VIV_TALLY_SUB_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << VIV_TALLY_SUB_BITS)) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

void viv_tally_add_many(struct viv_tally *tally, uint64_t value, uint64_t count)
{
    if (count == 0) {
        return;
    }
    if (tally->count == 0 || value < tally->min) {
        tally->min = value;
    }
    if (value > tally->max) {
        tally->max = value;
    }
    tally->count += count;
    tally->sum += value * count;
    tally->buckets[viv_tally_bucket(value)] += (uint32_t)count;
}

void viv_tally_clear(struct viv_tally *tally)
{
    if (tally->count > 0) {
        memset(tally, 0, sizeof *tally);
    }
}

uint64_t viv_tally_quantile(const struct viv_tally *tally, unsigned per_mille)
{
    VIV_ASSERT(per_mille > 0 && per_mille <= 1000);
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < VIV_TALLY_BUCKET_COUNT; i++) {
        all += tally->buckets[i];
    }
    uint64_t wanted = (all * per_mille + 999) / 1000;
    for (unsigned i = 0; i < VIV_TALLY_BUCKET_COUNT && all > 0; i++) {
        seen += tally->buckets[i];
        if (seen >= wanted) {
            uint64_t value = i == VIV_TALLY_BUCKET_COUNT - 1 ? tally->max : bucket_middle(i);
            return value < tally->min ? tally->min : value > tally->max ? tally->max : value;
        }
    }
    return tally->max;
}
