#include "partition/circle.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"

enum { VNODES_DEFAULT = 128, VNODES_MAX = 65536, POINTS_MAX = 1 << 24 };

/* Equal points go to the lower id, whatever the order of insertion. */
static int compare_points(const void *left, const void *right)
{
    const struct viv_circle_point *a = left, *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

/* Every bin owns a point, however light it is. */
static double points_of(const struct viv_bin *bin, uint32_t vnodes)
{
    double points = vnodes * bin->weight + 0.5;
    return points < 1 ? 1 : points;
}

viv_status viv_circle_init(struct viv_circle *circle, const struct viv_bins *bins,
                           const struct viv_partition_options *options)
{
    uint32_t vnodes = options == NULL || options->vnodes == 0 ? VNODES_DEFAULT : options->vnodes;
    double total = 0;
    for (size_t i = 0; i < bins->count; i++) {
        total += points_of(&bins->list[i], vnodes);
    }
    if (vnodes > VNODES_MAX || total > POINTS_MAX) {
        return VIV_ERR_INVALID;
    }
    *circle = (struct viv_circle){.points = viv_alloc((size_t)total * sizeof circle->points[0])};
    for (size_t i = 0; i < bins->count; i++) {
        uint32_t count = (uint32_t)points_of(&bins->list[i], vnodes);
        for (uint32_t v = 0; v < count; v++) {
            char name[32];
            int size = snprintf(name, sizeof name, "%u#%u", bins->list[i].id, v);
            circle->points[circle->count++] = (struct viv_circle_point){XXH64(name, (size_t)size, 0), (uint32_t)i};
        }
    }
    VIV_ASSERT(circle->count >= bins->count && circle->count <= (size_t)total);
    qsort(circle->points, circle->count, sizeof circle->points[0], compare_points);
    return VIV_OK;
}

void viv_circle_fini(struct viv_circle *circle)
{
    free(circle->points);
    *circle = (struct viv_circle){0};
}

size_t viv_circle_bytes(const struct viv_circle *circle)
{
    return circle->count * sizeof circle->points[0];
}

size_t viv_circle_find(const struct viv_circle *circle, uint64_t at)
{
    size_t low = 0, high = circle->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (circle->points[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == circle->count ? 0 : low;
}

size_t viv_circle_walk(const struct viv_circle *circle, const struct viv_bins *bins, size_t point, size_t want,
                       uint32_t *ids, size_t count)
{
    VIV_ASSERT(point < circle->count);
    size_t wanted = want < bins->count ? want : bins->count;
    while (count < wanted) {
        uint32_t id = bins->list[circle->points[point].index].id;
        if (!viv_bins_taken(ids, count, id)) {
            ids[count++] = id;
        }
        point = (point + 1) % circle->count;
    }
    return count;
}
