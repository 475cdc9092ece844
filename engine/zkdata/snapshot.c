#include "zkdata/snapshot.h"

#include <string.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "tree/image.h"
#include "zkdata/source.h"
#include "zkdata/zkdata_internal.h"

/* A cursor over the source's windows that sums what passes. */
struct reader {
    const char *file;
    struct viv_zk_source *source;
    struct viv_bytes window; /* not taken yet */
    uint32_t adler;          /* of everything taken */
};

static viv_status damaged(const struct reader *reader, const char *what)
{
    viv_log(VIV_LOG_ERROR, "zkdata", what, "file=%s offset=%llu", reader->file,
            (unsigned long long)(viv_zk_source_offset(reader->source) - reader->window.size));
    return VIV_ERR_CORRUPT;
}

/* The window holds something afterwards, or the file has ended. */
static viv_status fill(struct reader *reader)
{
    return reader->window.size > 0 ? VIV_OK : viv_zk_source_next(reader->source, &reader->window);
}

static void pass(struct reader *reader, size_t size)
{
    VIV_ASSERT(size <= reader->window.size);
    reader->adler = (uint32_t)adler32_z(reader->adler, reader->window.data, size);
    reader->window.data += size;
    reader->window.size -= size;
}

static viv_status take(struct reader *reader, void *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        VIV_TRY(fill(reader));
        if (reader->window.size == 0) {
            return damaged(reader, "the snapshot is cut off");
        }
        size_t piece = reader->window.size < size - done ? reader->window.size : size - done;
        memcpy((uint8_t *)to + done, reader->window.data, piece);
        pass(reader, piece);
        done += piece;
    }
    return VIV_OK;
}

static viv_status take_header(struct reader *reader)
{
    uint8_t header[VIV_ZK_FILE_HEADER_BYTES];
    VIV_TRY(take(reader, header, sizeof header));
    if (viv_load_be32(header) != VIV_ZK_SNAPSHOT_MAGIC || viv_load_be32(header + 4) != VIV_ZK_FILE_VERSION) {
        return damaged(reader, "this is not a ZooKeeper snapshot");
    }
    return VIV_OK;
}

/* The tables and nodes are, byte for byte, what a leader streams to a learner. */
static viv_status take_body(struct reader *reader, struct viv_tree_loader *loader)
{
    for (bool done = false; !done;) {
        VIV_TRY(fill(reader));
        if (reader->window.size == 0) {
            return damaged(reader, "the snapshot is cut off");
        }
        size_t used = 0;
        viv_status status = viv_tree_loader_feed(loader, reader->window, &used, &done);
        if (status != VIV_OK) {
            (void)!damaged(reader, "a table or a znode of the snapshot is damaged, near here");
            return status == VIV_ERR_MALFORMED ? VIV_ERR_CORRUPT : status;
        }
        pass(reader, used);
    }
    return VIV_OK;
}

/* A seal is the running Adler-32 of everything before it, and the string "/". */
static viv_status take_seal(struct reader *reader)
{
    uint8_t seal[VIV_ZK_SEAL_BYTES];
    uint32_t adler = reader->adler;
    VIV_TRY(take(reader, seal, sizeof seal));
    if (viv_load_be64(seal) != adler || memcmp(seal + 8, VIV_ZK_END_OF_PART, VIV_ZK_END_OF_PART_BYTES) != 0) {
        return damaged(reader, "the checksum of the snapshot is wrong");
    }
    return VIV_OK;
}

/* Below version 2 the value is hexadecimal text. */
static viv_status take_digest(struct reader *reader, struct viv_zk_snapshot_info *info)
{
    enum { TEXT_BYTES_MAX = 64 };
    uint8_t bytes[TEXT_BYTES_MAX];
    VIV_TRY(take(reader, bytes, 12));
    info->digest_zxid = viv_load_be64(bytes);
    info->has_digest = viv_load_be32(bytes + 8) == VIV_ZK_DIGEST_VERSION;
    if (info->has_digest) {
        VIV_TRY(take(reader, bytes, 8));
        info->digest = viv_load_be64(bytes);
        return VIV_OK;
    }
    VIV_TRY(take(reader, bytes, 4));
    uint32_t size = viv_load_be32(bytes);
    return size <= TEXT_BYTES_MAX ? take(reader, bytes, size)
                                  : damaged(reader, "the digest of the snapshot is of an unknown kind");
}

