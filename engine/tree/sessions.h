#ifndef VIV_TREE_SESSIONS_H
#define VIV_TREE_SESSIONS_H

#include "base/lookup.h"
#include "tree/znode.h"

/* The replicated session table, and for each session the list of its ephemerals. An id may have ephemerals without
 * being in the table (a fuzzy image, a session being closed): its item stays until both are gone. */

struct viv_session_item { /* an element of the slab; not in use when `used` is false */
    int64_t session_id;
    int32_t timeout_ms;
    viv_node_id first_ephemeral;
    uint32_t ephemeral_count;
    bool used;
    bool open; /* in the table */
};

struct viv_session_table {
    struct viv_slab items;
    struct viv_lookup lookup;
    uint64_t open_count;
};

void viv_session_table_init(struct viv_session_table *sessions);
void viv_session_table_fini(struct viv_session_table *sessions);
/* The item's id, 0 when there is none. */
uint32_t viv_session_table_find(const struct viv_session_table *sessions, int64_t session_id);
/* Finds or makes it; the caller opens it or hangs an ephemeral under it. */
uint32_t viv_session_table_need(struct viv_session_table *sessions, int64_t session_id);
struct viv_session_item *viv_session_at(const struct viv_session_table *sessions, uint32_t id);
/* Frees the item when it is neither open nor has ephemerals. */
void viv_session_table_tidy(struct viv_session_table *sessions, uint32_t id);

/* The node must have an extension and its owner set. */
void viv_session_table_link(struct viv_session_table *sessions, const struct viv_znodes *znodes, viv_node_id id);
void viv_session_table_unlink(struct viv_session_table *sessions, const struct viv_znodes *znodes, viv_node_id id);

#endif /* VIV_TREE_SESSIONS_H */
