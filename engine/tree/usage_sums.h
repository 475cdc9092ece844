#ifndef VIV_TREE_USAGE_SUMS_H
#define VIV_TREE_USAGE_SUMS_H

#include "base/lookup.h"
#include "tree/tree.h"

/* By how much the usage of quotas will have changed once what is on its way is applied. A quota is named by its mirror
 * (tree/quota.h); one whose changes cancel out takes no room. All-zero is empty. Private to the room. */

struct viv_usage {
    int64_t count, bytes;
};

struct viv_usage_sum {
    viv_node_id quota;
    struct viv_usage change;
};

struct viv_usage_sums {
    struct viv_usage_sum *items;
    uint32_t count, capacity;
    struct viv_lookup by_quota;
};

void viv_usage_sums_fini(struct viv_usage_sums *sums);
void viv_usage_sums_add(struct viv_usage_sums *sums, viv_node_id quota, struct viv_usage change);
struct viv_usage viv_usage_sums_of(const struct viv_usage_sums *sums, viv_node_id quota);

#endif /* VIV_TREE_USAGE_SUMS_H */
