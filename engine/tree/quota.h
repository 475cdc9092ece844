#ifndef VIV_TREE_QUOTA_H
#define VIV_TREE_QUOTA_H

#include "base/lookup.h"
#include "tree/tree.h"

/* Quotas (client-protocol.md §12): limits in /zookeeper/quota<path>/zookeeper_limits, usage in .../zookeeper_stats.
 *
 * What replicas agree on is usage as a function of the tree: every node belongs to the deepest quota whose path leads
 * to it, and a quota's usage is the number of its nodes and the sum of their data. So every server has the same stats
 * at the same transaction, whatever image or log it came from. The stats node shows the usage from its creation on;
 * only its data moves, no field of its stat, and no watch fires. Nothing below /zookeeper is counted, "/" has no quota.
 *
 * ZooKeeper keeps the usage as a running text instead, and recounts at start. It differs therefore where quotas are
 * nested (its outer one counts the inner one's nodes when it is set or the server restarts, and then loses sight of
 * them; zkCli refuses to nest), where a client writes the stats node itself (here the usage overwrites it at once), and
 * after the limits were deleted while the stats stay (here they stay right).
 *
 * Cost: nothing without quotas; with some, one descent of the changed path through /zookeeper/quota, which ends where
 * the paths part. Setting a quota counts what is below it once. */

/* -1: no limit. */
struct viv_quota_limits {
    int64_t count, bytes, hard_count, hard_bytes;
};

struct viv_quota {
    viv_node_id mirror;        /* /zookeeper/quota<path> */
    viv_node_id limits, stats; /* below it; VIV_NODE_NONE: not there */
    int64_t count, bytes;      /* usage */
    struct viv_quota_limits limit;
    bool is_malformed; /* the text of the limits; none is known */
    bool names_hard;   /* it says HardLimit somewhere */
};

bool viv_tree_has_quotas(const struct viv_tree *tree);
/* The quota that a node at this path belongs to, whether there is such a node or not. */
bool viv_tree_quota_of(const struct viv_tree *tree, struct viv_bytes path, struct viv_quota *quota);

/* Every quota, in no particular order; the path is that of the nodes it is for, borrowed for the call. For operators:
 * what ZooKeeper shows as a limit is the hard one where there is one. */
typedef void viv_tree_quota_fn(void *ctx, struct viv_bytes path, const struct viv_quota *quota);
void viv_tree_quotas(const struct viv_tree *tree, viv_tree_quota_fn *visit, void *ctx);

/* ---- for the tree ---- */

struct viv_quota_table {
    struct viv_quota *items;
    uint32_t count, capacity;
    struct viv_lookup by_mirror;
    struct viv_buffer path, text;
};

void viv_quota_table_fini(struct viv_quota_table *quotas);
/* A node was added; or it is about to go; or its data was changed. */
void viv_quota_inserted(struct viv_tree *tree, viv_node_id id, struct viv_bytes path);
void viv_quota_removing(struct viv_tree *tree, viv_node_id id);
void viv_quota_data_set(struct viv_tree *tree, viv_node_id id, struct viv_bytes path, int64_t bytes_change);
/* All rows of an image are in place. */
void viv_quota_loaded(struct viv_tree *tree);

/* Reads the text as ZooKeeper does; false when it trips over it. */
bool viv_quota_limits_parse(struct viv_bytes text, struct viv_quota_limits *limits);

#endif /* VIV_TREE_QUOTA_H */
