#include "tree/sessions.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"

enum { BUCKETS_MIN = 16 };

void viv_sessions_init(struct viv_sessions *sessions)
{
    *sessions = (struct viv_sessions){.bucket_count = BUCKETS_MIN};
    viv_slab_init(&sessions->items, sizeof(struct viv_session_item));
    sessions->buckets = viv_alloc_zeroed(BUCKETS_MIN, sizeof *sessions->buckets);
}

void viv_sessions_fini(struct viv_sessions *sessions)
{
    viv_slab_fini(&sessions->items);
    free(sessions->buckets);
    *sessions = (struct viv_sessions){0};
}

struct viv_session_item *viv_session_at(const struct viv_sessions *sessions, uint32_t id)
{
    return viv_slab_at(&sessions->items, id);
}

static uint32_t *bucket_of(const struct viv_sessions *sessions, int64_t session_id)
{
    return &sessions->buckets[viv_mix64((uint64_t)session_id) & (sessions->bucket_count - 1)];
}

uint32_t viv_sessions_find(const struct viv_sessions *sessions, int64_t session_id)
{
    uint32_t id = *bucket_of(sessions, session_id);
    while (id != 0 && viv_session_at(sessions, id)->session_id != session_id) {
        id = viv_session_at(sessions, id)->next;
    }
    return id;
}

static void grow_buckets(struct viv_sessions *sessions)
{
    uint32_t *old = sessions->buckets;
    uint32_t old_count = sessions->bucket_count;
    sessions->bucket_count *= 2;
    sessions->buckets = viv_alloc_zeroed(sessions->bucket_count, sizeof *sessions->buckets);
    for (uint32_t i = 0; i < old_count; i++) {
        for (uint32_t id = old[i]; id != 0;) {
            struct viv_session_item *item = viv_session_at(sessions, id);
            uint32_t next = item->next;
            uint32_t *bucket = bucket_of(sessions, item->session_id);
            item->next = *bucket;
            *bucket = id;
            id = next;
        }
    }
    free(old);
}

uint32_t viv_sessions_need(struct viv_sessions *sessions, int64_t session_id)
{
    uint32_t id = viv_sessions_find(sessions, session_id);
    if (id != 0) {
        return id;
    }
    if (sessions->items.live_count >= sessions->bucket_count) {
        grow_buckets(sessions);
    }
    id = viv_slab_alloc(&sessions->items);
    uint32_t *bucket = bucket_of(sessions, session_id);
    *viv_session_at(sessions, id) = (struct viv_session_item){.next = *bucket, .session_id = session_id, .used = true};
    *bucket = id;
    return id;
}

void viv_sessions_tidy(struct viv_sessions *sessions, uint32_t id)
{
    struct viv_session_item *item = viv_session_at(sessions, id);
    VIV_ASSERT(item->used);
    if (item->open || item->ephemeral_count > 0) {
        return;
    }
    uint32_t *link = bucket_of(sessions, item->session_id);
    while (*link != id) {
        link = &viv_session_at(sessions, *link)->next;
    }
    *link = item->next;
    viv_slab_free(&sessions->items, id);
}

void viv_sessions_link(struct viv_sessions *sessions, const struct viv_znodes *znodes, viv_node_id id)
{
    struct viv_slot_ext *ext = viv_slot_ext_of(znodes, viv_slot_at(znodes, id));
    VIV_ASSERT(ext != NULL && viv_owner_is_session(ext->owner));
    struct viv_session_item *item = viv_session_at(sessions, viv_sessions_need(sessions, ext->owner));
    ext->previous_ephemeral = VIV_NODE_NONE;
    ext->next_ephemeral = item->first_ephemeral;
    if (item->first_ephemeral != VIV_NODE_NONE) {
        viv_slot_ext_of(znodes, viv_slot_at(znodes, item->first_ephemeral))->previous_ephemeral = id;
    }
    item->first_ephemeral = id;
    item->ephemeral_count++;
}

void viv_sessions_unlink(struct viv_sessions *sessions, const struct viv_znodes *znodes, viv_node_id id)
{
    struct viv_slot_ext *ext = viv_slot_ext_of(znodes, viv_slot_at(znodes, id));
    VIV_ASSERT(ext != NULL);
    uint32_t session = viv_sessions_find(sessions, ext->owner);
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
    viv_sessions_tidy(sessions, session);
}
