#ifndef VIV_ZKDATA_SNAPSHOT_H
#define VIV_ZKDATA_SNAPSHOT_H

#include "base/status.h"
#include "tree/tree.h"

/* Reads a snapshot file as Apache ZooKeeper 3.5 to 3.9 writes it, plain, gzip or snappy (on-disk-format.md §3): as a
 * stream, so that beside the tree only a window of the file is in memory. Checks the structure and every seal that is
 * present. Knows nothing of our own formats, and does not replay logs. */

struct viv_zk_snapshot_info {
    uint64_t nodes, sessions, acls;
    uint64_t raw_bytes; /* unpacked */
    bool has_digest;    /* of version 2; what older writers recorded is passed over */
    uint64_t digest_zxid, digest;
    bool has_last_zxid; /* 3.9: for a snapshot that has no name to tell its zxid */
    uint64_t last_zxid;
};

/* A new tree, owned by the caller, with `zxid` (the one in the file's name) as its last transaction. A fuzzy snapshot's
 * reference to an ACL list that its table lacks becomes a list that grants nothing.
 *
 * VIV_ERR_NOT_FOUND, VIV_ERR_CORRUPT (structure or seal; the log line names file and offset), VIV_ERR_LIMIT,
 * VIV_ERR_IO, VIV_ERR_SYSTEM. */
viv_status viv_zk_snapshot_load(const char *file, uint64_t zxid, struct viv_tree **tree,
                                struct viv_zk_snapshot_info *info) VIV_MUST_USE;

/* One znode, parents before children. Borrows for the call. */
struct viv_zk_node {
    struct viv_bytes path;  /* "/" for the root */
    struct viv_znode znode; /* as stored */
    struct viv_bytes acl;   /* raw vector<ACL> */
};

typedef viv_status viv_zk_node_fn(void *ctx, const struct viv_zk_node *node);

/* Calls `visit` for every znode at and below `path`; stops with its first other status than VIV_OK. VIV_ERR_NOT_FOUND:
 * there is no such znode. */
viv_status viv_zk_visit(const struct viv_tree *tree, struct viv_bytes path, viv_zk_node_fn *visit,
                        void *ctx) VIV_MUST_USE;

/* Load and visit in one. *info is set before the first visit. */
viv_status viv_zk_snapshot_read(const char *file, viv_zk_node_fn *visit, struct viv_zk_snapshot_info *info,
                                void *ctx) VIV_MUST_USE;

#endif /* VIV_ZKDATA_SNAPSHOT_H */
