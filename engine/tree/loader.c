#include "tree/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "tree/edit.h"
#include "wire/path.h"

/* ZooKeeper's snapshot stream -> tree, as bytes come. An item (a session, a list, a node) that is not whole yet waits
 * in `pending`; nothing longer than the longest legal item is ever kept. */

enum loader_phase {
    PHASE_SESSION_COUNT,
    PHASE_SESSIONS,
    PHASE_ACL_COUNT,
    PHASE_ACLS,
    PHASE_NODES,
    PHASE_SIGNATURE,
    PHASE_DONE,
};

enum { ITEM_BYTES_MAX = 2 * VIV_ZNODE_DATA_BYTES_MAX + 256, STAT_BYTES = 60 };

/* A key of the stream's own table and what the list is called here. The loader holds a reference until its end. */
struct acl_key {
    int64_t key;
    uint32_t id;
};

struct viv_tree_loader {
    struct viv_tree *tree;
    enum loader_phase phase;
    bool has_signature, emulate_353_ttl;
    uint32_t remaining; /* items of the phase */
    struct viv_buffer pending;
    struct acl_key *acls; /* sorted by key once they are all there */
    size_t acl_count, acl_capacity;
    struct viv_buffer parent_path; /* of the node read last: siblings mostly follow each other */
    viv_node_id parent;
    uint64_t node_count;
};

struct viv_tree_loader *viv_tree_loader_begin(struct viv_tree *empty_tree)
{
    VIV_ASSERT(empty_tree->znodes.slots.live_count == 0);
    struct viv_tree_loader *loader = viv_alloc_zeroed(1, sizeof *loader);
    loader->tree = empty_tree;
    loader->has_signature = true;
    return loader;
}

void viv_tree_loader_expect_no_signature(struct viv_tree_loader *loader)
{
    VIV_ASSERT(loader->phase == PHASE_SESSION_COUNT && loader->pending.size == 0);
    loader->has_signature = false;
}

void viv_tree_loader_emulate_353_ttl(struct viv_tree_loader *loader)
{
    loader->emulate_353_ttl = true;
}

/* ZooKeeper 3.5.3 marked TTL nodes by the top bit alone, with the TTL in the low 60 bits. */
static int64_t owner_from_353(int64_t owner)
{
    const uint64_t ttl_mask = (UINT64_C(1) << 60) - 1;
    bool is_newer = ((uint64_t)owner & ~(uint64_t)VIV_TTL_MS_MAX) == VIV_OWNER_TTL_MARK;
    if (owner >= 0 || owner == VIV_OWNER_CONTAINER || is_newer) {
        return owner;
    }
    uint64_t ttl_ms = (uint64_t)owner & ttl_mask;
    return (int64_t)(VIV_OWNER_TTL_MARK | (ttl_ms <= VIV_TTL_MS_MAX ? ttl_ms : VIV_TTL_MS_MAX));
}

static viv_status malformed(const struct viv_tree_loader *loader, const char *what)
{
    viv_log(VIV_LOG_ERROR, "tree", "a snapshot stream cannot be read", "reason=\"%s\" nodes_so_far=%llu", what,
            (unsigned long long)loader->node_count);
    return VIV_ERR_MALFORMED;
}

/* ---- how far an item reaches: whole, cut off by the end of what is there, or impossible ---- */

enum extent { EXTENT_WHOLE, EXTENT_CUT, EXTENT_BAD };

static enum extent measure_fixed(struct viv_bytes in, size_t *at, size_t size)
{
    if (in.size - *at < size) {
        return EXTENT_CUT;
    }
    *at += size;
    return EXTENT_WHOLE;
}

static enum extent measure_slice(struct viv_bytes in, size_t *at)
{
    size_t start = *at;
    if (measure_fixed(in, at, 4) == EXTENT_CUT) {
        return EXTENT_CUT;
    }
    int32_t size = (int32_t)viv_load_be32(in.data + start);
    if (size < -1 || size > VIV_ZNODE_DATA_BYTES_MAX) {
        return EXTENT_BAD;
    }
    return size == -1 ? EXTENT_WHOLE : measure_fixed(in, at, (size_t)size);
}

static enum extent measure_acl(struct viv_bytes in, size_t *at)
{
    if (measure_fixed(in, at, 12) == EXTENT_CUT) {
        return EXTENT_CUT;
    }
    int32_t count = (int32_t)viv_load_be32(in.data + 8);
    if (count < -1 || count > VIV_ZNODE_DATA_BYTES_MAX) {
        return EXTENT_BAD;
    }
    for (int32_t i = 0; i < count; i++) {
        enum extent extent = measure_fixed(in, at, 4);
        for (int part = 0; part < 2 && extent == EXTENT_WHOLE; part++) {
            extent = measure_slice(in, at);
        }
        if (extent != EXTENT_WHOLE) {
            return extent;
        }
    }
    return EXTENT_WHOLE;
}

