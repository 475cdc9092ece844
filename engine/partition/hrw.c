#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "partition/bins.h"

/* Rendezvous, or highest random weight (Thaler and Ravishankar 1998): every bin draws a number for the key, the highest
 * wins. Moves exactly the keys of a bin that leaves. With weights w the number is -w / ln(u), u uniform in (0, 1). */

struct viv_placement {
    struct viv_bins bins;
    bool is_weighted; /* equal weights compare integers, which every machine does alike */
    uint64_t hashes[];
};

static viv_status hrw_build(const struct viv_bin *bins, size_t bin_count, const struct viv_partition_options *options,
                            struct viv_placement **out)
{
    (void)options;
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    struct viv_placement *placement = viv_alloc_zeroed(1, sizeof *placement + bin_count * sizeof placement->hashes[0]);
    placement->bins = sorted;
    for (size_t i = 0; i < bin_count; i++) {
        placement->hashes[i] = viv_bins_hash(sorted.list[i].id, 0);
        placement->is_weighted |= sorted.list[i].weight != sorted.list[0].weight;
    }
    *out = placement;
    return VIV_OK;
}

struct draw {
    size_t index;
    uint64_t bits;
    double score; /* 0 without weights */
};

static struct draw draw_for(const struct viv_placement *placement, size_t index, uint64_t key)
{
    struct draw draw = {index, viv_mix64(key ^ placement->hashes[index]), 0};
    if (placement->is_weighted) {
        double uniform = ((double)(draw.bits >> 11) + 0.5) * 0x1p-53;
        draw.score = -placement->bins.list[index].weight / log(uniform);
    }
    return draw;
}

/* A total order: the lower id wins a tie. */
static bool is_better(const struct draw *a, const struct draw *b)
{
    if (a->score != b->score) {
        return a->score > b->score;
    }
    return a->bits != b->bits ? a->bits > b->bits : a->index < b->index;
}

/* The best draw below *above, or of all when above is NULL. False when there is none. */
static bool best_below(const struct viv_placement *placement, uint64_t key, const struct draw *above, struct draw *best)
{
    bool found = false;
    for (size_t i = 0; i < placement->bins.count; i++) {
        struct draw draw = draw_for(placement, i, key);
        if ((above == NULL || is_better(above, &draw)) && (!found || is_better(&draw, best))) {
            *best = draw;
            found = true;
        }
    }
    return found;
}

static uint32_t hrw_lookup(const struct viv_placement *placement, uint64_t key)
{
    struct draw best;
    bool found = best_below(placement, key, NULL, &best);
    VIV_ASSERT(found);
    return placement->bins.list[best.index].id;
}

static size_t hrw_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    size_t count = 0;
    struct draw last, next;
    while (count < want && best_below(placement, key, count == 0 ? NULL : &last, &next)) {
        bins[count++] = placement->bins.list[next.index].id;
        last = next;
    }
    return count;
}

static size_t hrw_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins) + placement->bins.count * sizeof placement->hashes[0];
}

static void hrw_free(struct viv_placement *placement)
{
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_hrw = {
    .name = "hrw",
    .build = hrw_build,
    .lookup = hrw_lookup,
    .top = hrw_top,
    .memory = hrw_memory,
    .free = hrw_free,
};
