#include "tree/image.h"

#include "base/assert.h"
#include "base/log.h"
#include "tree/digest.h"
#include "tree/edit.h"
#include "tree/row.h"

/* Rows -> tree. Nodes keep the ids of their rows, so that the rows of later deltas fit the same image. While rows come
 * in they only fill slots; what depends on other rows (children, index, ACLs, ephemerals, sums) is made at the end. */

static viv_status corrupt(const char *what, const struct viv_row *row)
{
    viv_log(VIV_LOG_ERROR, "tree", "an image cannot be loaded", "reason=\"%s\" key_bytes=%zu value_bytes=%zu", what,
            row->key.size, row->value.size);
    return VIV_ERR_CORRUPT;
}

static viv_status load_node(struct viv_tree *tree, const struct viv_row *row)
{
    struct viv_znode node;
    uint32_t content_crc;
    bool hidden;
    if (!viv_row_parse_node(row, &node, &content_crc, &hidden)) {
        return corrupt("malformed node", row);
    }
    if (node.id == VIV_NODE_NONE || node.id == UINT32_MAX || node.parent == node.id ||
        (node.parent == VIV_NODE_NONE) != (node.id == VIV_NODE_ROOT)) {
        return corrupt("impossible node id", row);
    }
    struct viv_slot *slot = viv_slab_claim(&tree->znodes.slots, node.id);
    if (slot->flags & VIV_SLOT_LIVE) {
        return corrupt("node id used twice", row);
    }
    viv_slot_fill(&tree->znodes, slot, &node);
    slot->content_crc = content_crc;
    slot->flags |= hidden ? VIV_SLOT_HIDDEN : 0;
    tree->znodes.slots.live_count++;
    return VIV_OK;
}

static viv_status load_acl(struct viv_tree *tree, const struct viv_row *row)
{
    uint32_t acl_id;
    struct viv_bytes list;
    if (!viv_row_parse_acl(row, &acl_id, &list)) {
        return corrupt("malformed ACL", row);
    }
    return viv_acl_table_claim(&tree->acls, acl_id, list) ? VIV_OK : corrupt("ACL id used twice", row);
}

static viv_status load_session(struct viv_tree *tree, const struct viv_row *row)
{
    int64_t session_id;
    int32_t timeout_ms;
    if (!viv_row_parse_session(row, &session_id, &timeout_ms)) {
        return corrupt("malformed session", row);
    }
    bool tracked = tree->track.on;
    tree->track.on = false;
    viv_edit_open_session(tree, session_id, timeout_ms);
    tree->track.on = tracked;
    return VIV_OK;
}

static viv_status load_row(struct viv_tree *tree, const struct viv_row *row)
{
    if (row->op == VIV_ROW_PUT) {
        switch (row->key.data[0]) {
        case VIV_ROW_NODE:
            return load_node(tree, row);
        case VIV_ROW_ACL:
            return load_acl(tree, row);
        case VIV_ROW_SESSION:
            return load_session(tree, row);
        default:
            break;
        }
    }
    return corrupt("unknown row", row);
}

viv_status viv_tree_load_rows(struct viv_tree *tree, struct viv_bytes rows)
{
    VIV_ASSERT(tree->index.count == 0);
    struct viv_row row;
    while (viv_row_next(&rows, &row)) {
        VIV_TRY(load_row(tree, &row));
    }
    return rows.size == 0 ? VIV_OK : corrupt("a row is cut off", &(struct viv_row){.value = rows});
}

static viv_node_id next_slot(const struct viv_tree *tree, viv_node_id id)
{
    return viv_slab_skip_gap(&tree->znodes.slots, id + 1);
}

static struct viv_slot *live_slot(const struct viv_tree *tree, viv_node_id id)
{
    if (id == VIV_NODE_NONE || !viv_slab_has(&tree->znodes.slots, id)) {
        return NULL;
    }
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    return slot->flags & VIV_SLOT_LIVE ? slot : NULL;
}

/* Until children are linked, `previous` of a marked slot holds the bytes of its path, and `next` of an unmarked one
 * the child through which a climb came. */
