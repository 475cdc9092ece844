#ifndef VIV_TREE_DIGEST_H
#define VIV_TREE_DIGEST_H

#include "tree/znode.h"

/* What single nodes and sessions contribute to the two sums over the tree (on-disk-format.md §6). */

/* CRC-32 of path ("" for the root) and data: the front part of a node's digest. */
uint32_t viv_digest_content(struct viv_bytes path, struct viv_bytes data);
/* ZooKeeper's node digest, version 2; needs content_crc. 0 for hidden nodes. */
uint64_t viv_digest_node(const struct viv_znodes *znodes, const struct viv_slot *slot);
/* Of a node's ACL list, 0 for open_unsafe. Binds it to the node without seeing ids: czxid and name. */
uint64_t viv_digest_acl(const struct viv_znodes *znodes, const struct viv_slot *slot, uint64_t list_hash);
uint64_t viv_digest_session(int64_t session_id, int32_t timeout_ms);

#endif /* VIV_TREE_DIGEST_H */
