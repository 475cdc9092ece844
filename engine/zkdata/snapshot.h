#ifndef VIV_ZKDATA_SNAPSHOT_H
#define VIV_ZKDATA_SNAPSHOT_H

#include "base/status.h"
#include "wire/records.h"

/* Reads a snapshot file as Apache ZooKeeper 3.5 to 3.9 writes it, plain or gzip (on-disk-format.md §3). Checks the
 * structure and every seal that is present. Knows nothing of our own formats, and does not replay logs. */

/* One znode, in the file's order: parents before children. Borrows for the call. */
struct viv_zk_node {
    struct viv_bytes path; /* "/" for the root */
    struct viv_jute_slice data;
    struct viv_bytes acl; /* raw vector<ACL>; empty when the file's table lacks the key (a fuzzy snapshot) */
    uint64_t czxid, mzxid, pzxid;
    int64_t ctime_ms, mtime_ms;
    int32_t version, child_counter, aversion;
    int64_t owner; /* raw: 0, a session id, a container or TTL mark */
};

struct viv_zk_snapshot_info {
    uint64_t nodes, sessions, acls;
    uint64_t raw_bytes;
    bool has_digest;
    uint64_t digest_zxid, digest;
};

typedef viv_status viv_zk_node_fn(void *ctx, const struct viv_zk_node *node);

/* Calls `visit` for every znode. VIV_ERR_NOT_FOUND, VIV_ERR_CORRUPT (structure or seal; the log line names file and
 * offset), VIV_ERR_LIMIT (more than 8 GiB unpacked), or what visit returned. *info is set on VIV_OK. */
viv_status viv_zk_snapshot_read(const char *file, viv_zk_node_fn *visit, struct viv_zk_snapshot_info *info,
                                void *ctx) VIV_MUST_USE;

#endif /* VIV_ZKDATA_SNAPSHOT_H */
