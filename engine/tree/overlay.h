#ifndef VIV_TREE_OVERLAY_H
#define VIV_TREE_OVERLAY_H

#include "base/lookup.h"
#include "tree/tree.h"
#include "tree/usage_sums.h"

/* The tree as it will be once everything proposed is applied: lookups see the newest pending record of a path or a
 * session, else the tree. Records vanish when the transaction that made them is applied, or when the multi that made
 * them fails. What they change of the usage of quotas is summed up. Private to the room.
 *
 * It does not know requests, rules or reply codes. */

enum viv_overlay_kind { VIV_OVERLAY_NODE, VIV_OVERLAY_SESSION };

/* What there is to know of a node in order to judge a request; `exists` false: there is none. */
struct viv_overlay_node {
    bool exists;
    int32_t version, aversion, child_counter;
    uint32_t child_count, data_bytes;
    int64_t owner;
    struct viv_bytes acl; /* borrowed until the overlay or the tree changes */
};

struct viv_overlay_record {
    enum viv_overlay_kind kind;
    uint64_t zxid;
    uint32_t hash;
    bool is_latest;        /* of its key */
    uint32_t older, newer; /* in the order of their making; `newer` also chains free records */
    uint32_t shadowed;     /* the record of the same key that was the latest before */
    struct viv_buffer key; /* a path ("" for the root), or the 8 bytes of a session id */
    struct viv_buffer acl; /* owned when the list is pending itself */
    bool has_acl;
    uint32_t acl_id; /* otherwise the tree's, which stays that of the node until a pending list is applied */
    struct viv_overlay_node node; /* .acl unused; of a session: only `exists` */
    viv_node_id quota;            /* whose usage it changes; VIV_NODE_NONE: of none */
    struct viv_usage change;
    bool is_summed;
};

struct viv_overlay {
    const struct viv_tree *tree;
    struct viv_overlay_record *records;
    uint32_t record_count, record_capacity; /* slots ever used, slots allocated */
    uint32_t oldest, newest, free;
    struct viv_lookup by_key;   /* latest records */
    struct viv_lookup by_owner; /* latest records of ephemerals that exist, by session */
    struct viv_usage_sums sums; /* of the records in front of `unsummed`; NONE: of all */
    uint32_t unsummed;
};

void viv_overlay_init(struct viv_overlay *overlay, const struct viv_tree *tree);
void viv_overlay_fini(struct viv_overlay *overlay);

/* False when there will be no such node. "/" is looked up as "". */
bool viv_overlay_find(const struct viv_overlay *overlay, struct viv_bytes path, struct viv_overlay_node *node);
/* True when something on its way changes the node at path, its list of children included. */
bool viv_overlay_is_pending(const struct viv_overlay *overlay, struct viv_bytes path);
/* The node at path will be as `node` says. A NULL acl keeps the list that the node has. */
void viv_overlay_put(struct viv_overlay *overlay, struct viv_bytes path, uint64_t zxid,
                     const struct viv_overlay_node *node, const struct viv_bytes *acl);

/* What the transactions before this one will change of a quota's usage. */
struct viv_usage viv_overlay_usage_before(struct viv_overlay *overlay, viv_node_id quota, uint64_t zxid);

bool viv_overlay_session_lives(const struct viv_overlay *overlay, int64_t session_id);
void viv_overlay_put_session(struct viv_overlay *overlay, int64_t session_id, uint64_t zxid, bool lives);

/* Paths in the order of their bytes; all-zero is empty. */
struct viv_path_list {
    struct viv_buffer text;
    struct viv_bytes *items; /* into text */
    size_t count, capacity;
};
void viv_path_list_fini(struct viv_path_list *list);
/* Fills an empty list with the ephemerals that the session will own. */
void viv_overlay_ephemerals(const struct viv_overlay *overlay, int64_t session_id, struct viv_path_list *list);

/* Everything up to zxid is in the tree now. */
void viv_overlay_applied(struct viv_overlay *overlay, uint64_t zxid);
/* Takes back the records of this zxid, which must be the newest. */
void viv_overlay_rollback(struct viv_overlay *overlay, uint64_t zxid);

#endif /* VIV_TREE_OVERLAY_H */
