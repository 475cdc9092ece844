#ifndef VIV_NODE_RATION_H
#define VIV_NODE_RATION_H

#include "node/expiry.h"
#include "node/limit.h"
#include "node/policy.h"
#include "tree/prepare.h"

/* What the leader will not propose, so that nothing is ever half applied: sessions beyond their number, and writes that
 * make a tree grow that takes all the memory it may. Deletes, ends of sessions and reads always pass. What is proposed
 * but not applied counts as applied. */

struct viv_ration {
    uint64_t sessions_max, tree_bytes_max; /* 0: no limit */
    bool local_sessions;
    uint64_t proposed_bytes; /* of transactions on their way to the tree */
    uint32_t writes_until_measured;
    bool is_warned;
    struct viv_limits limits;
};

void viv_ration_init(struct viv_ration *ration, const struct viv_node_policy *policy);
/* Nothing is on its way any more. */
void viv_ration_reset(struct viv_ration *ration);
/* 0, or the code of the refusal. */
int32_t viv_ration_judge(struct viv_ration *ration, const struct viv_tree *tree, const struct viv_expiry *expiry,
                         const struct viv_request *request, uint64_t now_ms);
void viv_ration_proposed(struct viv_ration *ration, size_t body_bytes);
void viv_ration_applied(struct viv_ration *ration, size_t body_bytes);

#endif /* VIV_NODE_RATION_H */
