#ifndef VIV_METRICS_TALLY_H
#define VIV_METRICS_TALLY_H

#include <stdbool.h>
#include <stdint.h>

/* What is kept of many values: how many, their sum, the least, the largest, and counts from which quantiles are read.
 * Below 16 every value has a bucket of its own; above, each doubling is cut into 16, so a quantile, told as the middle
 * of its bucket, is wrong by at most 1/32 of itself. A fortieth of the memory of base/histogram.h, which the lab uses
 * where three digits count: one of these stands for every stage of every kind of request. Fixed memory; all-zero is
 * empty.
 *
 * Knows no unit. Values from 2^37 on (two minutes in ns) share the last bucket; count, sum and max stay exact. */

enum {
    VIV_TALLY_SUB_BITS = 4,
    VIV_TALLY_VALUE_BITS = 37,
    VIV_TALLY_BUCKET_COUNT = (VIV_TALLY_VALUE_BITS - VIV_TALLY_SUB_BITS + 1) << VIV_TALLY_SUB_BITS,
};

struct viv_tally {
    uint64_t count, sum;
    uint64_t min, max; /* 0 while empty */
    uint32_t buckets[VIV_TALLY_BUCKET_COUNT];
};

static inline unsigned viv_tally_bucket(uint64_t value)
{
    if (value >> VIV_TALLY_SUB_BITS == 0) {
        return (unsigned)value;
    }
    if (value >> VIV_TALLY_VALUE_BITS != 0) {
        return VIV_TALLY_BUCKET_COUNT - 1;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - VIV_TALLY_SUB_BITS;
    return (shift << VIV_TALLY_SUB_BITS) + (unsigned)(value >> shift);
}

/* Keeps the least and the largest of positive values; largest 0: there were none. One comparison for most. */
static inline void viv_note_extremes(uint64_t value, uint64_t *least, uint64_t *largest)
{
    if (value - *least > *largest - *least) {
        *least = value < *least || *largest == 0 ? value : *least;
        *largest = value > *largest ? value : *largest;
    }
}

/* For what happens with every request, in parts: the caller notes extremes when they occur, and the quantiles come from
 * those that are sampled, with their weight. */
static inline void viv_tally_add_sum(struct viv_tally *tally, uint64_t value)
{
    tally->count++;
    tally->sum += value;
}

static inline void viv_tally_add_extreme(struct viv_tally *tally, uint64_t value)
{
    if (value < tally->min || tally->count <= 1) {
        tally->min = value;
    }
    if (value > tally->max) {
        tally->max = value;
    }
}

static inline void viv_tally_add_bucket(struct viv_tally *tally, uint64_t value, uint64_t weight)
{
    tally->buckets[viv_tally_bucket(value)] += (uint32_t)weight;
}

/* The same value `count` times. */
void viv_tally_add_many(struct viv_tally *tally, uint64_t value, uint64_t count);
void viv_tally_clear(struct viv_tally *tally);
/* The value that `per_mille` thousandths of all do not exceed; within min and max; 0 when empty. */
uint64_t viv_tally_quantile(const struct viv_tally *tally, unsigned per_mille);

#endif /* VIV_METRICS_TALLY_H */
