#include "tree/edit.h"

#include "base/assert.h"
#include "tree/bookmark.h"
#include "tree/digest.h"
#include "tree/row.h"

struct viv_bytes viv_edit_acl_unresolved(void)
{
    return VIV_BYTES_LITERAL("\0\0\0\1"
                             "\0\0\0\0"
                             "\0\0\0\5world"
                             "\0\0\0\6anyone");
}

uint32_t viv_edit_acl(struct viv_tree *tree, struct viv_bytes list)
{
    bool is_new;
    uint32_t id = viv_acl_table_intern(&tree->acls, list, &is_new);
    if (is_new) {
        viv_track_put(&tree->track, VIV_TRACK_ACLS, id);
    }
    return id;
}

void viv_edit_acl_drop(struct viv_tree *tree, uint32_t id)
{
    if (viv_acl_table_drop(&tree->acls, id)) {
        struct viv_row_key key;
        viv_track_delete(&tree->track, VIV_TRACK_ACLS, id, viv_row_key_acl(&key, id));
    }
}

static void before_change(struct viv_tree *tree, const struct viv_slot *slot)
{
    tree->digest -= viv_digest_node(&tree->znodes, slot);
}

static void after_change(struct viv_tree *tree, viv_node_id id, const struct viv_slot *slot)
{
    tree->digest += viv_digest_node(&tree->znodes, slot);
    viv_track_put(&tree->track, VIV_TRACK_NODES, id);
}

static uint64_t acl_digest(const struct viv_tree *tree, const struct viv_slot *slot)
{
    uint32_t acl_id = viv_slot_acl_id(&tree->znodes, slot);
    return viv_digest_acl(&tree->znodes, slot, viv_acl_table_hash(&tree->acls, acl_id));
}

/* Bytes of the node's path, 1 for the root. */
static uint64_t path_bytes(const struct viv_tree *tree, viv_node_id id)
{
    uint64_t bytes = id == VIV_NODE_ROOT ? 1 : 0;
    while (id != VIV_NODE_ROOT) {
        const struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
        bytes += 1 + viv_slot_name(&tree->znodes, slot).size;
        id = slot->parent;
    }
    return bytes;
}

bool viv_edit_hides_children(const struct viv_tree *tree, viv_node_id parent)
{
    if (parent == VIV_NODE_NONE || parent == VIV_NODE_ROOT) {
        return false;
    }
    const struct viv_slot *slot = viv_slot_at(&tree->znodes, parent);
    return (slot->flags & VIV_SLOT_HIDDEN) != 0 ||
           (slot->parent == VIV_NODE_ROOT &&
            viv_bytes_equal(viv_slot_name(&tree->znodes, slot), VIV_BYTES_LITERAL("zookeeper")));
}

void viv_edit_link_child(struct viv_tree *tree, viv_node_id id)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    struct viv_slot_ext *ext = viv_slot_need_ext(&tree->znodes, viv_slot_at(&tree->znodes, slot->parent));
    VIV_ASSERT(!viv_owner_is_session(ext->owner));
    slot->previous = VIV_NODE_NONE;
    slot->next = ext->first_child;
    if (ext->first_child != VIV_NODE_NONE) {
        viv_slot_at(&tree->znodes, ext->first_child)->previous = id;
    }
    ext->first_child = id;
    ext->child_count++;
}

static void unlink_child(struct viv_tree *tree, const struct viv_slot *slot)
{
    struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, viv_slot_at(&tree->znodes, slot->parent));
    VIV_ASSERT(ext != NULL && ext->child_count > 0);
    if (slot->next != VIV_NODE_NONE) {
        viv_slot_at(&tree->znodes, slot->next)->previous = slot->previous;
    }
    if (slot->previous != VIV_NODE_NONE) {
        viv_slot_at(&tree->znodes, slot->previous)->next = slot->next;
    } else {
        ext->first_child = slot->next;
    }
    ext->child_count--;
}

void viv_edit_join_owner(struct viv_tree *tree, viv_node_id id, int64_t owner)
{
    if (viv_owner_is_session(owner)) {
        viv_session_table_link(&tree->sessions, &tree->znodes, id);
        tree->ephemeral_count++;
    } else if (owner != 0) {
        (void)viv_id_set_add(&tree->reapable, id);
    }
}

