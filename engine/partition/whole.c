#include <stdlib.h>

#include "base/assert.h"
#include "partition/bins.h"

/* No partitioning: everything belongs to the bin with the lowest id. Weights mean nothing. */

struct viv_placement {
    struct viv_bins bins;
};

static viv_status whole_build(const struct viv_bin *bins, size_t bin_count, const struct viv_partition_options *options,
                              struct viv_placement **out)
{
    (void)options;
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    *out = viv_alloc(sizeof **out);
    (*out)->bins = sorted;
    return VIV_OK;
}

static uint32_t whole_lookup(const struct viv_placement *placement, uint64_t key)
{
    (void)key;
    VIV_ASSERT(placement->bins.count > 0);
    return placement->bins.list[0].id;
}

static size_t whole_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    (void)key;
    return viv_bins_cycle(&placement->bins, 0, want, bins);
}

static size_t whole_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins);
}

static void whole_free(struct viv_placement *placement)
{
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_whole = {
    .name = "whole",
    .build = whole_build,
    .lookup = whole_lookup,
    .top = whole_top,
    .memory = whole_memory,
    .free = whole_free,
};
