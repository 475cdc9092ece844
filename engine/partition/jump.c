#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "partition/bins.h"

/* Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm" (2014). No memory and moves the least possible
 * when the last bin joins or leaves; when another leaves, the ones behind it are renumbered. Weights mean nothing. */

/* 2^64 divided by the golden ratio. */
static const uint64_t GOLDEN = 0x9e3779b97f4a7c15u;

struct viv_placement {
    struct viv_bins bins;
};

static viv_status jump_build(const struct viv_bin *bins, size_t bin_count, const struct viv_partition_options *options,
                             struct viv_placement **out)
{
    (void)options;
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    *out = viv_alloc(sizeof **out);
    (*out)->bins = sorted;
    return VIV_OK;
}

static size_t jump(uint64_t key, size_t bin_count)
{
    int64_t bin = -1, next = 0;
    while (next < (int64_t)bin_count) {
        bin = next;
        key = key * 2862933555777941757u + 1;
        next = (int64_t)((double)(bin + 1) * ((double)(1ll << 31) / (double)((key >> 33) + 1)));
    }
    VIV_ASSERT(bin >= 0);
    return (size_t)bin;
}

static uint32_t jump_lookup(const struct viv_placement *placement, uint64_t key)
{
    VIV_ASSERT(placement->bins.count > 0);
    return placement->bins.list[jump(key, placement->bins.count)].id;
}

static size_t jump_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    const struct viv_bins *all = &placement->bins;
    size_t wanted = want < all->count ? want : all->count, count = 0;
    /* Further choices are jumps of other keys; the bound is far above what distinct ones take on average. */
    for (uint64_t i = 0; count < wanted && i < 64 * (uint64_t)all->count; i++) {
        uint32_t id = all->list[jump(i == 0 ? key : viv_mix64(key + i * GOLDEN), all->count)].id;
        if (!viv_bins_taken(bins, count, id)) {
            bins[count++] = id;
        }
    }
    for (size_t i = 0; count < wanted; i++) {
        if (!viv_bins_taken(bins, count, all->list[i].id)) {
            bins[count++] = all->list[i].id;
        }
    }
    return count;
}

static size_t jump_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins);
}

static void jump_free(struct viv_placement *placement)
{
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_jump = {
    .name = "jump",
    .build = jump_build,
    .lookup = jump_lookup,
    .top = jump_top,
    .memory = jump_memory,
    .free = jump_free,
};
