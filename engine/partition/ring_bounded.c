#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "partition/circle.h"

/* Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018), over a fixed number of slots: the
 * slots are placed in order, each at the first point at or after its own whose bin is below
 * ceil((1 + epsilon) * slots * weight / all weights). A key belongs to slot key mod slots. */

enum { SLOTS_DEFAULT = 256, SLOTS_MAX = 65536 };

static const double EPSILON_DEFAULT = 0.05, EPSILON_MAX = 10;

struct viv_placement {
    struct viv_bins bins;
    struct viv_circle circle;
    uint32_t slot_count;
    uint32_t points[]; /* of the slots */
};

static uint64_t position_of(uint64_t slot)
{
    return viv_mix64(slot + 1);
}

static void place_slots(struct viv_placement *placement, double epsilon)
{
    const struct viv_bins *bins = &placement->bins;
    double *room = viv_alloc(bins->count * sizeof *room);
    for (size_t i = 0; i < bins->count; i++) {
        room[i] = ceil((1 + epsilon) * placement->slot_count * bins->list[i].weight / bins->weight_total);
    }
    for (uint32_t slot = 0; slot < placement->slot_count; slot++) {
        size_t point = viv_circle_find(&placement->circle, position_of(slot)), steps = 0;
        while (room[placement->circle.points[point].index] < 1) {
            point = (point + 1) % placement->circle.count;
            steps++;
            VIV_ASSERT(steps < placement->circle.count); /* the bounds add up to more than there are slots */
        }
        room[placement->circle.points[point].index] -= 1;
        placement->points[slot] = (uint32_t)point;
    }
    free(room);
}

static viv_status bounded_build(const struct viv_bin *bins, size_t bin_count,
                                const struct viv_partition_options *options, struct viv_placement **out)
{
    double epsilon = options == NULL || options->epsilon == 0 ? EPSILON_DEFAULT : options->epsilon;
    uint32_t slot_count = options == NULL || options->slots == 0 ? SLOTS_DEFAULT : options->slots;
    if (!(epsilon > 0 && epsilon <= EPSILON_MAX) || slot_count > SLOTS_MAX) {
        return VIV_ERR_INVALID;
    }
    struct viv_placement built = {.slot_count = slot_count};
    VIV_TRY(viv_bins_init(&built.bins, bins, bin_count));
    viv_status status = viv_circle_init(&built.circle, &built.bins, options);
    if (status != VIV_OK) {
        viv_bins_fini(&built.bins);
        return status;
    }
    struct viv_placement *placement = viv_alloc(sizeof *placement + slot_count * sizeof placement->points[0]);
    *placement = built;
    place_slots(placement, epsilon);
    *out = placement;
    return VIV_OK;
}

static uint32_t bounded_lookup(const struct viv_placement *placement, uint64_t key)
{
    uint32_t point = placement->points[key % placement->slot_count];
    return placement->bins.list[placement->circle.points[point].index].id;
}

static size_t bounded_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    return viv_circle_walk(&placement->circle, &placement->bins, placement->points[key % placement->slot_count], want,
                           bins, 0);
}

static size_t bounded_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins) + viv_circle_bytes(&placement->circle) +
           placement->slot_count * sizeof placement->points[0];
}

static void bounded_free(struct viv_placement *placement)
{
    viv_circle_fini(&placement->circle);
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_ring_bounded = {
    .name = "ring-bounded",
    .build = bounded_build,
    .lookup = bounded_lookup,
    .top = bounded_top,
    .memory = bounded_memory,
    .free = bounded_free,
};
