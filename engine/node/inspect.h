#ifndef VIV_NODE_INSPECT_H
#define VIV_NODE_INSPECT_H

#include "node/connection.h"
#include "node/digests.h"
#include "node/node.h"
#include "node/watch.h"

/* What operators may see of a node beside the numbers of viv_node_stats(), and the few things they may reset. Plain
 * calls between steps; nothing here changes what clients meet. Long lists are walked with cursors, a few items at a
 * time, so that the loop never stands still for one of them. */

struct viv_connection_view {
    int64_t session_id; /* 0: none yet */
    int32_t timeout_ms;
    int64_t opened_wall_ms;
    uint64_t outstanding;
    struct viv_connection_stats stats;
};
/* False when there is no such connection. */
bool viv_node_connection(const struct viv_node *node, viv_conn conn, struct viv_connection_view *view);
void viv_node_reset_connection_stats(struct viv_node *node);
/* Packets and latencies of the server. */
void viv_node_reset_stats(struct viv_node *node);

/* For judging who is needed: as viv_zab_synced_voters and viv_zab_may_decide. */
size_t viv_node_synced_voters(const struct viv_node *node, viv_sid *sids);
bool viv_node_may_decide(const struct viv_node *node, const viv_sid *sids, size_t count);
/* What somebody at `address` who shows `auth` of `scheme`, as a client would, may do with "/". */
enum viv_authority {
    VIV_AUTHORITY_UNKNOWN, /* no such identity, or it was not proved */
    VIV_AUTHORITY_LESS,
    VIV_AUTHORITY_FULL, /* every permission */
};
enum viv_authority viv_node_authority(const struct viv_node *node, struct viv_bytes address, struct viv_bytes scheme,
                                      struct viv_bytes auth);
/* For walks over the whole tree (tree/image.h), which change nothing that anybody sees. It is replaced only while
 * nobody is served, turns after that began. */
struct viv_tree *viv_node_tree_to_walk(struct viv_node *node);
/* The newest image of the tree. wall_ms: when this process finished it; 0 when it was there at the start. */
struct viv_image_view {
    bool exists;
    uint64_t zxid;
    int64_t wall_ms;
};
void viv_node_image(const struct viv_node *node, struct viv_image_view *view);
const struct viv_watches *viv_node_watches(const struct viv_node *node);
const struct viv_digests *viv_node_digests(const struct viv_node *node);
/* When the session expires, on the clock of events; 0 when this server does not decide it. */
uint64_t viv_node_session_deadline_ms(const struct viv_node *node, int64_t session_id);
/* The same of a session that only this server knows; 0 when it is not one. */
uint64_t viv_node_local_deadline_ms(const struct viv_node *node, int64_t session_id);
/* Whether this server keeps the deadlines: it leads, or is alone. */
bool viv_node_keeps_deadlines(const struct viv_node *node);

#endif /* VIV_NODE_INSPECT_H */
