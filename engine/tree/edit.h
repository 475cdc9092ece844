#ifndef VIV_TREE_EDIT_H
#define VIV_TREE_EDIT_H

#include "tree/tree_internal.h"

/* The only way a tree changes once it is loaded: every edit keeps index, lists, digests, counts and change tracking in
 * step. Edits do not judge; whether a transaction may do this is apply's business. */

/* What a list that nobody can read any more is replaced by: it grants nothing to anyone. (A node of a fuzzy image may
 * refer to a list that is not in its table; a later record brings the right one.) */
struct viv_bytes viv_edit_acl_unresolved(void);
/* The id of a list, with a reference for the caller to hand on. */
uint32_t viv_edit_acl(struct viv_tree *tree, struct viv_bytes list);
void viv_edit_acl_drop(struct viv_tree *tree, uint32_t acl_id);

/* Adds a node under fields->parent (VIV_NODE_NONE for the root, which gets VIV_NODE_ROOT); takes the reference to
 * fields->acl_id. `path` is the node's own, "" for the root. The parent must exist, must not be an ephemeral, and has
 * no such child; its stat is left alone. */
viv_node_id viv_edit_insert(struct viv_tree *tree, const struct viv_znode *fields, struct viv_bytes path);
/* The node must have no children; its parent's stat is left alone. */
void viv_edit_remove(struct viv_tree *tree, viv_node_id id);
/* A node with all that is below it. */
void viv_edit_remove_all(struct viv_tree *tree, viv_node_id id);
/* The parent's side of a creation and of a deletion (on-disk-format.md §5): never lowers anything. */
void viv_edit_child_created(struct viv_tree *tree, viv_node_id parent, int32_t parent_cversion, uint64_t zxid);
void viv_edit_child_deleted(struct viv_tree *tree, viv_node_id parent, uint64_t zxid);

struct viv_edit_data {
    struct viv_bytes path;
    struct viv_jute_slice data;
    int32_t version;
    uint64_t zxid;
    int64_t time_ms;
};
void viv_edit_set_data(struct viv_tree *tree, viv_node_id id, const struct viv_edit_data *edit);
/* The server's own bookkeeping: version, zxid and time stay. Not for the root. */
void viv_edit_rewrite_data(struct viv_tree *tree, viv_node_id id, struct viv_bytes data);
void viv_edit_set_acl(struct viv_tree *tree, viv_node_id id, struct viv_bytes list);
void viv_edit_set_aversion(struct viv_tree *tree, viv_node_id id, int32_t aversion);

void viv_edit_open_session(struct viv_tree *tree, int64_t session_id, int32_t timeout_ms);
/* Leaves its ephemerals alone. */
void viv_edit_close_session(struct viv_tree *tree, int64_t session_id);

/* True when a child of this node counts 0 in the digest. */
bool viv_edit_hides_children(const struct viv_tree *tree, viv_node_id parent);
/* A node with that owner is there: it hangs in the list of its session, or counts as one that goes by itself. */
void viv_edit_join_owner(struct viv_tree *tree, viv_node_id id, int64_t owner);
/* First in the list of the parent's children; the parent gets an extension. */
void viv_edit_link_child(struct viv_tree *tree, viv_node_id id);

#endif /* VIV_TREE_EDIT_H */
