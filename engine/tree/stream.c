#include "tree/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tree/tree_internal.h"
#include "wire/path.h"

/* Tree -> ZooKeeper's snapshot stream. The cursor is the next node in preorder; when that node is deleted between two
 * slices the tree moves the cursor on, and new children go to the front of their list, so every node that lives through
 * the whole stream is met once, after its parent. Nodes created since the stream began are left out with all that is
 * below them: their records follow, and the ACL table, written first, could not know their lists. */

enum stream_phase { PHASE_TABLES, PHASE_NODES, PHASE_END };

struct viv_tree_stream {
    struct viv_tree *tree;
    struct viv_tree_stream *next; /* of the same tree */
    enum stream_phase phase;
    uint64_t zxid;          /* of the tree when the stream began */
    viv_node_id at;         /* to be written next */
    struct viv_buffer path; /* of `at` while a slice is made; "" for the root */
};

struct viv_tree_stream *viv_tree_stream_begin(struct viv_tree *tree)
{
    struct viv_tree_stream *stream = viv_alloc_zeroed(1, sizeof *stream);
    stream->tree = tree;
    stream->zxid = tree->zxid;
    stream->at = VIV_NODE_ROOT;
    stream->next = tree->streams;
    tree->streams = stream;
    return stream;
}

void viv_tree_stream_end(struct viv_tree_stream *stream)
{
    struct viv_tree_stream **link = &stream->tree->streams;
    while (*link != stream) {
        VIV_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = stream->next;
    viv_buffer_fini(&stream->path);
    free(stream);
}

static void cut_name(struct viv_buffer *path)
{
    if (path != NULL) {
        VIV_ASSERT(path->size > 0);
        path->size = viv_path_parent(viv_buffer_bytes(path)).size;
    }
}

static void add_name(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *path)
{
    if (path != NULL) {
        viv_buffer_append(path, "/", 1);
        viv_buffer_append_bytes(path, viv_tree_name(tree, id));
    }
}

/* The next node in preorder that is not below `id`. Keeps `path` in step unless it is NULL. */
static viv_node_id after(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *path)
{
    while (id != VIV_NODE_ROOT) {
        const struct viv_slot *slot = viv_slot_at(&tree->znodes, id);
        cut_name(path);
        if (slot->next != VIV_NODE_NONE) {
            add_name(tree, slot->next, path);
            return slot->next;
        }
        id = slot->parent;
    }
    return VIV_NODE_NONE;
}

void viv_tree_streams_leave(struct viv_tree *tree, viv_node_id id)
{
    for (struct viv_tree_stream *stream = tree->streams; stream != NULL; stream = stream->next) {
        if (stream->at == id) {
            stream->at = after(tree, id, NULL);
        }
    }
}

static void write_session(void *ctx, int64_t session_id, int32_t timeout_ms)
{
    struct viv_buffer *out = ctx;
    viv_jute_write_long(out, session_id);
    viv_jute_write_int(out, timeout_ms);
}

/* Both tables begin with their counts, so they go out as one piece. */
static void write_tables(const struct viv_tree *tree, struct viv_buffer *out)
{
    viv_jute_write_int(out, (int32_t)tree->sessions.open_count);
    viv_tree_sessions(tree, write_session, out);
    viv_jute_write_int(out, (int32_t)tree->acls.items.live_count);
    for (uint32_t id = 1; id < tree->acls.items.fresh; id++) {
        if (viv_acl_table_item(&tree->acls, id) != NULL) {
            viv_jute_write_long(out, id);
            viv_buffer_append_bytes(out, viv_acl_table_list(&tree->acls, id));
        }
    }
}

static void write_node(const struct viv_tree_stream *stream, struct viv_buffer *out)
{
    struct viv_znode node;
    viv_slot_read(&stream->tree->znodes, stream->at, &node);
    viv_jute_write_bytes(out, viv_buffer_bytes(&stream->path));
    viv_jute_write_slice(out, node.data);
    viv_jute_write_long(out, node.acl_id == 0 ? -1 : (int64_t)node.acl_id);
    viv_jute_write_long(out, (int64_t)node.czxid);
    viv_jute_write_long(out, (int64_t)node.mzxid);
    viv_jute_write_long(out, node.ctime_ms);
    viv_jute_write_long(out, node.mtime_ms);
    viv_jute_write_int(out, node.version);
    viv_jute_write_int(out, node.child_counter);
    viv_jute_write_int(out, node.aversion);
    viv_jute_write_long(out, node.owner);
    viv_jute_write_long(out, (int64_t)node.pzxid);
}

/* Writes the node under the cursor, unless it is new, and moves on. */
static void write_next(struct viv_tree_stream *stream, struct viv_buffer *out)
{
    const struct viv_tree *tree = stream->tree;
    viv_node_id child = VIV_NODE_NONE;
    if (viv_slot_at(&tree->znodes, stream->at)->czxid <= stream->zxid) {
        write_node(stream, out);
        child = viv_tree_next_child(tree, stream->at, VIV_NODE_NONE);
    }
    if (child != VIV_NODE_NONE) {
        add_name(tree, child, &stream->path);
        stream->at = child;
    } else {
        stream->at = after(tree, stream->at, &stream->path);
    }
}

static void write_end(struct viv_buffer *out)
{
    viv_jute_write_text(out, "/");
    viv_jute_write_text(out, "BenWasHere");
}

bool viv_tree_stream_step(struct viv_tree_stream *stream, size_t bytes_max, struct viv_buffer *out)
{
    VIV_ASSERT(stream->phase != PHASE_END && bytes_max > 0);
    size_t end = out->size + bytes_max;
    if (stream->phase == PHASE_TABLES) {
        write_tables(stream->tree, out);
        stream->phase = PHASE_NODES;
    }
    viv_buffer_clear(&stream->path);
    if (stream->at != VIV_NODE_NONE && stream->at != VIV_NODE_ROOT) {
        viv_tree_path(stream->tree, stream->at, &stream->path);
    }
    while (stream->at != VIV_NODE_NONE && out->size < end) {
        write_next(stream, out);
    }
    if (stream->at == VIV_NODE_NONE) {
        write_end(out);
        stream->phase = PHASE_END;
    }
    return stream->phase != PHASE_END;
}