static bool is_terminator(struct viv_bytes path)
{
    return path.size == 1 && path.data[0] == '/';
}

static enum extent measure_node(struct viv_bytes in, size_t *at)
{
    enum extent extent = measure_slice(in, at);
    if (extent != EXTENT_WHOLE || is_terminator(viv_bytes_of(in.data + 4, *at - 4))) {
        return extent;
    }
    extent = measure_slice(in, at);
    return extent == EXTENT_WHOLE ? measure_fixed(in, at, 8 + STAT_BYTES) : extent;
}

/* ---- taking whole items ---- */

static viv_status take_count(struct viv_tree_loader *loader, struct viv_jute_reader *reader)
{
    int32_t count = viv_jute_read_int(reader);
    if (count < 0) {
        return malformed(loader, "negative count");
    }
    loader->remaining = (uint32_t)count;
    /* An empty table is skipped. */
    loader->phase += count == 0 ? 2 : 1;
    return VIV_OK;
}

static viv_status take_session(struct viv_tree_loader *loader, struct viv_jute_reader *reader)
{
    int64_t session_id = viv_jute_read_long(reader);
    viv_edit_open_session(loader->tree, session_id, viv_jute_read_int(reader));
    loader->phase += --loader->remaining == 0 ? 1 : 0;
    return VIV_OK;
}

static int compare_keys(const void *a, const void *b)
{
    int64_t left = ((const struct acl_key *)a)->key;
    int64_t right = ((const struct acl_key *)b)->key;
    return (left > right) - (left < right);
}

static viv_status take_acl(struct viv_tree_loader *loader, struct viv_jute_reader *reader)
{
    int64_t key = viv_jute_read_long(reader);
    struct viv_bytes list = viv_acl_list_read(reader);
    if (reader->bad) {
        return malformed(loader, "malformed ACL list");
    }
    if (loader->acl_count == loader->acl_capacity) {
        loader->acl_capacity = loader->acl_capacity == 0 ? 16 : loader->acl_capacity * 2;
        loader->acls = viv_realloc(loader->acls, loader->acl_capacity * sizeof *loader->acls);
    }
    loader->acls[loader->acl_count++] = (struct acl_key){key, viv_edit_acl(loader->tree, list)};
    if (--loader->remaining == 0) {
        qsort(loader->acls, loader->acl_count, sizeof *loader->acls, compare_keys);
        for (size_t i = 1; i < loader->acl_count; i++) {
            if (loader->acls[i - 1].key == loader->acls[i].key) {
                return malformed(loader, "ACL key used twice");
            }
        }
        loader->phase++;
    }
    return VIV_OK;
}

/* The id for a key, with a reference. */
static uint32_t acl_of(struct viv_tree_loader *loader, int64_t key)
{
    enum { KEY_OPEN = -1 };
    if (key == KEY_OPEN) {
        return 0;
    }
    const struct acl_key wanted = {key, 0};
    const struct acl_key *found =
        loader->acl_count == 0 ? NULL
                               : bsearch(&wanted, loader->acls, loader->acl_count, sizeof *loader->acls, compare_keys);
    if (found == NULL) {
        return viv_edit_acl(loader->tree, viv_edit_acl_unresolved());
    }
    viv_acl_table_refer(&loader->tree->acls, found->id);
    return found->id;
}

static viv_node_id parent_of(struct viv_tree_loader *loader, struct viv_bytes path)
{
    struct viv_bytes parent_path = viv_path_parent(path);
    if (loader->parent == VIV_NODE_NONE || !viv_bytes_equal(viv_buffer_bytes(&loader->parent_path), parent_path)) {
        loader->parent = viv_tree_find_id(loader->tree, parent_path);
        viv_buffer_clear(&loader->parent_path);
        viv_buffer_append_bytes(&loader->parent_path, parent_path);
    }
    return loader->parent;
}

/* NULL when a node of this path can be added now; sets *parent. */
static const char *fault_of(struct viv_tree_loader *loader, struct viv_bytes path, viv_node_id *parent)
{
    *parent = VIV_NODE_NONE;
    if (loader->node_count == 0) {
        return path.size == 0 ? NULL : "the first node is not the root";
    }
    if (!viv_tree_path_is_sound(path)) {
        return "impossible path";
    }
    *parent = parent_of(loader, path);
    struct viv_znode node;
    if (!viv_tree_get(loader->tree, *parent, &node)) {
        return "a node before its parent";
    }
    if (viv_owner_is_session(node.owner)) {
        return "a node below an ephemeral";
    }
    return viv_tree_child_id(loader->tree, *parent, viv_path_name(path)) == VIV_NODE_NONE ? NULL : "a path twice";
}

static viv_status take_terminator(struct viv_tree_loader *loader)
{
    if (loader->node_count == 0) {
        return malformed(loader, "there is no root");
    }
    loader->phase = loader->has_signature ? PHASE_SIGNATURE : PHASE_DONE;
    return VIV_OK;
}

