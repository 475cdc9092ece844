#ifndef VIV_TREE_INDEX_H
#define VIV_TREE_INDEX_H

#include "tree/znode.h"

/* (parent id, name) -> node id. Extendible hashing: a directory over the top bits of the hash points to segments of
 * open addressing, which split one at a time, so that growth never rehashes the whole. A segment keeps one tag byte for
 * each slot (7 bits of the hash) apart from the ids, and a probe looks at 16 tags at once. Deterministic: the hash has
 * no random seed. Names are compared in the nodes; the index holds no bytes of them.
 *
 * Names made to collide on purpose fill one segment only: beyond a depth that honest names do not reach, a segment
 * grows instead of splitting, and the directory stays small. */

struct viv_index_segment;

struct viv_index {
    struct viv_index_segment **directory; /* 1 << depth */
    uint32_t depth;
    uint64_t count;
    uint64_t memory_bytes;
};

void viv_index_init(struct viv_index *index);
void viv_index_fini(struct viv_index *index);
/* Makes room for `count` entries at once; the index is still empty. */
void viv_index_reserve(struct viv_index *index, uint64_t count);

uint64_t viv_index_hash(viv_node_id parent, struct viv_bytes name);
/* Starts fetching what find and insert will touch first. */
void viv_index_prefetch(const struct viv_index *index, uint64_t hash);
/* VIV_NODE_NONE when there is no such child. */
viv_node_id viv_index_find(const struct viv_index *index, const struct viv_znodes *znodes, uint64_t hash,
                           viv_node_id parent, struct viv_bytes name);
/* The entry must be absent; the slot must hold parent and name already. */
void viv_index_insert(struct viv_index *index, const struct viv_znodes *znodes, uint64_t hash, viv_node_id id);
/* The entry must be present. */
void viv_index_remove(struct viv_index *index, uint64_t hash, viv_node_id id);

#endif /* VIV_TREE_INDEX_H */
