#include "tree/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "tree/quota.h"
#include "tree/znode.h"

enum { NONE = 0xffffffff, KEPT_BYTES_MAX = 4096 };

enum { SESSION_KEY_BYTES = 8 };

struct session_key {
    uint8_t bytes[SESSION_KEY_BYTES];
};

static struct viv_bytes key_of_session(int64_t session_id, struct session_key *key)
{
    viv_store_be64(key->bytes, (uint64_t)session_id);
    return viv_bytes_of(key->bytes, sizeof key->bytes);
}

static uint32_t hash_of_owner(int64_t session_id)
{
    struct session_key key;
    return viv_lookup_hash(key_of_session(session_id, &key));
}

static struct viv_bytes key_of_path(struct viv_bytes path)
{
    return path.size == 1 && path.data[0] == '/' ? (struct viv_bytes){0} : path;
}

void viv_overlay_init(struct viv_overlay *overlay, const struct viv_tree *tree)
{
    VIV_ASSERT(tree != NULL);
    *overlay = (struct viv_overlay){.tree = tree, .oldest = NONE, .newest = NONE, .free = NONE, .unsummed = NONE};
}

void viv_overlay_fini(struct viv_overlay *overlay)
{
    for (uint32_t i = 0; i < overlay->record_count; i++) {
        viv_buffer_fini(&overlay->records[i].key);
        viv_buffer_fini(&overlay->records[i].acl);
    }
    free(overlay->records);
    viv_lookup_fini(&overlay->by_key);
    viv_lookup_fini(&overlay->by_owner);
    viv_usage_sums_fini(&overlay->sums);
}

/* ---- records ---- */

static uint32_t find_latest(const struct viv_overlay *overlay, enum viv_overlay_kind kind, struct viv_bytes key,
                            uint32_t hash)
{
    uint32_t cursor = 0, at;

    while ((at = viv_lookup_next(&overlay->by_key, hash, &cursor)) != VIV_LOOKUP_NONE) {
        const struct viv_overlay_record *record = &overlay->records[at];
        VIV_ASSERT(record->is_latest);
        if (record->kind == kind && viv_bytes_equal(viv_buffer_bytes(&record->key), key)) {
            return at;
        }
    }
    return NONE;
}

static bool owns_ephemeral(const struct viv_overlay_record *record)
{
    return record->kind == VIV_OVERLAY_NODE && record->node.exists && viv_owner_is_session(record->node.owner);
}

static void link_latest(struct viv_overlay *overlay, uint32_t at)
{
    struct viv_overlay_record *record = &overlay->records[at];
    VIV_ASSERT(!record->is_latest);
    record->is_latest = true;
    viv_lookup_add(&overlay->by_key, record->hash, at);
    if (owns_ephemeral(record)) {
        viv_lookup_add(&overlay->by_owner, hash_of_owner(record->node.owner), at);
    }
}

static void unlink_latest(struct viv_overlay *overlay, uint32_t at)
{
    struct viv_overlay_record *record = &overlay->records[at];
    VIV_ASSERT(record->is_latest);
    record->is_latest = false;
    viv_lookup_remove(&overlay->by_key, record->hash, at);
    if (owns_ephemeral(record)) {
        viv_lookup_remove(&overlay->by_owner, hash_of_owner(record->node.owner), at);
    }
}

static uint32_t take_slot(struct viv_overlay *overlay)
{
    uint32_t at = overlay->free;
    if (at != NONE) {
        overlay->free = overlay->records[at].newer;
        return at;
    }
    if (overlay->record_count == overlay->record_capacity) {
        overlay->record_capacity = overlay->record_capacity == 0 ? 64 : overlay->record_capacity * 2;
        overlay->records = viv_realloc(overlay->records, overlay->record_capacity * sizeof overlay->records[0]);
    }
    at = overlay->record_count++;
    overlay->records[at] = (struct viv_overlay_record){0};
    return at;
}

