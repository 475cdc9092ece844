#include "tree/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tree/edit.h"
#include "wire/path.h"

struct viv_tree *viv_tree_new_empty(void)
{
    struct viv_tree *tree = viv_alloc_zeroed(1, sizeof *tree);
    viv_znodes_init(&tree->znodes);
    viv_index_init(&tree->index);
    viv_acl_table_init(&tree->acls);
    viv_session_table_init(&tree->sessions);
    return tree;
}

struct viv_tree *viv_tree_new(void)
{
    static const struct {
        const char *path, *name;
        viv_node_id parent;
        int32_t aversion;
        bool read_only;
    } built_in[] = {
        {"", "", VIV_NODE_NONE, 0, false},
        {"/zookeeper", "zookeeper", VIV_NODE_ROOT, 0, false},
        {"/zookeeper/config", "config", VIV_NODE_ROOT + 1, -1, true},
        {"/zookeeper/quota", "quota", VIV_NODE_ROOT + 1, 0, false},
    };
    const struct viv_bytes world_reads = VIV_BYTES_LITERAL("\0\0\0\1"
                                                           "\0\0\0\1"
                                                           "\0\0\0\5world"
                                                           "\0\0\0\6anyone");
    struct viv_tree *tree = viv_tree_new_empty();
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
        struct viv_znode fields = {
            .parent = built_in[i].parent,
            .name = viv_bytes_text(built_in[i].name),
            .aversion = built_in[i].aversion,
            .acl_id = built_in[i].read_only ? viv_edit_acl(tree, world_reads) : 0,
        };
        (void)viv_edit_insert(tree, &fields, viv_bytes_text(built_in[i].path));
    }
    VIV_ASSERT(tree->digest == 1371985504);
    return tree;
}

void viv_tree_free(struct viv_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    VIV_ASSERT(tree->streams == NULL && tree->bookmarks == NULL);
    viv_znodes_fini(&tree->znodes);
    viv_index_fini(&tree->index);
    viv_acl_table_fini(&tree->acls);
    viv_session_table_fini(&tree->sessions);
    viv_track_fini(&tree->track);
    viv_id_set_fini(&tree->reapable);
    viv_quota_table_fini(&tree->quotas);
    viv_buffer_fini(&tree->scratch);
    free(tree);
}

viv_node_id viv_tree_child_id(const struct viv_tree *tree, viv_node_id parent, struct viv_bytes name)
{
    return viv_index_find(&tree->index, &tree->znodes, viv_index_hash(parent, name), parent, name);
}

viv_node_id viv_tree_find_id(const struct viv_tree *tree, struct viv_bytes path)
{
    viv_node_id id = tree->znodes.slots.live_count == 0 ? VIV_NODE_NONE : VIV_NODE_ROOT;
    if (path.size == 0 || (path.size == 1 && path.data[0] == '/')) {
        return id;
    }
    if (path.data[0] != '/') {
        return VIV_NODE_NONE;
    }
    const uint8_t *start = path.data + 1;
    const uint8_t *end = path.data + path.size;
    while (id != VIV_NODE_NONE) {
        const uint8_t *slash = memchr(start, '/', (size_t)(end - start));
        const uint8_t *stop = slash == NULL ? end : slash;
        id = viv_tree_child_id(tree, id, viv_bytes_of(start, (size_t)(stop - start)));
        if (slash == NULL) {
            break;
        }
        start = slash + 1;
    }
    return id;
}

bool viv_tree_path_is_sound(struct viv_bytes path)
{
    if (path.size < 2 || path.data[0] != '/' || !viv_path_has_parent(path)) {
        return false;
    }
    size_t name_bytes = viv_path_name(path).size;
    return name_bytes > 0 && name_bytes <= VIV_ZNODE_DATA_BYTES_MAX && viv_path_parent(path).size != 1;
}

