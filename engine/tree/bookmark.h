#ifndef VIV_TREE_BOOKMARK_H
#define VIV_TREE_BOOKMARK_H

#include "tree/tree.h"

/* A place in a list of children that stays good while the tree changes: when the child that it stands at goes, it moves
 * on to the next. New children come in front of all others, so a walk from the first child to the end meets each child
 * that exists throughout exactly once. Setting and removing one is O(1); while some are set, every removal of a node
 * looks at each of them. */

struct viv_bookmark {
    viv_node_id parent;
    uint64_t parent_czxid; /* tells the node from a later one in its slot */
    viv_node_id child;     /* the next to be read; VIV_NODE_NONE at the end */
    struct viv_bookmark *next, **link;
};

/* At the first child. The record is the caller's and stays where it is until it is removed; all of a tree's bookmarks
 * are removed before the tree is freed. */
void viv_bookmark_set(struct viv_tree *tree, struct viv_bookmark *bookmark, const struct viv_znode *parent);
void viv_bookmark_remove(struct viv_bookmark *bookmark);
/* The child it stands at, and one step on; VIV_NODE_NONE at the end. */
viv_node_id viv_bookmark_step(const struct viv_tree *tree, struct viv_bookmark *bookmark);

/* For the tree: the node is about to go. */
void viv_bookmarks_leave(struct viv_tree *tree, viv_node_id id);

#endif /* VIV_TREE_BOOKMARK_H */
