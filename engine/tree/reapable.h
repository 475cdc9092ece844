#ifndef VIV_TREE_REAPABLE_H
#define VIV_TREE_REAPABLE_H

#include "tree/tree.h"

/* Containers and TTL nodes, which go by themselves when nobody needs them any more (client-protocol.md §8). The tree
 * keeps the set of their ids, so that looking for them costs nothing of what else there is. Deleting is the leader's
 * business, by transactions. */

/* The first container or TTL node with an id above `after` (VIV_NODE_NONE: of all); VIV_NODE_NONE after the last. */
viv_node_id viv_tree_next_reapable(const struct viv_tree *tree, viv_node_id after);
/* True when such a node is to be deleted: it has no children, and it is a container that had some, or one that is older
 * than never_used_ms (0: kept), or its TTL has passed since its data was set. */
bool viv_znode_is_reapable(const struct viv_znode *node, int64_t wall_ms, int64_t never_used_ms);

#endif /* VIV_TREE_REAPABLE_H */
