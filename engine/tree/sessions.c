#include "tree/sessions.h"

#include "base/assert.h"
#include "base/rng.h"

void viv_session_table_init(struct viv_session_table *sessions)
{
    *sessions = (struct viv_session_table){0};
    viv_slab_init(&sessions->items, sizeof(struct viv_session_item));
}

void viv_session_table_fini(struct viv_session_table *sessions)
{
    viv_slab_fini(&sessions->items);
    viv_lookup_fini(&sessions->lookup);
    *sessions = (struct viv_session_table){0};
}

struct viv_session_item *viv_session_at(const struct viv_session_table *sessions, uint32_t id)
{
    return viv_slab_at(&sessions->items, id);
}

static uint32_t hash_of(int64_t session_id)
{
    return (uint32_t)viv_mix64((uint64_t)session_id);
}

uint32_t viv_session_table_find(const struct viv_session_table *sessions, int64_t session_id)
{
    uint32_t cursor = 0;
    uint32_t id;
    while ((id = viv_lookup_next(&sessions->lookup, hash_of(session_id), &cursor)) != VIV_LOOKUP_NONE) {
        if (viv_session_at(sessions, id)->session_id == session_id) {
            return id;
        }
    }
    return 0;
}

uint32_t viv_session_table_need(struct viv_session_table *sessions, int64_t session_id)
{
    uint32_t id = viv_session_table_find(sessions, session_id);
    if (id == 0) {
        id = viv_slab_alloc(&sessions->items);
        *viv_session_at(sessions, id) = (struct viv_session_item){.session_id = session_id, .used = true};
        viv_lookup_add(&sessions->lookup, hash_of(session_id), id);
    }
    return id;
}

void viv_session_table_tidy(struct viv_session_table *sessions, uint32_t id)
{
    const struct viv_session_item *item = viv_session_at(sessions, id);
    VIV_ASSERT(item->used);
    if (!item->open && item->ephemeral_count == 0) {
        viv_lookup_remove(&sessions->lookup, hash_of(item->session_id), id);
        viv_slab_free(&sessions->items, id);
    }
}

void viv_session_table_link(struct viv_session_table *sessions, const struct viv_znodes *znodes, viv_node_id id)
{
    struct viv_slot_ext *ext = viv_slot_ext_of(znodes, viv_slot_at(znodes, id));
    VIV_ASSERT(ext != NULL && viv_owner_is_session(ext->owner));
    struct viv_session_item *item = viv_session_at(sessions, viv_session_table_need(sessions, ext->owner));
    ext->previous_ephemeral = VIV_NODE_NONE;
    ext->next_ephemeral = item->first_ephemeral;
    if (item->first_ephemeral != VIV_NODE_NONE) {
        viv_slot_ext_of(znodes, viv_slot_at(znodes, item->first_ephemeral))->previous_ephemeral = id;
    }
    item->first_ephemeral = id;
    item->ephemeral_count++;
}

void viv_session_table_unlink(struct viv_session_table *sessions, const struct viv_znodes *znodes, viv_node_id id)
{
    struct viv_slot_ext *ext = viv_slot_ext_of(znodes, viv_slot_at(znodes, id));
    VIV_ASSERT(ext != NULL);
    uint32_t session = viv_session_table_find(sessions, ext->owner);
    VIV_ASSERT(session != 0);
    struct viv_session_item *item = viv_session_at(sessions, session);
    VIV_ASSERT(item->ephemeral_count > 0);
    if (ext->next_ephemeral != VIV_NODE_NONE) {
        viv_slot_ext_of(znodes, viv_slot_at(znodes, ext->next_ephemeral))->previous_ephemeral = ext->previous_ephemeral;
    }
    if (ext->previous_ephemeral != VIV_NODE_NONE) {
        viv_slot_ext_of(znodes, viv_slot_at(znodes, ext->previous_ephemeral))->next_ephemeral = ext->next_ephemeral;
    } else {
        item->first_ephemeral = ext->next_ephemeral;
    }
    item->ephemeral_count--;
    viv_session_table_tidy(sessions, session);
}
