#include "tree/tree_internal.h"

/* What is below a node. Up to some thousand are walked. A million are not: siblings lie anywhere in memory,
 * so that every step of a walk waits for it. All slots in their order are read ten times as fast, and what is below
 * which node is known from the parents, of which there are few. */

enum { WALK_MAX = 16384 };

/* Inner nodes of which it is known. */
struct verdicts {
    struct viv_id_set below, elsewhere;
};

static bool is_below(const struct viv_tree *tree, struct verdicts *verdicts, viv_node_id top, viv_node_id id)
{
    viv_node_id at = id;
    while (at != top && at != VIV_NODE_ROOT && !viv_id_set_has(&verdicts->below, at) &&
           !viv_id_set_has(&verdicts->elsewhere, at)) {
        at = viv_slot_at(&tree->znodes, at)->parent;
    }
    bool verdict = at == top || viv_id_set_has(&verdicts->below, at);
    for (; id != at; id = viv_slot_at(&tree->znodes, id)->parent) {
        (void)viv_id_set_add(verdict ? &verdicts->below : &verdicts->elsewhere, id);
    }
    return verdict;
}

static void add(struct viv_tree_sum *sum, const struct viv_slot *slot)
{
    sum->nodes++;
    sum->data_bytes += slot->data_bytes;
}

static struct viv_tree_sum scan(const struct viv_tree *tree, viv_node_id top)
{
    const struct viv_slab *slots = &tree->znodes.slots;
    struct verdicts verdicts = {{0}, {0}};
    struct viv_tree_sum sum = {0, 0};
    for (viv_node_id id = VIV_NODE_ROOT + 1; id < slots->fresh; id = viv_slab_skip_gap(slots, id + 1)) {
        const struct viv_slot *slot = viv_slab_has(slots, id) ? viv_slot_at(&tree->znodes, id) : NULL;
        if (slot != NULL && (slot->flags & VIV_SLOT_LIVE) != 0 && is_below(tree, &verdicts, top, slot->parent)) {
            add(&sum, slot);
        }
    }
    viv_id_set_fini(&verdicts.below);
    viv_id_set_fini(&verdicts.elsewhere);
    return sum;
}

struct viv_tree_sum viv_tree_sum_below(const struct viv_tree *tree, viv_node_id top)
{
    struct viv_tree_sum sum = {0, 0};
    viv_node_id at = top;
    while ((at = viv_tree_next_below(tree, top, at)) != VIV_NODE_NONE) {
        if (sum.nodes == WALK_MAX) {
            return scan(tree, top);
        }
        add(&sum, viv_slot_at(&tree->znodes, at));
    }
    return sum;
}
