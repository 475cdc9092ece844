#include "tree/bookmark.h"

#include "base/assert.h"
#include "tree/tree_internal.h"

void viv_bookmark_set(struct viv_tree *tree, struct viv_bookmark *bookmark, const struct viv_znode *parent)
{
    *bookmark = (struct viv_bookmark){
        .parent = parent->id,
        .parent_czxid = parent->czxid,
        .child = viv_tree_next_child(tree, parent->id, VIV_NODE_NONE),
        .next = tree->bookmarks,
        .link = &tree->bookmarks,
    };
    if (bookmark->next != NULL) {
        bookmark->next->link = &bookmark->next;
    }
    tree->bookmarks = bookmark;
}

void viv_bookmark_remove(struct viv_bookmark *bookmark)
{
    VIV_ASSERT(*bookmark->link == bookmark);
    *bookmark->link = bookmark->next;
    if (bookmark->next != NULL) {
        bookmark->next->link = bookmark->link;
    }
}

viv_node_id viv_bookmark_step(const struct viv_tree *tree, struct viv_bookmark *bookmark)
{
    viv_node_id child = bookmark->child;
    if (child != VIV_NODE_NONE) {
        bookmark->child = viv_tree_next_child(tree, bookmark->parent, child);
    }
    return child;
}

void viv_bookmarks_leave(struct viv_tree *tree, viv_node_id id)
{
    for (struct viv_bookmark *bookmark = tree->bookmarks; bookmark != NULL; bookmark = bookmark->next) {
        if (bookmark->child == id) {
            bookmark->child = viv_tree_next_child(tree, bookmark->parent, id);
        }
    }
}
