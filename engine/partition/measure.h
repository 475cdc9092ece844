#ifndef VIV_PARTITION_MEASURE_H
#define VIV_PARTITION_MEASURE_H

#include "partition/partition.h"

/* How even a scheme is and how much it moves, by placing random keys from a seed. Pure: what a lookup costs in time is
 * for somebody with a clock to measure. */

struct viv_partition_measure {
    double load_max;     /* highest share of a bin, over the share that its weight asks for */
    double moved_join;   /* part of the keys that change their bin when one of average weight joins at the end, */
    double moved_leave;  /* when the middle one in id order leaves (0 with one bin), */
    double moved_return; /* and when that one comes back */
    size_t memory_bytes;
};

/* VIV_ERR_INVALID: what build refuses, or no keys. */
viv_status viv_partition_measure(const struct viv_partition_ops *ops, const struct viv_bin *bins, size_t bin_count,
                                 const struct viv_partition_options *options, size_t key_count, uint64_t seed,
                                 struct viv_partition_measure *out) VIV_MUST_USE;

#endif /* VIV_PARTITION_MEASURE_H */
