#include "tree/reapable.h"

#include "tree/tree_internal.h"

viv_node_id viv_tree_next_reapable(const struct viv_tree *tree, viv_node_id after)
{
    viv_node_id id = viv_id_set_next(&tree->reapable, after + 1);
    return id == UINT32_MAX ? VIV_NODE_NONE : id;
}

bool viv_znode_is_reapable(const struct viv_znode *node, int64_t wall_ms, int64_t never_used_ms)
{
    if (node->child_count > 0 || node->owner == 0 || viv_owner_is_session(node->owner)) {
        return false;
    }
    int64_t age_ms = wall_ms - node->mtime_ms;
    if (node->owner != VIV_OWNER_CONTAINER) {
        return age_ms > (int64_t)((uint64_t)node->owner & ~VIV_OWNER_TTL_MARK);
    }
    return node->child_counter > 0 || (never_used_ms != 0 && age_ms > never_used_ms);
}
