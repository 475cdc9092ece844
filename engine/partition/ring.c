#include <stdlib.h>

#include "partition/circle.h"

/* Consistent hashing with virtual nodes (Karger et al. 1997, as in Dynamo): the first point at or after the key. A
 * bin's share varies by about 1/sqrt(vnodes). Weights give more points. */

struct viv_placement {
    struct viv_bins bins;
    struct viv_circle circle;
};

static viv_status ring_build(const struct viv_bin *bins, size_t bin_count, const struct viv_partition_options *options,
                             struct viv_placement **out)
{
    struct viv_placement built;
    VIV_TRY(viv_bins_init(&built.bins, bins, bin_count));
    viv_status status = viv_circle_init(&built.circle, &built.bins, options);
    if (status != VIV_OK) {
        viv_bins_fini(&built.bins);
        return status;
    }
    *out = viv_alloc(sizeof **out);
    **out = built;
    return VIV_OK;
}

static uint32_t ring_lookup(const struct viv_placement *placement, uint64_t key)
{
    return placement->bins.list[placement->circle.points[viv_circle_find(&placement->circle, key)].index].id;
}

static size_t ring_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    return viv_circle_walk(&placement->circle, &placement->bins, viv_circle_find(&placement->circle, key), want, bins,
                           0);
}

static size_t ring_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins) + viv_circle_bytes(&placement->circle);
}

static void ring_free(struct viv_placement *placement)
{
    viv_circle_fini(&placement->circle);
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_ring = {
    .name = "ring",
    .build = ring_build,
    .lookup = ring_lookup,
    .top = ring_top,
    .memory = ring_memory,
    .free = ring_free,
};