static uint32_t path_bytes_below(const struct viv_tree *tree, const struct viv_slot *parent,
                                 const struct viv_slot *slot)
{
    size_t parent_bytes = parent->parent == VIV_NODE_NONE ? 0 : parent->previous;
    return (uint32_t)(parent_bytes + 1 + viv_slot_name(&tree->znodes, slot).size);
}

/* Frees a slot whose way up does not end at the root; its row is to be deleted with the next delta. */
static void drop_stray(struct viv_tree *tree, struct viv_slot *slot)
{
    struct viv_bytes name = viv_slot_name(&tree->znodes, slot);
    viv_track_delete_stray(&tree->track, viv_row_key_node(&tree->scratch, slot->parent, name));
    viv_slot_release(&tree->znodes, slot);
    *slot = (struct viv_slot){0};
    tree->znodes.slots.live_count--;
}

/* Climbs from a node to the first ancestor known to be good, then comes back down marking, or, when there is none,
 * dropping. Good parents mostly have smaller ids and are marked already, so the climb is one step. */
static void settle(struct viv_tree *tree, viv_node_id id)
{
    viv_node_id from = VIV_NODE_NONE;
    viv_node_id at = id;
    struct viv_slot *slot = live_slot(tree, at);
    while (slot != NULL && !(slot->flags & VIV_SLOT_MARKED) && slot->next == VIV_NODE_NONE) {
        /* A slot that leads to itself would be a circle: every slot on the way points to where the climb came from, and
         * the first one to itself. */
        slot->next = from == VIV_NODE_NONE ? at : from;
        from = at;
        at = slot->parent;
        slot = live_slot(tree, at);
    }
    const struct viv_slot *good = slot != NULL && (slot->flags & VIV_SLOT_MARKED) ? slot : NULL;
    while (from != VIV_NODE_NONE) {
        slot = viv_slot_at(&tree->znodes, from);
        viv_node_id child = slot->next == from ? VIV_NODE_NONE : slot->next;
        slot->next = VIV_NODE_NONE;
        if (good != NULL) {
            slot->previous = path_bytes_below(tree, good, slot);
            slot->flags |= VIV_SLOT_MARKED;
            good = slot;
        } else {
            drop_stray(tree, slot);
        }
        from = child;
    }
}

static void settle_all(struct viv_tree *tree)
{
    viv_slot_at(&tree->znodes, VIV_NODE_ROOT)->flags |= VIV_SLOT_MARKED;
    for (viv_node_id id = VIV_NODE_ROOT; id < tree->znodes.slots.fresh; id = next_slot(tree, id)) {
        const struct viv_slot *slot = live_slot(tree, id);
        if (slot != NULL && !(slot->flags & VIV_SLOT_MARKED)) {
            settle(tree, id);
        }
    }
}

/* Counts the node's reference to its ACL list, or gives it one that grants nothing when its own is not there. */
static void settle_acl(struct viv_tree *tree, viv_node_id id, struct viv_slot *slot)
{
    uint32_t acl_id = viv_slot_acl_id(&tree->znodes, slot);
    if (acl_id == 0) {
        return;
    }
    struct viv_acl_item *item = viv_acl_table_item(&tree->acls, acl_id);
    if (item != NULL) {
        item->references++;
    } else {
        viv_slot_set_acl_id(&tree->znodes, slot, viv_edit_acl(tree, viv_edit_acl_unresolved()));
        viv_track_put(&tree->track, VIV_TRACK_NODES, id);
    }
    uint64_t list_hash = viv_acl_table_hash(&tree->acls, viv_slot_acl_id(&tree->znodes, slot));
    tree->digest_extra += viv_digest_acl(&tree->znodes, slot, list_hash);
}

static bool parent_takes_children(const struct viv_tree *tree, const struct viv_slot *slot)
{
    const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, viv_slot_at(&tree->znodes, slot->parent));
    return ext == NULL || !viv_owner_is_session(ext->owner);
}