static viv_status take_node(struct viv_tree_loader *loader, struct viv_jute_reader *reader)
{
    struct viv_jute_slice path = viv_jute_read_buffer(reader);
    if (is_terminator(path.bytes)) {
        return take_terminator(loader);
    }
    viv_node_id parent;
    const char *fault = path.null ? "null path" : fault_of(loader, path.bytes, &parent);
    if (fault != NULL) {
        return malformed(loader, fault);
    }
    struct viv_znode fields = {.parent = parent, .data = viv_jute_read_buffer(reader)};
    fields.acl_id = acl_of(loader, viv_jute_read_long(reader));
    fields.czxid = (uint64_t)viv_jute_read_long(reader);
    fields.mzxid = (uint64_t)viv_jute_read_long(reader);
    fields.ctime_ms = viv_jute_read_long(reader);
    fields.mtime_ms = viv_jute_read_long(reader);
    fields.version = viv_jute_read_int(reader);
    fields.child_counter = viv_jute_read_int(reader);
    fields.aversion = viv_jute_read_int(reader);
    fields.owner = viv_jute_read_long(reader);
    fields.owner = loader->emulate_353_ttl ? owner_from_353(fields.owner) : fields.owner;
    fields.pzxid = (uint64_t)viv_jute_read_long(reader);
    fields.name = path.bytes.size == 0 ? path.bytes : viv_path_name(path.bytes);
    VIV_ASSERT(!reader->bad);
    (void)viv_edit_insert(loader->tree, &fields, path.bytes);
    loader->node_count++;
    return VIV_OK;
}

static viv_status take_signature(struct viv_tree_loader *loader, struct viv_jute_reader *reader)
{
    if (!viv_bytes_equal(viv_jute_read_buffer(reader).bytes, VIV_BYTES_LITERAL("BenWasHere"))) {
        return malformed(loader, "wrong signature");
    }
    loader->phase = PHASE_DONE;
    return VIV_OK;
}

static enum extent measure_count(struct viv_bytes in, size_t *at)
{
    return measure_fixed(in, at, 4);
}

static enum extent measure_session(struct viv_bytes in, size_t *at)
{
    return measure_fixed(in, at, 12);
}

typedef enum extent measure_fn(struct viv_bytes in, size_t *at);
typedef viv_status take_fn(struct viv_tree_loader *loader, struct viv_jute_reader *reader);

static const struct {
    measure_fn *measure;
    take_fn *take;
} items[] = {
    [PHASE_SESSION_COUNT] = {measure_count, take_count}, [PHASE_SESSIONS] = {measure_session, take_session},
    [PHASE_ACL_COUNT] = {measure_count, take_count},     [PHASE_ACLS] = {measure_acl, take_acl},
    [PHASE_NODES] = {measure_node, take_node},           [PHASE_SIGNATURE] = {measure_slice, take_signature},
};

/* Takes items off the front of `in` while they are whole. */
static viv_status take_items(struct viv_tree_loader *loader, struct viv_bytes *in)
{
    while (loader->phase != PHASE_DONE) {
        size_t size = 0;
        enum extent extent = items[loader->phase].measure(*in, &size);
        if (extent == EXTENT_BAD || (extent == EXTENT_CUT && in->size > ITEM_BYTES_MAX)) {
            return malformed(loader, "impossible length");
        }
        if (extent == EXTENT_CUT) {
            return VIV_OK;
        }
        struct viv_jute_reader reader = viv_jute_reader_of((struct viv_bytes){in->data, size});
        VIV_TRY(items[loader->phase].take(loader, &reader));
        in->data += size;
        in->size -= size;
    }
    return VIV_OK;
}

viv_status viv_tree_loader_feed(struct viv_tree_loader *loader, struct viv_bytes bytes, size_t *used, bool *done)
{
    VIV_ASSERT(loader->phase != PHASE_DONE);
    bool joined = loader->pending.size > 0;
    if (joined) {
        viv_buffer_append_bytes(&loader->pending, bytes);
    }
    struct viv_bytes rest = joined ? viv_buffer_bytes(&loader->pending) : bytes;
    VIV_TRY(take_items(loader, &rest));
    *done = loader->phase == PHASE_DONE;
    *used = *done ? bytes.size - rest.size : bytes.size;
    if (joined) {
        viv_buffer_consume(&loader->pending, loader->pending.size - (*done ? 0 : rest.size));
    } else if (!*done) {
        viv_buffer_append_bytes(&loader->pending, rest);
    }
    return VIV_OK;
}

void viv_tree_loader_end(struct viv_tree_loader *loader, uint64_t zxid)
{
    for (size_t i = 0; i < loader->acl_count; i++) {
        viv_edit_acl_drop(loader->tree, loader->acls[i].id);
    }
    loader->tree->zxid = zxid;
    viv_buffer_fini(&loader->pending);
    viv_buffer_fini(&loader->parent_path);
    free(loader->acls);
    free(loader);
}
