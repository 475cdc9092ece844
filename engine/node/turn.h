#ifndef VIV_NODE_TURN_H
#define VIV_NODE_TURN_H

#include "node/action.h"

/* The moment in which a step happens and the list it appends to. One per node, filled by viv_node_step; its modules
 * borrow it. Outside a step nobody may use it. */
struct viv_turn {
    uint64_t now_ms, now_ns;
    int64_t wall_ms;
    struct viv_actions *out;
};

#endif /* VIV_NODE_TURN_H */
