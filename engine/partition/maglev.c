#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "partition/bins.h"

/* Eisenbud et al., "Maglev" (NSDI 2016), section 3.4: every bin has a permutation of a table of prime size and the bins
 * take turns, in id order, claiming their next free entry. Shares within 1 % when the table is 100 times the number of
 * bins. A bin of lower weight takes fewer turns. */

enum { TABLE_SIZE_DEFAULT = 65537, TABLE_SIZE_MAX = 1 << 24, FREE = 0xffff };

struct viv_placement {
    struct viv_bins bins;
    uint32_t table_size;
    uint16_t table[]; /* index of a bin */
};

struct turn {
    uint32_t at;   /* next entry of the permutation */
    uint32_t skip; /* from one entry to the next, modulo the table's size */
    double credit; /* a turn costs 1; each round brings weight / highest weight */
};

static bool is_prime(uint32_t number)
{
    for (uint32_t i = 2; (uint64_t)i * i <= number; i++) {
        if (number % i == 0) {
            return false;
        }
    }
    return number >= 2;
}

static void claim(struct viv_placement *placement, struct turn *turn, size_t index)
{
    while (placement->table[turn->at] != FREE) {
        turn->at = (uint32_t)(((uint64_t)turn->at + turn->skip) % placement->table_size);
    }
    placement->table[turn->at] = (uint16_t)index;
}

static void fill(struct viv_placement *placement)
{
    const struct viv_bins *bins = &placement->bins;
    uint32_t size = placement->table_size;
    struct turn *turns = viv_alloc_zeroed(bins->count, sizeof *turns);
    double weight_max = 0;
    for (size_t i = 0; i < bins->count; i++) {
        turns[i].at = (uint32_t)(viv_bins_hash(bins->list[i].id, 1) % size);
        turns[i].skip = (uint32_t)(viv_bins_hash(bins->list[i].id, 2) % (size - 1)) + 1;
        weight_max = bins->list[i].weight > weight_max ? bins->list[i].weight : weight_max;
    }
    memset(placement->table, 0xff, size * sizeof placement->table[0]);
    for (uint32_t claimed = 0; claimed < size;) {
        for (size_t i = 0; i < bins->count && claimed < size; i++) {
            turns[i].credit += bins->list[i].weight / weight_max;
            if (turns[i].credit >= 1) {
                turns[i].credit -= 1;
                claim(placement, &turns[i], i);
                claimed++;
            }
        }
    }
    free(turns);
}

static viv_status maglev_build(const struct viv_bin *bins, size_t bin_count,
                               const struct viv_partition_options *options, struct viv_placement **out)
{
    uint32_t size = options == NULL || options->table_size == 0 ? TABLE_SIZE_DEFAULT : options->table_size;
    if (size > TABLE_SIZE_MAX || size < bin_count || !is_prime(size)) {
        return VIV_ERR_INVALID;
    }
    struct viv_bins sorted;
    VIV_TRY(viv_bins_init(&sorted, bins, bin_count));
    struct viv_placement *placement = viv_alloc(sizeof *placement + size * sizeof placement->table[0]);
    placement->bins = sorted;
    placement->table_size = size;
    fill(placement);
    *out = placement;
    return VIV_OK;
}

static uint32_t maglev_lookup(const struct viv_placement *placement, uint64_t key)
{
    size_t index = placement->table[key % placement->table_size];
    VIV_ASSERT(index < placement->bins.count);
    return placement->bins.list[index].id;
}

/* Further choices: the bins of the entries that follow. */
static size_t maglev_top(const struct viv_placement *placement, uint64_t key, size_t want, uint32_t *bins)
{
    size_t wanted = want < placement->bins.count ? want : placement->bins.count, count = 0;
    uint32_t at = (uint32_t)(key % placement->table_size);
    for (uint32_t i = 0; i < placement->table_size && count < wanted; i++) {
        uint32_t id = placement->bins.list[placement->table[at]].id;
        if (!viv_bins_taken(bins, count, id)) {
            bins[count++] = id;
        }
        at = at + 1 == placement->table_size ? 0 : at + 1;
    }
    /* A bin of tiny weight may own no entry at all. */
    for (size_t i = 0; count < wanted; i++) {
        if (!viv_bins_taken(bins, count, placement->bins.list[i].id)) {
            bins[count++] = placement->bins.list[i].id;
        }
    }
    return count;
}

static size_t maglev_memory(const struct viv_placement *placement)
{
    return sizeof *placement + viv_bins_bytes(&placement->bins) + placement->table_size * sizeof placement->table[0];
}

static void maglev_free(struct viv_placement *placement)
{
    viv_bins_fini(&placement->bins);
    free(placement);
}

const struct viv_partition_ops viv_partition_maglev = {
    .name = "maglev",
    .build = maglev_build,
    .lookup = maglev_lookup,
    .top = maglev_top,
    .memory = maglev_memory,
    .free = maglev_free,
};
