#ifndef VIV_TREE_TRACK_H
#define VIV_TREE_TRACK_H

#include "base/row.h"
#include "tree/id_set.h"

/* Which rows changed since the last walk began: a bit for each slot of the three tables, and the keys of rows that are
 * gone, kept as finished delete rows. A walk takes the set away and leaves an empty one behind; when the walk comes
 * to nothing the sets are joined again. Does not know what rows hold. */

enum viv_track_table { VIV_TRACK_NODES, VIV_TRACK_ACLS, VIV_TRACK_SESSIONS, VIV_TRACK_TABLES };

struct viv_track_set {
    struct viv_id_set bits[VIV_TRACK_TABLES];
    struct viv_buffer deletes; /* rows */
    uint64_t row_count;
};

struct viv_track {
    bool on;
    struct viv_track_set current;
    struct viv_track_set walking;
};

void viv_track_fini(struct viv_track *track);
/* The row of a slot is new or has changed. Nothing happens unless tracking is on. */
void viv_track_put(struct viv_track *track, enum viv_track_table table, uint32_t id);
/* The row of a slot is gone from the tree. */
void viv_track_delete(struct viv_track *track, enum viv_track_table table, uint32_t id, struct viv_bytes key);
/* As delete for a row that has no slot: loading dropped it. Remembered also while tracking is off. */
void viv_track_delete_stray(struct viv_track *track, struct viv_bytes key);
bool viv_track_has(const struct viv_track_set *set, enum viv_track_table table, uint32_t id);
/* The first id >= from whose bit is set; UINT32_MAX when there is none. */
uint32_t viv_track_next(const struct viv_track_set *set, enum viv_track_table table, uint32_t from);

void viv_track_walk_begin(struct viv_track *track);
void viv_track_walk_end(struct viv_track *track, bool committed);
uint64_t viv_track_memory_bytes(const struct viv_track *track);

#endif /* VIV_TREE_TRACK_H */
