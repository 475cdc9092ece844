#ifndef VIV_PARTITION_BINS_H
#define VIV_PARTITION_BINS_H

#include "partition/partition.h"

/* What the schemes share: a checked copy of the bins, in id order, so that no scheme depends on the order in which it
 * was told them. Private to this room. */

enum { VIV_PARTITION_BINS_MAX = 65535 };

struct viv_bins {
    struct viv_bin *list; /* owned; ids ascending */
    size_t count;
    double weight_total;
};

/* VIV_ERR_INVALID: no bins, too many, an id twice, a weight that is not a positive finite number. */
viv_status viv_bins_init(struct viv_bins *bins, const struct viv_bin *list, size_t count) VIV_MUST_USE;
void viv_bins_fini(struct viv_bins *bins);
size_t viv_bins_bytes(const struct viv_bins *bins);
/* 64 well mixed bits for a bin. */
uint64_t viv_bins_hash(uint32_t id, uint64_t seed);
/* Writes the ids that follow index `first` cyclically in id order, `first` included; returns how many. */
size_t viv_bins_cycle(const struct viv_bins *bins, size_t first, size_t want, uint32_t *ids);
/* Whether ids[0..count) has the id. */
bool viv_bins_taken(const uint32_t *ids, size_t count, uint32_t id);

#endif /* VIV_PARTITION_BINS_H */