/* Buffers stay with the slot, so that a steady stream of writes allocates nothing; odd giants do not. */
static void clear_buffer(struct viv_buffer *buffer)
{
    if (buffer->capacity > KEPT_BYTES_MAX) {
        viv_buffer_fini(buffer);
    }
    viv_buffer_clear(buffer);
}

static void give_slot(struct viv_overlay *overlay, uint32_t at)
{
    struct viv_overlay_record *record = &overlay->records[at];
    clear_buffer(&record->key);
    clear_buffer(&record->acl);
    record->newer = overlay->free;
    overlay->free = at;
}

/* Makes the newest record: the latest of its key, in front of `shadowed`. The caller links it when it is filled. */
static uint32_t add_record(struct viv_overlay *overlay, enum viv_overlay_kind kind, struct viv_bytes key, uint32_t hash,
                           uint64_t zxid)
{
    uint32_t shadowed = find_latest(overlay, kind, key, hash);
    uint32_t at = take_slot(overlay);
    struct viv_overlay_record *record = &overlay->records[at];

    VIV_ASSERT(overlay->newest == NONE || overlay->records[overlay->newest].zxid <= zxid);
    viv_buffer_append_bytes(&record->key, key);
    record->kind = kind;
    record->zxid = zxid;
    record->hash = hash;
    record->is_latest = false;
    record->has_acl = false;
    record->acl_id = 0;
    record->quota = VIV_NODE_NONE;
    record->is_summed = false;
    record->shadowed = shadowed;
    record->older = overlay->newest;
    record->newer = NONE;
    if (overlay->newest == NONE) {
        overlay->oldest = at;
    } else {
        overlay->records[overlay->newest].newer = at;
    }
    overlay->newest = at;
    if (overlay->unsummed == NONE) {
        overlay->unsummed = at;
    }
    if (shadowed != NONE) {
        unlink_latest(overlay, shadowed);
    }
    return at;
}

/* The record is about to go, as the oldest or the newest. */
static void leave_sums(struct viv_overlay *overlay, uint32_t at)
{
    const struct viv_overlay_record *record = &overlay->records[at];
    if (overlay->unsummed == at) {
        overlay->unsummed = record->newer;
    }
    if (record->is_summed && record->quota != VIV_NODE_NONE) {
        viv_usage_sums_add(&overlay->sums, record->quota,
                           (struct viv_usage){-record->change.count, -record->change.bytes});
    }
}

void viv_overlay_applied(struct viv_overlay *overlay, uint64_t zxid)
{
    while (overlay->oldest != NONE && overlay->records[overlay->oldest].zxid <= zxid) {
        uint32_t at = overlay->oldest;
        struct viv_overlay_record *record = &overlay->records[at];
        if (record->is_latest) {
            unlink_latest(overlay, at);
        }
        leave_sums(overlay, at);
        overlay->oldest = record->newer;
        if (overlay->oldest == NONE) {
            overlay->newest = NONE;
        } else {
            overlay->records[overlay->oldest].older = NONE;
        }
        give_slot(overlay, at);
    }
}

void viv_overlay_rollback(struct viv_overlay *overlay, uint64_t zxid)
{
    while (overlay->newest != NONE && overlay->records[overlay->newest].zxid == zxid) {
        uint32_t at = overlay->newest;
        struct viv_overlay_record *record = &overlay->records[at];
        unlink_latest(overlay, at);
        leave_sums(overlay, at);
        overlay->newest = record->older;
        if (overlay->newest == NONE) {
            overlay->oldest = NONE;
        } else {
            overlay->records[overlay->newest].newer = NONE;
        }
        /* Nothing is applied between the making of a record and its rollback: what it shadowed is still there. */
        if (record->shadowed != NONE) {
            link_latest(overlay, record->shadowed);
        }
        give_slot(overlay, at);
    }
}

/* ---- nodes ---- */