bool viv_tree_get(const struct viv_tree *tree, viv_node_id id, struct viv_znode *node)
{
    if (id == VIV_NODE_NONE || !viv_slab_has(&tree->znodes.slots, id) ||
        !(viv_slot_at(&tree->znodes, id)->flags & VIV_SLOT_LIVE)) {
        return false;
    }
    viv_slot_read(&tree->znodes, id, node);
    return true;
}

bool viv_tree_find(const struct viv_tree *tree, struct viv_bytes path, struct viv_znode *node)
{
    return viv_tree_get(tree, viv_tree_find_id(tree, path), node);
}

bool viv_tree_find_child(const struct viv_tree *tree, viv_node_id parent, struct viv_bytes name, struct viv_znode *node)
{
    return viv_tree_get(tree, viv_tree_child_id(tree, parent, name), node);
}

viv_node_id viv_tree_next_child(const struct viv_tree *tree, viv_node_id parent, viv_node_id child)
{
    if (child != VIV_NODE_NONE) {
        const struct viv_slot *slot = viv_slot_at(&tree->znodes, child);
        VIV_ASSERT(slot->parent == parent);
        if (slot->next != VIV_NODE_NONE) {
            __builtin_prefetch(viv_slot_at(&tree->znodes, slot->next));
        }
        return slot->next;
    }
    const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, viv_slot_at(&tree->znodes, parent));
    return ext == NULL || viv_owner_is_session(ext->owner) ? VIV_NODE_NONE : ext->first_child;
}

viv_node_id viv_tree_next_below(const struct viv_tree *tree, viv_node_id top, viv_node_id at)
{
    viv_node_id next = viv_tree_next_child(tree, at, VIV_NODE_NONE);
    while (next == VIV_NODE_NONE && at != top) {
        viv_node_id parent = viv_slot_at(&tree->znodes, at)->parent;
        next = viv_tree_next_child(tree, parent, at);
        at = parent;
    }
    return next;
}

struct viv_bytes viv_tree_name(const struct viv_tree *tree, viv_node_id id)
{
    return viv_slot_name(&tree->znodes, viv_slot_at(&tree->znodes, id));
}

void viv_tree_path(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *out)
{
    size_t size = 0;
    for (viv_node_id at = id; at != VIV_NODE_ROOT; at = viv_slot_at(&tree->znodes, at)->parent) {
        VIV_ASSERT(at != VIV_NODE_NONE);
        size += 1 + viv_tree_name(tree, at).size;
    }
    if (size == 0) {
        viv_buffer_append(out, "/", 1);
        return;
    }
    uint8_t *end = viv_buffer_extend(out, size) + size;
    for (viv_node_id at = id; at != VIV_NODE_ROOT; at = viv_slot_at(&tree->znodes, at)->parent) {
        struct viv_bytes name = viv_tree_name(tree, at);
        end -= name.size;
        memcpy(end, name.data, name.size);
        *--end = '/';
    }
}

void viv_znode_stat(const struct viv_znode *node, struct viv_stat *stat)
{
    *stat = (struct viv_stat){
        .czxid = (int64_t)node->czxid,
        .mzxid = (int64_t)node->mzxid,
        .ctime = node->ctime_ms,
        .mtime = node->mtime_ms,
        .version = node->version,
        /* Two's complement arithmetic: the counter may stand near its end. */
        .cversion = (int32_t)(2 * (uint32_t)node->child_counter - node->child_count),
        .aversion = node->aversion,
        .ephemeral_owner = viv_owner_is_session(node->owner) ? node->owner : 0,
        .data_bytes = (int32_t)node->data.bytes.size,
        .child_count = (int32_t)node->child_count,
        .pzxid = (int64_t)node->pzxid,
    };
}

struct viv_bytes viv_tree_acl(const struct viv_tree *tree, uint32_t acl_id)
{
    return viv_acl_table_list(&tree->acls, acl_id);
}

