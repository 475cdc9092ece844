#ifndef VIV_PARTITION_CIRCLE_H
#define VIV_PARTITION_CIRCLE_H

#include "partition/bins.h"

/* The circle of virtual nodes under both ring schemes (Karger et al. 1997): bin `id` of weight w owns the points
 * XXH64("id#v"), v < vnodes * w; a position belongs to the first point at or after it. Private to this room. */

struct viv_circle_point {
    uint64_t at;
    uint32_t index; /* of the bin */
};

struct viv_circle {
    struct viv_circle_point *points; /* owned; ascending by at, then index */
    size_t count;
};

/* VIV_ERR_INVALID: vnodes (0: the default) or the sum of points is out of range. */
viv_status viv_circle_init(struct viv_circle *circle, const struct viv_bins *bins,
                           const struct viv_partition_options *options) VIV_MUST_USE;
void viv_circle_fini(struct viv_circle *circle);
size_t viv_circle_bytes(const struct viv_circle *circle);
/* The point that owns a position; the next ones follow by (point + 1) % count. */
size_t viv_circle_find(const struct viv_circle *circle, uint64_t at);
/* Walks on from `point` and appends bins that are not yet in ids[0..count), until `want`; returns the new count. */
size_t viv_circle_walk(const struct viv_circle *circle, const struct viv_bins *bins, size_t point, size_t want,
                       uint32_t *ids, size_t count);

#endif /* VIV_PARTITION_CIRCLE_H */