static void leave_owner(struct viv_tree *tree, viv_node_id id, int64_t owner)
{
    if (viv_owner_is_session(owner)) {
        viv_session_table_unlink(&tree->sessions, &tree->znodes, id);
        tree->ephemeral_count--;
    } else if (owner != 0) {
        (void)viv_id_set_remove(&tree->reapable, id);
    }
}

viv_node_id viv_edit_insert(struct viv_tree *tree, const struct viv_znode *fields, struct viv_bytes path)
{
    viv_node_id id = viv_slab_alloc(&tree->znodes.slots);
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    VIV_ASSERT((fields->parent == VIV_NODE_NONE) == (id == VIV_NODE_ROOT));
    viv_slot_fill(&tree->znodes, slot, fields);
    slot->content_crc = viv_digest_content(path, fields->data.bytes);
    if (viv_edit_hides_children(tree, fields->parent)) {
        slot->flags |= VIV_SLOT_HIDDEN;
    }
    if (fields->parent != VIV_NODE_NONE) {
        viv_edit_link_child(tree, id);
        viv_index_insert(&tree->index, &tree->znodes, viv_index_hash(fields->parent, fields->name), id);
    }
    viv_edit_join_owner(tree, id, fields->owner);
    tree->data_bytes += (id == VIV_NODE_ROOT ? 1 : path.size) + fields->data.bytes.size;
    tree->digest_extra += acl_digest(tree, slot);
    after_change(tree, id, slot);
    if (tree->quotas.count > 0 || (slot->flags & VIV_SLOT_HIDDEN) != 0) {
        viv_quota_inserted(tree, id, path);
    }
    return id;
}

void viv_edit_remove(struct viv_tree *tree, viv_node_id id)
{
    VIV_ASSERT(id != VIV_NODE_NONE && id != VIV_NODE_ROOT);
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, slot);
    bool is_ephemeral = ext != NULL && viv_owner_is_session(ext->owner);
    VIV_ASSERT(ext == NULL || is_ephemeral || ext->child_count == 0);
    struct viv_bytes name = viv_slot_name(&tree->znodes, slot);

    if (tree->quotas.count > 0) {
        viv_quota_removing(tree, id);
    }
    viv_tree_streams_leave(tree, id);
    if (tree->bookmarks != NULL) {
        viv_bookmarks_leave(tree, id);
    }
    before_change(tree, slot);
    tree->digest_extra -= acl_digest(tree, slot);
    tree->data_bytes -= path_bytes(tree, id) + slot->data_bytes;
    if (tree->track.on) {
        viv_track_delete(&tree->track, VIV_TRACK_NODES, id, viv_row_key_node(&tree->scratch, slot->parent, name));
    }
    if (ext != NULL) {
        leave_owner(tree, id, ext->owner);
    }
    unlink_child(tree, slot);
    viv_index_remove(&tree->index, viv_index_hash(slot->parent, name), id);
    viv_edit_acl_drop(tree, viv_slot_acl_id(&tree->znodes, slot));
    viv_slot_release(&tree->znodes, slot);
    viv_slab_free(&tree->znodes.slots, id);
}

void viv_edit_remove_all(struct viv_tree *tree, viv_node_id id)
{
    viv_node_id leaf = id;
    for (;;) {
        viv_node_id child = viv_tree_next_child(tree, leaf, VIV_NODE_NONE);
        if (child != VIV_NODE_NONE) {
            leaf = child;
            continue;
        }
        viv_node_id parent = viv_slot_at(&tree->znodes, leaf)->parent;
        viv_edit_remove(tree, leaf);
        if (leaf == id) {
            return;
        }
        leaf = parent;
    }
}

void viv_edit_child_created(struct viv_tree *tree, viv_node_id parent, int32_t parent_cversion, uint64_t zxid)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, parent);
    const struct viv_slot_ext *old = viv_slot_ext_of(&tree->znodes, slot);
    int32_t counter = old == NULL ? 0 : old->child_counter;
    if (parent_cversion == -1 && counter < INT32_MAX) {
        parent_cversion = counter + 1;
    }
    if (parent_cversion > counter) {
        before_change(tree, slot);
        struct viv_slot_ext *ext = viv_slot_need_ext(&tree->znodes, slot);
        ext->child_counter = parent_cversion;
        ext->pzxid = zxid;
        after_change(tree, parent, slot);
    }
}

