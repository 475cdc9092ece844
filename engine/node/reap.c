#include "node/reap.h"

#include "tree/reapable.h"

enum { MINUTE_MS = 60000, SECOND_MS = 1000, LOOKS_MAX = 4096 };

void viv_reap_begin(struct viv_reap *reap, uint64_t now_ms)
{
    *reap = (struct viv_reap){.config = reap->config, .pass_at_ms = now_ms + reap->config.check_ms, .seen_ms = now_ms};
}

/* Credit is not hoarded: at most that of a second, and always enough for one. */
void viv_reap_allow(struct viv_reap *reap, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - reap->seen_ms;
    uint64_t credit_max = SECOND_MS * reap->config.per_minute;
    reap->seen_ms = now_ms;
    reap->credit += (elapsed_ms < SECOND_MS ? elapsed_ms : SECOND_MS) * reap->config.per_minute;
    credit_max = credit_max < MINUTE_MS ? MINUTE_MS : credit_max;
    reap->credit = reap->credit < credit_max ? reap->credit : credit_max;
    reap->looks_left = LOOKS_MAX;
    if (!reap->is_passing && reap->config.check_ms > 0 && now_ms >= reap->pass_at_ms) {
        reap->is_passing = true;
        reap->cursor = VIV_NODE_NONE;
        reap->pass_at_ms = now_ms + reap->config.check_ms;
    }
}

viv_node_id viv_reap_next(struct viv_reap *reap, const struct viv_tree *tree, int64_t wall_ms)
{
    while (reap->is_passing && reap->looks_left > 0 && reap->credit >= MINUTE_MS) {
        struct viv_znode node;
        viv_node_id id = viv_tree_next_reapable(tree, reap->cursor);
        if (id == VIV_NODE_NONE) {
            reap->is_passing = false;
            break;
        }
        reap->cursor = id;
        reap->looks_left--;
        if (viv_tree_get(tree, id, &node) && viv_znode_is_reapable(&node, wall_ms, reap->config.never_used_ms)) {
            reap->credit -= MINUTE_MS;
            return id;
        }
    }
    return VIV_NODE_NONE;
}
