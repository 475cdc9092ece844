#ifndef VIV_TREE_TREE_H
#define VIV_TREE_TREE_H

#include "base/entry.h"
#include "wire/records.h"

/* What the replicas of a group agree on: the znodes, their ACLs, and the replicated session table. The same
 * transactions give the same tree and the same digest everywhere.
 *
 * What it does not know: connections, watches, clocks, leadership, logs. Only committed transactions reach it
 * (tree/apply.h); reads are plain lookups. Node ids are slots of this replica's slab and mean nothing elsewhere.
 *
 * Memory: compact nodes in slabs, an extension record for inner, ephemeral and otherwise odd nodes, one hash table
 * keyed by (parent, name), a blob arena for names and data: at most 160 bytes all-in for a leaf with a 13-byte name
 * and 56 bytes of data. */

struct viv_tree;

typedef uint32_t viv_node_id;
enum { VIV_NODE_NONE = 0, VIV_NODE_ROOT = 1 };

/* Raw owner values, as in ZooKeeper's files: 0 persistent, a session id, container, or TTL in ms. */
#define VIV_OWNER_CONTAINER ((int64_t)0x8000000000000000)
#define VIV_OWNER_TTL_MARK  ((uint64_t)0xff00000000000000)
#define VIV_TTL_MS_MAX      ((INT64_C(1) << 40) - 1)

/* An ephemeral node's, as opposed to the marks of the others. */
static inline bool viv_owner_is_session(int64_t owner)
{
    return owner != 0 && owner != VIV_OWNER_CONTAINER && ((uint64_t)owner >> 56) != 0xff;
}

/* A znode must fit into one row (base/row.h): more data, or a longer name, is malformed for the tree and refused by
 * prepare. */
#define VIV_ZNODE_DATA_BYTES_MAX (15 << 20)

/* A znode as it stands; borrows until the tree changes. */
struct viv_znode {
    viv_node_id id, parent;
    uint64_t czxid, mzxid, pzxid;
    int64_t ctime_ms, mtime_ms;
    int32_t version, aversion;
    int32_t child_counter; /* stored cversion: creations below it; the source of sequence numbers */
    uint32_t child_count;
    int64_t owner; /* raw */
    uint32_t acl_id;
    struct viv_jute_slice data;
    struct viv_bytes name; /* last component; "" for the root */
};

/* A fresh tree: "/", /zookeeper, /zookeeper/config, /zookeeper/quota, zxid 0, digest 1371985504. */
struct viv_tree *viv_tree_new(void);
void viv_tree_free(struct viv_tree *tree);

/* "" and "/" are both the root. False when there is no such node. */
bool viv_tree_find(const struct viv_tree *tree, struct viv_bytes path, struct viv_znode *node);
bool viv_tree_find_child(const struct viv_tree *tree, viv_node_id parent, struct viv_bytes name,
                         struct viv_znode *node);
bool viv_tree_get(const struct viv_tree *tree, viv_node_id id, struct viv_znode *node);
/* Children in no particular order: start with VIV_NODE_NONE, returns VIV_NODE_NONE after the last. */
viv_node_id viv_tree_next_child(const struct viv_tree *tree, viv_node_id parent, viv_node_id child);
/* A walk in preorder of what is below `top`: start with top itself; VIV_NODE_NONE at its end. */
viv_node_id viv_tree_next_below(const struct viv_tree *tree, viv_node_id top, viv_node_id at);
/* What is below a node at any depth, itself not counted. A million take some hundredths of a second. */
struct viv_tree_sum {
    uint64_t nodes, data_bytes;
};
struct viv_tree_sum viv_tree_sum_below(const struct viv_tree *tree, viv_node_id top);
struct viv_bytes viv_tree_name(const struct viv_tree *tree, viv_node_id id);
/* Appends the full path ("/" for the root). */
void viv_tree_path(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *out);

/* Stat as clients see it: cversion = 2 * child_counter - child_count, owner 0 for container and TTL nodes. */
void viv_znode_stat(const struct viv_znode *node, struct viv_stat *stat);

/* The raw vector<ACL> (count first) behind an id. */
struct viv_bytes viv_tree_acl(const struct viv_tree *tree, uint32_t acl_id);

/* Sessions of the replicated table. */
bool viv_tree_session(const struct viv_tree *tree, int64_t session_id, int32_t *timeout_ms);
typedef void viv_tree_session_fn(void *ctx, int64_t session_id, int32_t timeout_ms);
void viv_tree_sessions(const struct viv_tree *tree, viv_tree_session_fn *visit, void *ctx); /* by ascending id */
/* The same a few at a time, in no order: *cursor begins at 0; false after the last one. The tree may change between two
 * calls: what comes or goes meanwhile may be missed. */
bool viv_tree_next_session(const struct viv_tree *tree, uint32_t *cursor, int64_t *session_id, int32_t *timeout_ms);
/* Ephemerals of one session, in no particular order; start with VIV_NODE_NONE. */
viv_node_id viv_tree_next_ephemeral(const struct viv_tree *tree, int64_t session_id, viv_node_id node);

struct viv_tree_counts {
    uint64_t nodes; /* with the root once */
    uint64_t ephemerals, sessions, data_bytes /* paths and data, ZooKeeper's approximate_data_size */, acls;
    uint64_t memory_bytes; /* what the tree holds allocated */
};
void viv_tree_counts(const struct viv_tree *tree, struct viv_tree_counts *counts);
/* Of memory_bytes, what nodes, lists and sessions take: without room that waits for new ones. */
uint64_t viv_tree_used_bytes(const struct viv_tree *tree);
uint64_t viv_tree_zxid(const struct viv_tree *tree);   /* last transaction applied */
uint64_t viv_tree_digest(const struct viv_tree *tree); /* ZooKeeper's, version 2 (on-disk-format.md §6) */
/* A second sum over ACL lists and sessions, which ZooKeeper's digest does not see. */
uint64_t viv_tree_digest_extra(const struct viv_tree *tree);

#endif /* VIV_TREE_TREE_H */
