#ifndef VIV_TREE_TREE_INTERNAL_H
#define VIV_TREE_TREE_INTERNAL_H

#include "tree/acl_table.h"
#include "tree/image.h"
#include "tree/index.h"
#include "tree/quota.h"
#include "tree/sessions.h"
#include "tree/track.h"
#include "tree/znode.h"

/* The body of struct viv_tree, for the files of this room. */

enum viv_walk_phase {
    VIV_WALK_IDLE,
    VIV_WALK_DELETES,
    VIV_WALK_NODES,
    VIV_WALK_ACLS,
    VIV_WALK_SESSIONS,
    VIV_WALK_DONE,
};

struct viv_walk {
    enum viv_walk_phase phase;
    enum viv_walk_kind kind;
    uint64_t zxid;       /* of the tree when the walk began */
    uint32_t end;        /* ids from here on were not handed out then */
    uint32_t cursor;     /* next id of the phase's table */
    size_t deletes_done; /* bytes */
};

struct viv_tree {
    struct viv_znodes znodes;
    struct viv_index index;
    struct viv_acl_table acls;
    struct viv_session_table sessions;
    struct viv_track track;
    struct viv_walk walk;
    struct viv_quota_table quotas;
    struct viv_id_set reapable;      /* containers and TTL nodes */
    struct viv_tree_stream *streams; /* open ones */
    struct viv_bookmark *bookmarks;  /* set ones */
    uint64_t zxid;
    uint64_t digest, digest_extra;
    uint64_t ephemeral_count;
    uint64_t data_bytes;
    struct viv_buffer scratch; /* for one key or path at a time */
};

/* The id behind a path ("" and "/" are the root); VIV_NODE_NONE when there is none. */
viv_node_id viv_tree_find_id(const struct viv_tree *tree, struct viv_bytes path);
viv_node_id viv_tree_child_id(const struct viv_tree *tree, viv_node_id parent, struct viv_bytes name);
/* Could be the path of a node other than the root: nothing between two slashes is empty at its ends, nothing too long
 * for a row. (What characters it may have was judged when it was created.) */
bool viv_tree_path_is_sound(struct viv_bytes path);
/* In stream.c: the node is about to go, streams that would come to it next move past it. */
void viv_tree_streams_leave(struct viv_tree *tree, viv_node_id id);

#endif /* VIV_TREE_TREE_INTERNAL_H */
