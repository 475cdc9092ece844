#ifndef VIV_NODE_REAP_H
#define VIV_NODE_REAP_H

#include "tree/tree.h"

/* When which container or TTL node is to be deleted (client-protocol.md §8): a pass over them every check_ms, spread
 * so that no more than per_minute go in a minute and no call looks at more than some thousand. The time is given; this
 * module does not know transactions. All-zero but for its configuration it is idle, until begun. */

struct viv_reap_config {
    uint64_t check_ms;   /* 0: never */
    uint64_t per_minute; /* >= 1 */
    int64_t never_used_ms;
};

struct viv_reap {
    struct viv_reap_config config;
    bool is_passing;
    viv_node_id cursor;           /* looked at last in this pass */
    uint64_t pass_at_ms, seen_ms; /* when the next pass begins; the last call of allow */
    uint64_t credit;              /* deletions times the milliseconds of a minute */
    unsigned looks_left;
};

/* From now on this server leads: the first pass comes one interval later. */
void viv_reap_begin(struct viv_reap *reap, uint64_t now_ms);
/* Once a tick: what may be looked at and deleted until the next one. */
void viv_reap_allow(struct viv_reap *reap, uint64_t now_ms);
/* The next node that is to go; VIV_NODE_NONE: none for now. */
viv_node_id viv_reap_next(struct viv_reap *reap, const struct viv_tree *tree, int64_t wall_ms);

#endif /* VIV_NODE_REAP_H */