static viv_status take_trailer(struct reader *reader, struct viv_zk_snapshot_info *info)
{
    VIV_TRY(take_seal(reader));
    VIV_TRY(fill(reader));
    if (reader->window.size == 0) {
        return VIV_OK;
    }
    VIV_TRY(take_digest(reader, info));
    VIV_TRY(take_seal(reader));
    VIV_TRY(fill(reader));
    if (reader->window.size == 0) {
        return VIV_OK;
    }
    uint8_t bytes[8];
    VIV_TRY(take(reader, bytes, sizeof bytes));
    info->last_zxid = viv_load_be64(bytes);
    info->has_last_zxid = true;
    VIV_TRY(take_seal(reader));
    VIV_TRY(fill(reader));
    return reader->window.size == 0 ? VIV_OK : damaged(reader, "there is something behind the end of the snapshot");
}

static viv_status load(struct reader *reader, struct viv_tree *tree, uint64_t zxid, struct viv_zk_snapshot_info *info)
{
    VIV_TRY(take_header(reader));
    struct viv_tree_loader *loader = viv_tree_loader_begin(tree);
    viv_tree_loader_expect_no_signature(loader);
    viv_status status = take_body(reader, loader);
    viv_tree_loader_end(loader, zxid);
    return status == VIV_OK ? take_trailer(reader, info) : status;
}

viv_status viv_zk_snapshot_load(const char *file, uint64_t zxid, struct viv_tree **tree,
                                struct viv_zk_snapshot_info *info)
{
    struct reader reader = {.file = file, .adler = 1};
    VIV_TRY(viv_zk_source_open(file, &reader.source));
    struct viv_zk_snapshot_info got = {0};
    struct viv_tree *loaded = viv_tree_new_empty();
    viv_status status = load(&reader, loaded, zxid, &got);
    got.raw_bytes = viv_zk_source_offset(reader.source);
    viv_zk_source_close(reader.source);
    if (status != VIV_OK) {
        viv_tree_free(loaded);
        return status;
    }
    struct viv_tree_counts counts;
    viv_tree_counts(loaded, &counts);
    got.nodes = counts.nodes;
    got.sessions = counts.sessions;
    got.acls = counts.acls;
    *info = got;
    *tree = loaded;
    return VIV_OK;
}

/* ---- znodes one by one ---- */

static viv_status visit_one(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *path, viv_zk_node_fn *visit,
                            void *ctx)
{
    struct viv_zk_node node = {.path = path->size == 0 ? VIV_BYTES_LITERAL("/") : viv_buffer_bytes(path)};
    bool is_there = viv_tree_get(tree, id, &node.znode);
    VIV_ASSERT(is_there);
    node.acl = viv_tree_acl(tree, node.znode.acl_id);
    return visit(ctx, &node);
}

/* The node after `id` in preorder that is below `top`, or VIV_NODE_NONE; keeps `path` in step. */
static viv_node_id step(const struct viv_tree *tree, viv_node_id top, viv_node_id id, struct viv_buffer *path)
{
    viv_node_id next = viv_tree_next_child(tree, id, VIV_NODE_NONE);
    while (next == VIV_NODE_NONE && id != top) {
        struct viv_znode node;
        bool is_there = viv_tree_get(tree, id, &node);
        VIV_ASSERT(is_there && path->size > node.name.size);
        path->size -= node.name.size + 1;
        next = viv_tree_next_child(tree, node.parent, id);
        id = node.parent;
    }
    if (next != VIV_NODE_NONE) {
        viv_buffer_append(path, "/", 1);
        viv_buffer_append_bytes(path, viv_tree_name(tree, next));
    }
    return next;
}

viv_status viv_zk_visit(const struct viv_tree *tree, struct viv_bytes path, viv_zk_node_fn *visit, void *ctx)
{
    struct viv_znode top;
    if (!viv_tree_find(tree, path, &top)) {
        return VIV_ERR_NOT_FOUND;
    }
    struct viv_buffer text = {0};
    if (top.id != VIV_NODE_ROOT) {
        viv_buffer_append_bytes(&text, path);
    }
    viv_status status = VIV_OK;
    for (viv_node_id id = top.id; id != VIV_NODE_NONE && status == VIV_OK; id = step(tree, top.id, id, &text)) {
        status = visit_one(tree, id, &text, visit, ctx);
    }
    viv_buffer_fini(&text);
    return status;
}

viv_status viv_zk_snapshot_read(const char *file, viv_zk_node_fn *visit, struct viv_zk_snapshot_info *info, void *ctx)
{
    struct viv_tree *tree;
    VIV_TRY(viv_zk_snapshot_load(file, 0, &tree, info));
    viv_status status = viv_zk_visit(tree, VIV_BYTES_LITERAL("/"), visit, ctx);
    viv_tree_free(tree);
    return status;
}
