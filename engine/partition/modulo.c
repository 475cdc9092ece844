#include <stdlib.h>

#include "base/assert.h"
#include "partition/bins.h"

/* The popular formula: bins numbered 1..p in id order, h(x) = (x mod p) + 1. Perfectly even, and 1/(p+1) of the keys is
 * all that stays when a bin joins. Weights mean nothing. */

struct viv_placement {
    struct viv_bins bins;
};

static viv_status modulo_build(const struct viv_bin *bins, size_t bin_count,
                               const struct viv_partition_options *options, struct viv_placement **out)
{
    (void)options;
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    *out = viv_alloc(sizeof **out);
    (*out)->bins = sorted;
    return VIV_OK;
}

static uint32_t modulo_lookup(const struct viv_placement *placement, uint64_t key)
{
    VIV_ASSERT(placement->bins.count > 0);
    return placement->bins.list[key % placement->bins.count].id;
}

static size_t modulo_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    return viv_bins_cycle(&placement->bins, key % placement->bins.count, want, bins);
}

static size_t modulo_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins);
}

static void modulo_free(struct viv_placement *placement)
{
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_modulo = {
    .name = "modulo",
    .build = modulo_build,
    .lookup = modulo_lookup,
    .top = modulo_top,
    .memory = modulo_memory,
    .free = modulo_free,
};
