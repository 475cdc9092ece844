#ifndef VIV_TREE_ACL_TABLE_H
#define VIV_TREE_ACL_TABLE_H

#include "base/lookup.h"
#include "tree/slab.h"
#include "wire/records.h"

/* Each distinct ACL list once: ids <-> raw vector<ACL>, counted by the nodes that refer to it. Id 0 is open_unsafe (key
 * -1 in ZooKeeper's files), never counted and never stored. Does not know what a list grants. */

struct viv_acl_item { /* an element of the slab; size 0 = not in use */
    uint32_t size;
    uint32_t references;
    uint64_t hash; /* of the bytes */
    uint8_t *bytes;
};

struct viv_acl_table {
    struct viv_slab items;
    struct viv_lookup lookup;
    uint64_t list_bytes;
};

void viv_acl_table_init(struct viv_acl_table *table);
void viv_acl_table_fini(struct viv_acl_table *table);
/* The id of a list, new if need be, with one reference more. */
uint32_t viv_acl_table_intern(struct viv_acl_table *table, struct viv_bytes list, bool *is_new);
/* One reference more to a list in use, or to id 0. */
void viv_acl_table_refer(struct viv_acl_table *table, uint32_t id);
/* One reference less; true when that was the last and the id is free now. */
bool viv_acl_table_drop(struct viv_acl_table *table, uint32_t id);
/* NULL for id 0 and for ids that are not in use. */
struct viv_acl_item *viv_acl_table_item(const struct viv_acl_table *table, uint32_t id);
struct viv_bytes viv_acl_table_list(const struct viv_acl_table *table, uint32_t id);
/* 0 for id 0. */
uint64_t viv_acl_table_hash(const struct viv_acl_table *table, uint32_t id);

/* Loading: a list at a given id, unreferenced; false when the id is taken. Then end, then sweep what stayed
 * unreferenced by dropping it. */
bool viv_acl_table_claim(struct viv_acl_table *table, uint32_t id, struct viv_bytes list);
void viv_acl_table_claim_end(struct viv_acl_table *table);
/* Frees an item without references. */
void viv_acl_table_discard(struct viv_acl_table *table, uint32_t id);

#endif /* VIV_TREE_ACL_TABLE_H */
