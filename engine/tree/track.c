#include "tree/track.h"

#include "base/assert.h"

static void fini_set(struct viv_track_set *set)
{
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        viv_id_set_fini(&set->bits[table]);
    }
    viv_buffer_fini(&set->deletes);
    *set = (struct viv_track_set){0};
}

void viv_track_fini(struct viv_track *track)
{
    fini_set(&track->current);
    fini_set(&track->walking);
}

void viv_track_put(struct viv_track *track, enum viv_track_table table, uint32_t id)
{
    if (!track->on) {
        return;
    }
    track->current.row_count += viv_id_set_add(&track->current.bits[table], id) ? 1 : 0;
}

void viv_track_delete_stray(struct viv_track *track, struct viv_bytes key)
{
    viv_row_append(&track->current.deletes, &(struct viv_row){VIV_ROW_DELETE, key, {0}});
    track->current.row_count++;
}

void viv_track_delete(struct viv_track *track, enum viv_track_table table, uint32_t id, struct viv_bytes key)
{
    if (!track->on) {
        return;
    }
    track->current.row_count -= viv_id_set_remove(&track->current.bits[table], id) ? 1 : 0;
    viv_track_delete_stray(track, key);
}

bool viv_track_has(const struct viv_track_set *set, enum viv_track_table table, uint32_t id)
{
    return viv_id_set_has(&set->bits[table], id);
}

uint32_t viv_track_next(const struct viv_track_set *set, enum viv_track_table table, uint32_t from)
{
    return viv_id_set_next(&set->bits[table], from);
}

static void clear_set(struct viv_track_set *set)
{
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        viv_id_set_clear(&set->bits[table]);
    }
    viv_buffer_clear(&set->deletes);
    set->row_count = 0;
}

void viv_track_walk_begin(struct viv_track *track)
{
    VIV_ASSERT(track->walking.row_count == 0);
    struct viv_track_set taken = track->current;
    track->current = track->walking;
    track->walking = taken;
}

void viv_track_walk_end(struct viv_track *track, bool committed)
{
    if (!committed) {
        struct viv_bytes rows = viv_buffer_bytes(&track->walking.deletes);
        struct viv_row row;
        while (viv_row_next(&rows, &row)) {
            viv_track_delete_stray(track, row.key);
        }
        VIV_ASSERT(rows.size == 0);
        for (int table = 0; table < VIV_TRACK_TABLES; table++) {
            track->current.row_count += viv_id_set_join(&track->current.bits[table], &track->walking.bits[table]);
        }
    }
    clear_set(&track->walking);
}

static uint64_t set_memory_bytes(const struct viv_track_set *set)
{
    uint64_t bytes = set->deletes.capacity;
    for (int table = 0; table < VIV_TRACK_TABLES; table++) {
        bytes += viv_id_set_memory_bytes(&set->bits[table]);
    }
    return bytes;
}

uint64_t viv_track_memory_bytes(const struct viv_track *track)
{
    return set_memory_bytes(&track->current) + set_memory_bytes(&track->walking);
}
