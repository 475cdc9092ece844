#ifndef VIV_TREE_APPLY_H
#define VIV_TREE_APPLY_H

#include "base/arena.h"
#include "tree/tree.h"

/* Transaction -> tree. Every committed entry goes through this one function, live and at recovery. */

enum viv_apply_mode {
    VIV_APPLY_LIVE,   /* the tree is exact: what the leader prepared must fit, or the replica has diverged (assert) */
    VIV_APPLY_REPLAY, /* over a fuzzy image: idempotent, rules of on-disk-format.md §5 */
};

/* A node-level effect, for watches. The lists are raw vector<ACL>: who may hear of it is who may read the node as it
 * was before the change (created: as it is), and for the parent's children the parent. Empty: everybody. Path and lists
 * live in the arena or in the body. */
enum viv_change_kind { VIV_CHANGE_CREATED, VIV_CHANGE_DELETED, VIV_CHANGE_DATA };
struct viv_change {
    enum viv_change_kind kind;
    struct viv_bytes path;
    struct viv_bytes acl, parent_acl; /* the latter not of DATA */
};

/* What one operation of the transaction came to; a multi has several. */
struct viv_apply_result {
    int32_t type; /* as in the transaction; -1 error */
    int32_t err;
    struct viv_bytes path; /* create family: the final path */
    struct viv_stat stat;  /* create family, setData, setACL: right after this operation */
};

struct viv_applied {
    struct viv_txn_header header;
    struct viv_apply_result *results; /* one, or one per sub-operation of a multi */
    size_t result_count;
    bool is_multi;
    struct viv_change *changes; /* in order of the operations */
    size_t change_count;
    bool malformed; /* the body could not be decoded: nothing was applied */
};

/* Applies the body of one entry. Updates the tree's zxid after the whole record. Everything in *applied lives in the
 * arena. In REPLAY mode changes and stats are not filled. */
void viv_tree_apply(struct viv_tree *tree, struct viv_bytes body, enum viv_apply_mode mode, struct viv_arena *arena,
                    struct viv_applied *applied);

/* The ensemble has a configuration whose transaction is not in the log, or not yet: /zookeeper/config shows it. Like
 * all below /zookeeper it counts in no digest. */
void viv_tree_show_members(struct viv_tree *tree, struct viv_bytes text, uint64_t version, int64_t time_ms);

#endif /* VIV_TREE_APPLY_H */
