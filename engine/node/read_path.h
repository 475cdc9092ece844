#ifndef VIV_NODE_READ_PATH_H
#define VIV_NODE_READ_PATH_H

#include "node/limit.h"
#include "node/watch.h"
#include "tree/tree.h"

/* Serves reads from the local tree, and sets and removes watches: a pure function of tree, watches and request
 * (client-protocol.md §5.1, §7, §13). Which error wins, and whether a watch is left behind by a failure, is decided
 * here.
 *
 * It does not know sessions, order or headers: the caller has checked that the session lives, waits for the earlier
 * writes of the connection, and writes the reply header with the code returned here and the tree's zxid.
 *
 * Served: exists, getData, getACL, getChildren, getChildren2, checkWatches, removeWatches, multiRead, setWatches,
 * setWatches2, getEphemerals, getAllChildrenNumber, addWatch, whoAmI. Not served here: sync and ping (the caller's,
 * they have an order but no reading), auth and sasl (of the connection). Any other opcode that is neither served here
 * nor a write (viv_prepare_is_write) is to be answered with VIV_REPLY_UNIMPLEMENTED, zxid -1, and a close. */

/* How much a read may take (node/policy.h): beyond it, it is refused and changes nothing, but for a setWatches that
 * finds no room for all its watches: its connection is to be closed. */
struct viv_read_bounds {
    uint64_t watches_max, watches_per_connection_max, reply_bytes_max;
    bool is_hit; /* set when a read was refused for this reason: */
    enum viv_limit limit;
};

struct viv_read {
    viv_conn conn;
    int64_t session_id;        /* for getEphemerals */
    int32_t op;                /* enum viv_op */
    struct viv_bytes record;   /* the request record after its header */
    struct viv_bytes authinfo; /* raw vector<Id>, count first; empty = none */
    struct viv_read_bounds *bounds;
    bool skips_acl; /* every list grants everything */
};

/* Does the node's list grant one of `perms` to who reads? */
bool viv_read_may(const struct viv_tree *tree, const struct viv_znode *node, int32_t perms,
                  const struct viv_read *read);

/* True when viv_read_serve may be called for this opcode. */
bool viv_read_is_served(int32_t op);

/* Returns the reply code. Appends the reply record to `record` when it is VIV_REPLY_OK, else nothing. Appends to
 * `events` the notification frames that must precede the reply on this connection (setWatches only). */
int32_t viv_read_serve(const struct viv_tree *tree, struct viv_watches *watches, const struct viv_read *read,
                       struct viv_buffer *events, struct viv_buffer *record);

#endif /* VIV_NODE_READ_PATH_H */
