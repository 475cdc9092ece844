#ifndef VIV_TREE_ZNODE_H
#define VIV_TREE_ZNODE_H

#include "tree/blob.h"
#include "tree/slab.h"
#include "tree/tree.h"

/* engine/tree, how it is built:
 *
 *   znode                64-byte nodes in a slab, 32-byte extensions, names and data in a blob arena (this file)
 *   index                (parent id, name) -> node id; the only way down, there are no per-directory maps
 *   acl_table, sessions  the side tables; ephemerals hang in a list of their session
 *   crc32, digest        ZooKeeper's sum over nodes, and ours over ACLs and sessions, both kept up with every change
 *   track                which rows changed since the last walk began
 *   edit                 the only place that changes a tree: keeps index, lists, digests, counts and track in step
 *   txn_record, apply    transactions -> edits, with the rules for a tree that is exact and for a fuzzy one
 *   row, walk, load      the tree as rows and back
 *   stream, loader       the tree in ZooKeeper's own format and back
 *
 * A leaf as most are (created once, perhaps set since) is its 64 bytes, five or so in the index, and its name and data.
 * Children are an intrusive list, newest first. A node has an extension as soon as it had a child, is ephemeral,
 * container or TTL, or had its ACL set; without one pzxid is czxid and the rest is zero. What does not fit the narrow
 * fields (names over 64 KiB, ACL ids over 16 bits, times outside 48 bits) goes to a wide record.
 *
 * This module stores fields. It does not know paths, digests or what a change means. */

enum viv_slot_flag {
    VIV_SLOT_LIVE = 1,
    VIV_SLOT_DATA_NULL = 2,
    VIV_SLOT_HIDDEN = 4,  /* below /zookeeper: counts 0 in the digest */
    VIV_SLOT_WIDE = 8,    /* ctime_ms is the id of a viv_slot_wide */
    VIV_SLOT_MARKED = 16, /* loading: the way to the root has been checked */
};

struct viv_slot {
    uint64_t czxid, mzxid;
    uint64_t ctime_ms : 48, name_bytes : 16;
    uint64_t mtime_ms : 48, acl_id : 16;
    int32_t version;
    uint32_t data_bytes : 24, flags : 8;
    uint32_t parent, next, previous; /* siblings */
    uint32_t blob;                   /* name, then data */
    uint32_t ext;
    uint32_t content_crc; /* CRC-32 of path and data: the part of the digest that is dear */
};

struct viv_slot_ext {
    uint64_t pzxid;
    int64_t owner;
    int32_t child_counter, aversion;
    union {
        struct {
            uint32_t child_count, first_child;
        };
        struct {
            uint32_t next_ephemeral, previous_ephemeral; /* of the same session; ephemerals have no children */
        };
    };
};

struct viv_slot_wide {
    int64_t ctime_ms, mtime_ms;
    uint32_t acl_id, name_bytes;
    uint64_t unused;
};

_Static_assert(sizeof(struct viv_slot) == 64, "a node is one cache line");
_Static_assert(sizeof(struct viv_slot_ext) == 32, "half a cache line");
_Static_assert(sizeof(struct viv_slot_wide) == sizeof(struct viv_slot_ext), "they share a slab");

struct viv_znodes {
    struct viv_slab slots;
    struct viv_slab exts; /* ext and wide records */
    struct viv_blobs blobs;
};

void viv_znodes_init(struct viv_znodes *znodes);
void viv_znodes_fini(struct viv_znodes *znodes);

static inline struct viv_slot *viv_slot_at(const struct viv_znodes *znodes, viv_node_id id)
{
    return (struct viv_slot *)viv_slab_at(&znodes->slots, id);
}

static inline struct viv_slot_wide *viv_slot_wide_of(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    return (struct viv_slot_wide *)viv_slab_at(&znodes->exts, (uint32_t)slot->ctime_ms);
}

/* NULL when the node has none. */
static inline struct viv_slot_ext *viv_slot_ext_of(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    return slot->ext == 0 ? NULL : (struct viv_slot_ext *)viv_slab_at(&znodes->exts, slot->ext);
}

static inline struct viv_bytes viv_slot_name(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    size_t size = slot->flags & VIV_SLOT_WIDE ? viv_slot_wide_of(znodes, slot)->name_bytes : slot->name_bytes;
    return (struct viv_bytes){size == 0 ? NULL : viv_blob_at(&znodes->blobs, slot->blob), size};
}

static inline uint32_t viv_slot_acl_id(const struct viv_znodes *znodes, const struct viv_slot *slot)
{
    return slot->flags & VIV_SLOT_WIDE ? viv_slot_wide_of(znodes, slot)->acl_id : slot->acl_id;
}

struct viv_jute_slice viv_slot_data(const struct viv_znodes *znodes, const struct viv_slot *slot);

/* The node's extension, made if need be. */
struct viv_slot_ext *viv_slot_need_ext(struct viv_znodes *znodes, struct viv_slot *slot);
/* Fills everything of a zeroed slot but links, id and content_crc from the public form (child_count is ignored). */
void viv_slot_fill(struct viv_znodes *znodes, struct viv_slot *slot, const struct viv_znode *from);
void viv_slot_set_data(struct viv_znodes *znodes, struct viv_slot *slot, struct viv_jute_slice data);
void viv_slot_set_mtime(struct viv_znodes *znodes, struct viv_slot *slot, int64_t mtime_ms);
void viv_slot_set_acl_id(struct viv_znodes *znodes, struct viv_slot *slot, uint32_t acl_id);
/* Gives back blob and extension; the slot itself is the caller's to free. */
void viv_slot_release(struct viv_znodes *znodes, struct viv_slot *slot);
/* The public form of a live slot. */
void viv_slot_read(const struct viv_znodes *znodes, viv_node_id id, struct viv_znode *node);

#endif /* VIV_TREE_ZNODE_H */
