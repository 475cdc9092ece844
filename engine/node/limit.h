#ifndef VIV_NODE_LIMIT_H
#define VIV_NODE_LIMIT_H

#include "base/rate.h"

/* Limits that clients run into (node/policy.h): how often, and one line in the log, not one for each. */

enum viv_limit {
    VIV_LIMIT_WATCHES_OF_CONNECTION,
    VIV_LIMIT_WATCHES,
    VIV_LIMIT_SESSIONS,
    VIV_LIMIT_NEW_SESSIONS,
    VIV_LIMIT_OVERLOAD,
    VIV_LIMIT_REPLY_BYTES,
    VIV_LIMIT_TREE_BYTES,
    VIV_LIMIT_KINDS,
};

struct viv_limits {
    uint64_t hits[VIV_LIMIT_KINDS];
    struct viv_log_gate gates[VIV_LIMIT_KINDS];
};

/* The configuration key that sets it. */
const char *viv_limit_key(enum viv_limit limit);
/* Somebody was refused by this limit. `whose`: a connection, or a session where the connection is elsewhere. */
void viv_limit_hit(struct viv_limits *limits, enum viv_limit limit, uint64_t whose, uint64_t now_ms);

#endif /* VIV_NODE_LIMIT_H */