void viv_edit_child_deleted(struct viv_tree *tree, viv_node_id parent, uint64_t zxid)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, parent);
    const struct viv_slot_ext *old = viv_slot_ext_of(&tree->znodes, slot);
    if (zxid > (old == NULL ? slot->czxid : old->pzxid)) {
        before_change(tree, slot);
        viv_slot_need_ext(&tree->znodes, slot)->pzxid = zxid;
        after_change(tree, parent, slot);
    }
}

void viv_edit_set_data(struct viv_tree *tree, viv_node_id id, const struct viv_edit_data *edit)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    int64_t bytes_change = (int64_t)edit->data.bytes.size - slot->data_bytes;
    before_change(tree, slot);
    tree->data_bytes += (uint64_t)bytes_change;
    viv_slot_set_data(&tree->znodes, slot, edit->data);
    slot->content_crc = viv_digest_content(id == VIV_NODE_ROOT ? (struct viv_bytes){0} : edit->path, edit->data.bytes);
    slot->version = edit->version;
    slot->mzxid = edit->zxid;
    viv_slot_set_mtime(&tree->znodes, slot, edit->time_ms);
    after_change(tree, id, slot);
    if (tree->quotas.count > 0) {
        viv_quota_data_set(tree, id, edit->path, bytes_change);
    }
}

void viv_edit_rewrite_data(struct viv_tree *tree, viv_node_id id, struct viv_bytes data)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    viv_buffer_clear(&tree->scratch);
    viv_tree_path(tree, id, &tree->scratch);
    before_change(tree, slot);
    tree->data_bytes += data.size - (uint64_t)slot->data_bytes;
    viv_slot_set_data(&tree->znodes, slot, (struct viv_jute_slice){.bytes = data});
    slot->content_crc = viv_digest_content(viv_buffer_bytes(&tree->scratch), data);
    after_change(tree, id, slot);
}

void viv_edit_set_acl(struct viv_tree *tree, viv_node_id id, struct viv_bytes list)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    uint32_t old = viv_slot_acl_id(&tree->znodes, slot);
    uint32_t acl_id = viv_edit_acl(tree, list);
    tree->digest_extra -= acl_digest(tree, slot);
    viv_slot_set_acl_id(&tree->znodes, slot, acl_id);
    tree->digest_extra += acl_digest(tree, slot);
    viv_edit_acl_drop(tree, old);
    viv_track_put(&tree->track, VIV_TRACK_NODES, id);
}

void viv_edit_set_aversion(struct viv_tree *tree, viv_node_id id, int32_t aversion)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    before_change(tree, slot);
    viv_slot_need_ext(&tree->znodes, slot)->aversion = aversion;
    after_change(tree, id, slot);
}

void viv_edit_open_session(struct viv_tree *tree, int64_t session_id, int32_t timeout_ms)
{
    viv_edit_close_session(tree, session_id);
    uint32_t id = viv_session_table_need(&tree->sessions, session_id);
    struct viv_session_item *item = viv_session_at(&tree->sessions, id);
    item->open = true;
    item->timeout_ms = timeout_ms;
    tree->sessions.open_count++;
    tree->digest_extra += viv_digest_session(session_id, timeout_ms);
    viv_track_put(&tree->track, VIV_TRACK_SESSIONS, id);
}

void viv_edit_close_session(struct viv_tree *tree, int64_t session_id)
{
    uint32_t id = viv_session_table_find(&tree->sessions, session_id);
    if (id == 0 || !viv_session_at(&tree->sessions, id)->open) {
        return;
    }
    struct viv_session_item *item = viv_session_at(&tree->sessions, id);
    struct viv_row_key key;
    viv_track_delete(&tree->track, VIV_TRACK_SESSIONS, id, viv_row_key_session(&key, session_id));
    tree->digest_extra -= viv_digest_session(session_id, item->timeout_ms);
    tree->sessions.open_count--;
    item->open = false;
    viv_session_table_tidy(&tree->sessions, id);
}
