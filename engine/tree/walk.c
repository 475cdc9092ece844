#include "tree/image.h"

#include "base/assert.h"
#include "tree/row.h"
#include "tree/tree_internal.h"

/* What makes a walk in slices come out right although the tree changes under it:
 *
 * - a node keeps its id, parent and name for life, and an id freed during a walk means nothing else until the end, so
 *   no two rows of one image contradict each other about who is whose child;
 * - a node created since the walk began is left out (replay brings it with all that is below it);
 * - any other row is the node as it was at some moment since the walk began, and replay is idempotent;
 * - a node that went before the walk reached it may leave children in the image that were emitted earlier: they are
 *   dropped when it is loaded. */

void viv_tree_track_changes(struct viv_tree *tree)
{
    tree->track.on = true;
}

uint64_t viv_tree_changed_rows(const struct viv_tree *tree)
{
    return tree->track.on ? tree->track.current.row_count : 0;
}

bool viv_tree_is_walked(const struct viv_tree *tree)
{
    return tree->walk.phase != VIV_WALK_IDLE;
}

void viv_tree_walk_begin(struct viv_tree *tree, enum viv_walk_kind kind)
{
    VIV_ASSERT(tree->walk.phase == VIV_WALK_IDLE);
    VIV_ASSERT(kind == VIV_WALK_FULL || tree->track.on);
    viv_track_walk_begin(&tree->track);
    viv_slab_hold(&tree->znodes.slots);
    tree->walk = (struct viv_walk){
        .phase = kind == VIV_WALK_DELTA ? VIV_WALK_DELETES : VIV_WALK_NODES,
        .kind = kind,
        .zxid = tree->zxid,
        .end = tree->znodes.slots.fresh,
        .cursor = 1,
    };
}

static void next_phase(struct viv_walk *walk)
{
    walk->phase++;
    walk->cursor = 1;
}

static void step_deletes(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows)
{
    struct viv_walk *walk = &tree->walk;
    struct viv_bytes all = viv_buffer_bytes(&tree->track.walking.deletes);
    struct viv_bytes rest = {all.data + walk->deletes_done, all.size - walk->deletes_done};
    struct viv_row row;
    while (rows->size < bytes_max && viv_row_next(&rest, &row)) {
        viv_row_append(rows, &row);
    }
    walk->deletes_done = all.size - rest.size;
    if (rest.size == 0) {
        next_phase(walk);
    }
}

static void emit_node(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *rows)
{
    const struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
    if ((slot->flags & VIV_SLOT_LIVE) && slot->czxid <= tree->walk.zxid) {
        struct viv_znode node;
        viv_slot_read(&tree->znodes, id, &node);
        viv_row_append_node(rows, &node, slot->content_crc, slot->flags & VIV_SLOT_HIDDEN);
    }
}

/* The next id of the nodes' table at or after `from`; `end` or more when there is none. */
static uint32_t next_node(const struct viv_tree *tree, uint32_t from)
{
    if (tree->walk.kind == VIV_WALK_DELTA) {
        return viv_track_next(&tree->track.walking, VIV_TRACK_NODES, from);
    }
    return viv_slab_skip_gap(&tree->znodes.slots, from);
}

static void step_nodes(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows)
{
    struct viv_walk *walk = &tree->walk;
    while (rows->size < bytes_max) {
        uint32_t id = next_node(tree, walk->cursor);
        if (id >= walk->end) {
            next_phase(walk);
            return;
        }
        if (viv_slab_has(&tree->znodes.slots, id)) {
            emit_node(tree, id, rows);
        }
        walk->cursor = id + 1;
    }
}

/* Lists and sessions that changed during a delta are in it as well: nodes emitted meanwhile may refer to them. */
static bool side_row_is_due(const struct viv_tree *tree, enum viv_track_table table, uint32_t id)
{
    return tree->walk.kind == VIV_WALK_FULL || viv_track_has(&tree->track.walking, table, id) ||
           viv_track_has(&tree->track.current, table, id);
}

static void step_acls(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows)
{
    struct viv_walk *walk = &tree->walk;
    for (; rows->size < bytes_max; walk->cursor++) {
        if (walk->cursor >= tree->acls.items.fresh) {
            next_phase(walk);
            return;
        }
        if (viv_acl_table_item(&tree->acls, walk->cursor) != NULL &&
            side_row_is_due(tree, VIV_TRACK_ACLS, walk->cursor)) {
            viv_row_append_acl(rows, walk->cursor, viv_acl_table_list(&tree->acls, walk->cursor));
        }
    }
}

static void step_sessions(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows)
{
    struct viv_walk *walk = &tree->walk;
    for (; rows->size < bytes_max; walk->cursor++) {
        if (walk->cursor >= tree->sessions.items.fresh) {
            next_phase(walk);
            return;
        }
        const struct viv_session_item *item = viv_session_at(&tree->sessions, walk->cursor);
        if (item->used && item->open && side_row_is_due(tree, VIV_TRACK_SESSIONS, walk->cursor)) {
            viv_row_append_session(rows, item->session_id, item->timeout_ms);
        }
    }
}

bool viv_tree_walk_step(struct viv_tree *tree, size_t bytes_max, struct viv_buffer *rows)
{
    typedef void step_fn(struct viv_tree * tree, size_t bytes_max, struct viv_buffer * rows);
    static step_fn *const steps[] = {
        [VIV_WALK_DELETES] = step_deletes,
        [VIV_WALK_NODES] = step_nodes,
        [VIV_WALK_ACLS] = step_acls,
        [VIV_WALK_SESSIONS] = step_sessions,
    };
    VIV_ASSERT(tree->walk.phase != VIV_WALK_IDLE && bytes_max > 0);
    size_t end = rows->size + bytes_max;
    while (tree->walk.phase != VIV_WALK_DONE && rows->size < end) {
        steps[tree->walk.phase](tree, end, rows);
    }
    return tree->walk.phase != VIV_WALK_DONE;
}

void viv_tree_walk_end(struct viv_tree *tree, bool committed)
{
    VIV_ASSERT(tree->walk.phase != VIV_WALK_IDLE);
    VIV_ASSERT(!committed || tree->walk.phase == VIV_WALK_DONE);
    viv_track_walk_end(&tree->track, committed);
    viv_slab_release(&tree->znodes.slots);
    tree->walk = (struct viv_walk){0};
}