static void node_of_tree(const struct viv_overlay *overlay, const struct viv_znode *from, struct viv_overlay_node *node)
{
    *node = (struct viv_overlay_node){
        .exists = true,
        .version = from->version,
        .aversion = from->aversion,
        .child_counter = from->child_counter,
        .child_count = from->child_count,
        .data_bytes = (uint32_t)from->data.bytes.size,
        .owner = from->owner,
        .acl = viv_tree_acl(overlay->tree, from->acl_id),
    };
}

static inline uint32_t find_pending(const struct viv_overlay *overlay, struct viv_bytes key)
{
    return overlay->by_key.count > 0 ? find_latest(overlay, VIV_OVERLAY_NODE, key, viv_lookup_hash(key)) : NONE;
}

bool viv_overlay_is_pending(const struct viv_overlay *overlay, struct viv_bytes path)
{
    return find_pending(overlay, key_of_path(path)) != NONE;
}

bool viv_overlay_find(const struct viv_overlay *overlay, struct viv_bytes path, struct viv_overlay_node *node)
{
    struct viv_bytes key = key_of_path(path);
    struct viv_znode from;
    uint32_t at = find_pending(overlay, key);

    if (at == NONE) {
        if (!viv_tree_find(overlay->tree, key, &from)) {
            return false;
        }
        node_of_tree(overlay, &from, node);
        return true;
    }
    const struct viv_overlay_record *record = &overlay->records[at];
    if (!record->node.exists) {
        return false;
    }
    *node = record->node;
    node->acl = record->has_acl ? viv_buffer_bytes(&record->acl) : viv_tree_acl(overlay->tree, record->acl_id);
    return true;
}

/* The list stays what it was: that of the shadowed record, or of the tree. */
static void keep_acl(struct viv_overlay *overlay, uint32_t at)
{
    struct viv_overlay_record *record = &overlay->records[at];
    struct viv_znode from;

    if (record->shadowed == NONE) {
        bool found = viv_tree_find(overlay->tree, viv_buffer_bytes(&record->key), &from);
        VIV_ASSERT(found);
        record->acl_id = from.acl_id;
        return;
    }
    const struct viv_overlay_record *shadowed = &overlay->records[record->shadowed];
    VIV_ASSERT(shadowed->node.exists);
    record->has_acl = shadowed->has_acl;
    record->acl_id = shadowed->acl_id;
    viv_buffer_append_bytes(&record->acl, viv_buffer_bytes(&shadowed->acl));
}

/* What the record changes, compared with what it shadows: the usage of one quota. */
static void note_usage(const struct viv_overlay *overlay, struct viv_bytes key, struct viv_overlay_record *record)
{
    struct viv_overlay_node before = {0};
    struct viv_znode from;
    struct viv_quota quota;

    if (record->shadowed != NONE) {
        before = overlay->records[record->shadowed].node;
    } else if (viv_tree_find(overlay->tree, key, &from)) {
        node_of_tree(overlay, &from, &before);
    }
    const struct viv_overlay_node *node = &record->node;
    record->change.count = (int64_t)node->exists - before.exists;
    record->change.bytes = (node->exists ? (int64_t)node->data_bytes : 0) - (before.exists ? before.data_bytes : 0);
    if ((record->change.count != 0 || record->change.bytes != 0) && viv_tree_quota_of(overlay->tree, key, &quota)) {
        record->quota = quota.mirror;
    }
}

struct viv_usage viv_overlay_usage_before(struct viv_overlay *overlay, viv_node_id quota, uint64_t zxid)
{
    while (overlay->unsummed != NONE && overlay->records[overlay->unsummed].zxid < zxid) {
        struct viv_overlay_record *record = &overlay->records[overlay->unsummed];
        record->is_summed = true;
        overlay->unsummed = record->newer;
        if (record->quota != VIV_NODE_NONE) {
            viv_usage_sums_add(&overlay->sums, record->quota, record->change);
        }
    }
    return viv_usage_sums_of(&overlay->sums, quota);
}