/* A settled node finds its place: children's list, session, sums. */
static viv_status join(struct viv_tree *tree, viv_node_id id, uint64_t hash)
{
    struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    struct viv_bytes name = viv_slot_name(&tree->znodes, slot);
    const struct viv_row no_row = {0};
    if (slot->czxid > tree->zxid) {
        return corrupt("a node younger than the image", &no_row); /* which the next image would leave out */
    }
    if (id != VIV_NODE_ROOT) {
        if (name.size == 0 || !parent_takes_children(tree, slot)) {
            return corrupt("a node that cannot stand where it is", &no_row);
        }
        if (viv_index_find(&tree->index, &tree->znodes, hash, slot->parent, name) != VIV_NODE_NONE) {
            return corrupt("two children of one name", &no_row);
        }
        viv_edit_link_child(tree, id);
        viv_index_insert(&tree->index, &tree->znodes, hash, id);
    }
    settle_acl(tree, id, slot);
    const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, slot);
    if (ext != NULL) {
        viv_edit_join_owner(tree, id, ext->owner);
    }
    tree->digest += viv_digest_node(&tree->znodes, slot);
    return VIV_OK;
}

/* The index is larger than the caches: a batch of nodes is hashed and fetched ahead of being joined. */
enum { BATCH = 16 };
struct batch {
    viv_node_id ids[BATCH];
    uint64_t hashes[BATCH];
    size_t count;
};

static viv_status join_batch(struct viv_tree *tree, struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        VIV_TRY(join(tree, batch->ids[i], batch->hashes[i]));
    }
    batch->count = 0;
    return VIV_OK;
}

static viv_status join_all(struct viv_tree *tree)
{
    struct batch batch = {.count = 0};
    for (viv_node_id id = VIV_NODE_ROOT; id < tree->znodes.slots.fresh; id = next_slot(tree, id)) {
        struct viv_slot *slot = live_slot(tree, id);
        if (slot == NULL) {
            continue;
        }
        VIV_ASSERT(slot->flags & VIV_SLOT_MARKED);
        tree->data_bytes += (id == VIV_NODE_ROOT ? 1 : slot->previous) + slot->data_bytes;
        slot->previous = VIV_NODE_NONE;
        slot->flags &= (uint8_t)~VIV_SLOT_MARKED;
        uint64_t hash = viv_index_hash(slot->parent, viv_slot_name(&tree->znodes, slot));
        viv_index_prefetch(&tree->index, hash);
        batch.ids[batch.count] = id;
        batch.hashes[batch.count] = hash;
        if (++batch.count == BATCH) {
            VIV_TRY(join_batch(tree, &batch));
        }
    }
    return join_batch(tree, &batch);
}

static void sweep_acls(struct viv_tree *tree)
{
    for (uint32_t id = 1; id < tree->acls.items.fresh; id++) {
        const struct viv_acl_item *item = viv_acl_table_item(&tree->acls, id);
        if (item != NULL && item->references == 0) {
            struct viv_row_key key;
            viv_acl_table_discard(&tree->acls, id);
            viv_track_delete_stray(&tree->track, viv_row_key_acl(&key, id));
        }
    }
}

static bool slot_is_live(const void *element)
{
    return (((const struct viv_slot *)element)->flags & VIV_SLOT_LIVE) != 0;
}

viv_status viv_tree_load_finish(struct viv_tree *tree, uint64_t zxid)
{
    if (live_slot(tree, VIV_NODE_ROOT) == NULL) {
        return corrupt("there is no root", &(struct viv_row){0});
    }
    /* What is put right here must reach the next delta, also when tracking is asked for only afterwards. */
    bool tracked = tree->track.on;
    tree->track.on = true;
    viv_acl_table_claim_end(&tree->acls);
    settle_all(tree);
    viv_slab_claim_end(&tree->znodes.slots, slot_is_live);
    tree->zxid = zxid;
    viv_index_reserve(&tree->index, tree->znodes.slots.live_count);
    viv_status status = join_all(tree);
    sweep_acls(tree);
    if (status == VIV_OK) {
        viv_quota_loaded(tree);
    }
    tree->track.on = tracked;
    return status;
}
