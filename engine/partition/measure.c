#include "partition/measure.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "partition/bins.h"

struct trial {
    const struct viv_partition_ops *ops;
    const struct viv_partition_options *options;
    uint64_t seed;
    size_t key_count;
};

/* The bin of every key. Returns owned, or NULL when the scheme refuses. */
static uint32_t *place(const struct trial *trial, const struct viv_bin *bins, size_t bin_count, size_t *memory_bytes)
{
    struct viv_placement *placement;
    if (trial->ops->build(bins, bin_count, trial->options, &placement) != VIV_OK) {
        return NULL;
    }
    uint32_t *ids = viv_alloc(trial->key_count * sizeof *ids);
    struct viv_rng rng;
    viv_rng_init(&rng, trial->seed);
    for (size_t i = 0; i < trial->key_count; i++) {
        ids[i] = trial->ops->lookup(placement, viv_rng_next(&rng));
    }
    *memory_bytes = trial->ops->memory(placement);
    trial->ops->free(placement);
    return ids;
}

static double load_max(const struct viv_bins *bins, const uint32_t *ids, size_t key_count)
{
    double highest = 0;
    for (size_t b = 0; b < bins->count; b++) {
        size_t load = 0;
        for (size_t i = 0; i < key_count; i++) {
            load += ids[i] == bins->list[b].id;
        }
        double fair = (double)key_count * bins->list[b].weight / bins->weight_total;
        highest = (double)load / fair > highest ? (double)load / fair : highest;
    }
    return highest;
}

/* The part of the keys that sits elsewhere once the bins are `bins`. */
static viv_status moved(const struct trial *trial, const uint32_t *before, const struct viv_bin *bins, size_t bin_count,
                        double *part)
{
    size_t memory_bytes, count = 0;
    uint32_t *after = place(trial, bins, bin_count, &memory_bytes);
    if (after == NULL) {
        return VIV_ERR_INVALID;
    }
    for (size_t i = 0; i < trial->key_count; i++) {
        count += before[i] != after[i];
    }
    free(after);
    *part = (double)count / (double)trial->key_count;
    return VIV_OK;
}

static viv_status measure_moves(const struct trial *trial, const struct viv_bins *bins, const uint32_t *ids,
                                struct viv_partition_measure *out)
{
    size_t count = bins->count, middle = count / 2;
    struct viv_bin *other = viv_alloc((count + 1) * sizeof *other);
    memcpy(other, bins->list, count * sizeof *other);
    other[count] = (struct viv_bin){bins->list[count - 1].id + 1, bins->weight_total / (double)count};
    viv_status status = moved(trial, ids, other, count + 1, &out->moved_join);
    if (status == VIV_OK && count > 1) {
        memmove(other + middle, other + middle + 1, (count - middle - 1) * sizeof *other);
        size_t memory_bytes;
        uint32_t *without = place(trial, other, count - 1, &memory_bytes);
        status = without == NULL ? VIV_ERR_INVALID : moved(trial, ids, other, count - 1, &out->moved_leave);
        if (status == VIV_OK) {
            status = moved(trial, without, bins->list, count, &out->moved_return);
        }
        free(without);
    }
    free(other);
    return status;
}

viv_status viv_partition_measure(const struct viv_partition_ops *ops, const struct viv_bin *bins, size_t bin_count,
                                 const struct viv_partition_options *options, size_t key_count, uint64_t seed,
                                 struct viv_partition_measure *out)
{
    if (key_count == 0) {
        return VIV_ERR_INVALID;
    }
    struct trial trial = {ops, options, seed, key_count};
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    struct viv_partition_measure measured = {0};
    uint32_t *ids = sorted.list[bin_count - 1].id == UINT32_MAX
                        ? NULL
                        : place(&trial, sorted.list, bin_count, &measured.memory_bytes);
    viv_status status = ids == NULL ? VIV_ERR_INVALID : measure_moves(&trial, &sorted, ids, &measured);
    if (status == VIV_OK) {
        measured.load_max = load_max(&sorted, ids, key_count);
        *out = measured;
    }
    free(ids);
    viv_bins_fini(&sorted);
    return status;
}