void viv_overlay_put(struct viv_overlay *overlay, struct viv_bytes path, uint64_t zxid,
                     const struct viv_overlay_node *node, const struct viv_bytes *acl)
{
    struct viv_bytes key = key_of_path(path);
    uint32_t at = add_record(overlay, VIV_OVERLAY_NODE, key, viv_lookup_hash(key), zxid);
    struct viv_overlay_record *record = &overlay->records[at];

    record->node = *node;
    record->node.acl = (struct viv_bytes){0};
    if (acl != NULL) {
        record->has_acl = true;
        viv_buffer_append_bytes(&record->acl, *acl);
    } else if (node->exists) {
        keep_acl(overlay, at);
    }
    if (viv_tree_has_quotas(overlay->tree)) {
        note_usage(overlay, key, record);
    }
    link_latest(overlay, at);
}

/* ---- sessions ---- */

bool viv_overlay_session_lives(const struct viv_overlay *overlay, int64_t session_id)
{
    struct session_key room;
    int32_t timeout_ms;

    if (overlay->by_key.count > 0) {
        struct viv_bytes key = key_of_session(session_id, &room);
        uint32_t at = find_latest(overlay, VIV_OVERLAY_SESSION, key, viv_lookup_hash(key));
        if (at != NONE) {
            return overlay->records[at].node.exists;
        }
    }
    return viv_tree_session(overlay->tree, session_id, &timeout_ms);
}

void viv_overlay_put_session(struct viv_overlay *overlay, int64_t session_id, uint64_t zxid, bool lives)
{
    struct session_key room;
    struct viv_bytes key = key_of_session(session_id, &room);
    uint32_t at = add_record(overlay, VIV_OVERLAY_SESSION, key, viv_lookup_hash(key), zxid);

    overlay->records[at].node = (struct viv_overlay_node){.exists = lives};
    link_latest(overlay, at);
}

void viv_path_list_fini(struct viv_path_list *list)
{
    viv_buffer_fini(&list->text);
    free(list->items);
    *list = (struct viv_path_list){0};
}

/* Counts the text behind `start` as one more path. The data pointers are set when the text has stopped moving. */
static void close_path(struct viv_path_list *list, size_t start)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->items = viv_realloc(list->items, list->capacity * sizeof list->items[0]);
    }
    list->items[list->count++].size = list->text.size - start;
}

static int compare_paths(const void *a, const void *b)
{
    return viv_bytes_compare(*(const struct viv_bytes *)a, *(const struct viv_bytes *)b);
}

static void sort_paths(struct viv_path_list *list)
{
    size_t start = 0;
    for (size_t i = 0; i < list->count; i++) {
        list->items[i].data = list->text.data + start;
        start += list->items[i].size;
    }
    VIV_ASSERT(start == list->text.size);
    if (list->count > 1) {
        qsort(list->items, list->count, sizeof list->items[0], compare_paths);
    }
}

void viv_overlay_ephemerals(const struct viv_overlay *overlay, int64_t session_id, struct viv_path_list *list)
{
    uint32_t cursor = 0, at;
    uint32_t hash = hash_of_owner(session_id);
    viv_node_id id = VIV_NODE_NONE;

    VIV_ASSERT(list->count == 0);
    while ((id = viv_tree_next_ephemeral(overlay->tree, session_id, id)) != VIV_NODE_NONE) {
        size_t start = list->text.size;
        viv_tree_path(overlay->tree, id, &list->text);
        struct viv_bytes path = {list->text.data + start, list->text.size - start};
        /* Whatever is pending for the path speaks for itself below. */
        if (find_latest(overlay, VIV_OVERLAY_NODE, path, viv_lookup_hash(path)) == NONE) {
            close_path(list, start);
        } else {
            list->text.size = start;
        }
    }
    while ((at = viv_lookup_next(&overlay->by_owner, hash, &cursor)) != VIV_LOOKUP_NONE) {
        const struct viv_overlay_record *record = &overlay->records[at];
        if (record->node.owner == session_id) {
            size_t start = list->text.size;
            viv_buffer_append_bytes(&list->text, viv_buffer_bytes(&record->key));
            close_path(list, start);
        }
    }
    sort_paths(list);
}