bool viv_tree_session(const struct viv_tree *tree, int64_t session_id, int32_t *timeout_ms)
{
    uint32_t id = viv_session_table_find(&tree->sessions, session_id);
    if (id == 0 || !viv_session_at(&tree->sessions, id)->open) {
        return false;
    }
    *timeout_ms = viv_session_at(&tree->sessions, id)->timeout_ms;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void viv_tree_sessions(const struct viv_tree *tree, viv_tree_session_fn *visit, void *ctx)
{
    const struct viv_session_table *sessions = &tree->sessions;
    if (sessions->open_count == 0) {
        return;
    }
    int64_t *ids = viv_alloc(sessions->open_count * sizeof *ids);
    size_t count = 0;
    for (uint32_t id = 1; id < sessions->items.fresh; id++) {
        const struct viv_session_item *item = viv_session_at(sessions, id);
        if (item->used && item->open) {
            ids[count++] = item->session_id;
        }
    }
    VIV_ASSERT(count == sessions->open_count);
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++) {
        visit(ctx, ids[i], viv_session_at(sessions, viv_session_table_find(sessions, ids[i]))->timeout_ms);
    }
    free(ids);
}

bool viv_tree_next_session(const struct viv_tree *tree, uint32_t *cursor, int64_t *session_id, int32_t *timeout_ms)
{
    const struct viv_session_table *sessions = &tree->sessions;
    while (sessions->open_count > 0 && ++*cursor < sessions->items.fresh) {
        const struct viv_session_item *item = viv_session_at(sessions, *cursor);
        if (item->used && item->open) {
            *session_id = item->session_id;
            *timeout_ms = item->timeout_ms;
            return true;
        }
    }
    return false;
}

viv_node_id viv_tree_next_ephemeral(const struct viv_tree *tree, int64_t session_id, viv_node_id node)
{
    if (node != VIV_NODE_NONE) {
        const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, viv_slot_at(&tree->znodes, node));
        VIV_ASSERT(ext != NULL && ext->owner == session_id);
        return ext->next_ephemeral;
    }
    uint32_t id = viv_session_table_find(&tree->sessions, session_id);
    return id == 0 ? VIV_NODE_NONE : viv_session_at(&tree->sessions, id)->first_ephemeral;
}

void viv_tree_counts(const struct viv_tree *tree, struct viv_tree_counts *counts)
{
    const struct viv_znodes *znodes = &tree->znodes;
    *counts = (struct viv_tree_counts){
        .nodes = znodes->slots.live_count,
        .ephemerals = tree->ephemeral_count,
        .sessions = tree->sessions.open_count,
        .data_bytes = tree->data_bytes,
        .acls = tree->acls.items.live_count,
        .memory_bytes =
            sizeof *tree + znodes->slots.memory_bytes + znodes->exts.memory_bytes + znodes->blobs.memory_bytes +
            tree->index.memory_bytes + tree->acls.list_bytes + tree->acls.items.memory_bytes +
            tree->acls.lookup.capacity * sizeof *tree->acls.lookup.slots + tree->sessions.items.memory_bytes +
            tree->sessions.lookup.capacity * sizeof *tree->sessions.lookup.slots +
            viv_track_memory_bytes(&tree->track) + viv_id_set_memory_bytes(&tree->reapable) + tree->scratch.capacity,
    };
}

static uint64_t unused_bytes(const struct viv_slab *slab)
{
    uint64_t there = (uint64_t)slab->chunk_count * VIV_SLAB_CHUNK_ELEMENTS;
    return (there - slab->live_count) * slab->element_bytes;
}

uint64_t viv_tree_used_bytes(const struct viv_tree *tree)
{
    const struct viv_znodes *znodes = &tree->znodes;
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    uint64_t unused = unused_bytes(&znodes->slots) + unused_bytes(&znodes->exts) + znodes->blobs.free_bytes;
    return counts.memory_bytes > unused ? counts.memory_bytes - unused : 0; /* loading may have left gaps of chunks */
}

uint64_t viv_tree_zxid(const struct viv_tree *tree)
{
    return tree->zxid;
}

uint64_t viv_tree_digest(const struct viv_tree *tree)
{
    return tree->digest;
}

uint64_t viv_tree_digest_extra(const struct viv_tree *tree)
{
    return tree->digest_extra;
}
