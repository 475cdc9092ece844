#include "tree/apply.h"

#include "base/assert.h"
#include "tree/edit.h"
#include "tree/txn_record.h"
#include "wire/path.h"

struct apply_context {
    struct viv_tree *tree;
    enum viv_apply_mode mode;
    struct viv_arena *arena;
    struct viv_txn_header header;
    struct viv_applied *applied;
    struct viv_bytes kept_acl; /* the list that was kept last: neighbours mostly share one */
};

/* A list outlives its node only as a copy. */
static struct viv_bytes keep_list(struct apply_context *context, uint32_t acl_id)
{
    struct viv_bytes acl = viv_tree_acl(context->tree, acl_id);
    if (!viv_bytes_equal(acl, context->kept_acl)) {
        context->kept_acl = viv_arena_copy(context->arena, acl);
    }
    return context->kept_acl;
}

/* Nearly every node has the list that needs no copy. */
static inline struct viv_bytes keep_acl(struct apply_context *context, viv_node_id id)
{
    const struct viv_znodes *znodes = &context->tree->znodes;
    uint32_t acl_id = id == VIV_NODE_NONE ? 0 : viv_slot_acl_id(znodes, viv_slot_at(znodes, id));
    return acl_id == 0 ? (struct viv_bytes){0} : keep_list(context, acl_id);
}

/* Before a node is gone. `parent`: VIV_NODE_NONE when its children stay what they are. */
static void add_change(struct apply_context *context, enum viv_change_kind kind, struct viv_bytes path, viv_node_id id,
                       viv_node_id parent)
{
    struct viv_applied *applied = context->applied;
    if (context->mode == VIV_APPLY_LIVE) {
        applied->changes[applied->change_count++] = (struct viv_change){
            kind, viv_arena_copy(context->arena, path), keep_acl(context, id), keep_acl(context, parent)};
    }
}

static void fill_stat(const struct apply_context *context, viv_node_id id, struct viv_apply_result *result)
{
    if (context->mode == VIV_APPLY_LIVE) {
        struct viv_znode node;
        viv_slot_read(&context->tree->znodes, id, &node);
        viv_znode_stat(&node, &result->stat);
    }
}

static bool is_ephemeral(const struct viv_tree *tree, viv_node_id id)
{
    const struct viv_slot_ext *ext = viv_slot_ext_of(&tree->znodes, viv_slot_at(&tree->znodes, id));
    return ext != NULL && viv_owner_is_session(ext->owner);
}

static int64_t owner_of(const struct apply_context *context, const struct viv_txn_record *record)
{
    if (record->type == VIV_OP_CREATE_CONTAINER) {
        return VIV_OWNER_CONTAINER;
    }
    if (record->type == VIV_OP_CREATE_TTL) {
        return (int64_t)(VIV_OWNER_TTL_MARK | (uint64_t)record->create.ttl_ms);
    }
    return record->create.ephemeral ? context->header.session_id : 0;
}

static viv_node_id insert_created(struct apply_context *context, const struct viv_txn_record *record,
                                  viv_node_id parent)
{
    const struct viv_create_txn *create = &record->create;
    struct viv_znode fields = {
        .parent = parent,
        .czxid = context->header.zxid,
        .mzxid = context->header.zxid,
        .pzxid = context->header.zxid,
        .ctime_ms = context->header.time_ms,
        .mtime_ms = context->header.time_ms,
        .owner = owner_of(context, record),
        .acl_id = viv_edit_acl(context->tree, create->acl),
        .data = create->data,
        .name = viv_path_name(create->path),
    };
    return viv_edit_insert(context->tree, &fields, create->path);
}

/* An ephemeral found as parent during replay is a later life of that path: the record that deletes the earlier one is
 * still to come and takes it away, so what happened below the earlier one can be left out. */
static void apply_create(struct apply_context *context, const struct viv_txn_record *record,
                         struct viv_apply_result *result)
{
    const struct viv_create_txn *create = &record->create;
    struct viv_tree *tree = context->tree;
    viv_node_id parent = viv_tree_find_id(tree, viv_path_parent(create->path));
    bool fits = parent != VIV_NODE_NONE && !is_ephemeral(tree, parent);
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || fits);
    if (!fits) {
        return;
    }
    viv_node_id id = viv_tree_child_id(tree, parent, viv_path_name(create->path));
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || id == VIV_NODE_NONE);
    viv_edit_child_created(tree, parent, create->parent_cversion, context->header.zxid);
    if (id != VIV_NODE_NONE) {
        viv_edit_set_acl(tree, id, create->acl);
        return;
    }
    id = insert_created(context, record, parent);
    result->path = viv_arena_copy(context->arena, create->path);
    fill_stat(context, id, result);
    add_change(context, VIV_CHANGE_CREATED, create->path, id, parent);
}

/* The parent moves on even when the node is gone already: it may have been dropped before the image saw the parent. */
static void delete_path(struct apply_context *context, struct viv_bytes path)
{
    struct viv_tree *tree = context->tree;
    viv_node_id parent = viv_tree_find_id(tree, viv_path_parent(path));
    if (parent == VIV_NODE_NONE) {
        return;
    }
    viv_edit_child_deleted(tree, parent, context->header.zxid);
    viv_node_id id = viv_tree_child_id(tree, parent, viv_path_name(path));
    if (id == VIV_NODE_NONE) {
        return;
    }
    add_change(context, VIV_CHANGE_DELETED, path, id, parent);
    if (context->mode == VIV_APPLY_LIVE) {
        viv_edit_remove(tree, id);
    } else {
        /* Children here belong to a later life of the path: their own records will bring them back. */
        viv_edit_remove_all(tree, id);
    }
}

static void apply_delete(struct apply_context *context, const struct viv_txn_record *record,
                         struct viv_apply_result *result)
{
    (void)result;
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || viv_tree_find_id(context->tree, record->path) != VIV_NODE_NONE);
    delete_path(context, record->path);
}

static void apply_set_data(struct apply_context *context, const struct viv_txn_record *record,
                           struct viv_apply_result *result)
{
    const struct viv_set_data_txn *set = &record->set_data;
    viv_node_id id = viv_tree_find_id(context->tree, set->path);
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || id != VIV_NODE_NONE);
    if (id == VIV_NODE_NONE) {
        return;
    }
    viv_edit_set_data(
        context->tree, id,
        &(struct viv_edit_data){set->path, set->data, set->version, context->header.zxid, context->header.time_ms});
    fill_stat(context, id, result);
    add_change(context, VIV_CHANGE_DATA, set->path, id, VIV_NODE_NONE);
}

static void apply_set_acl(struct apply_context *context, const struct viv_txn_record *record,
                          struct viv_apply_result *result)
{
    const struct viv_set_acl_txn *set = &record->set_acl;
    viv_node_id id = viv_tree_find_id(context->tree, set->path);
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || id != VIV_NODE_NONE);
    if (id == VIV_NODE_NONE) {
        return;
    }
    viv_edit_set_acl(context->tree, id, set->acl);
    viv_edit_set_aversion(context->tree, id, set->version);
    fill_stat(context, id, result);
}

static void apply_error(struct apply_context *context, const struct viv_txn_record *record,
                        struct viv_apply_result *result)
{
    (void)context;
    result->err = record->err;
}

static void apply_nothing(struct apply_context *context, const struct viv_txn_record *record,
                          struct viv_apply_result *result)
{
    (void)context;
    (void)record;
    (void)result;
}

static void apply_create_session(struct apply_context *context, const struct viv_txn_record *record,
                                 struct viv_apply_result *result)
{
    (void)result;
    viv_edit_open_session(context->tree, context->header.session_id, record->timeout_ms);
}

static void apply_close_session(struct apply_context *context, const struct viv_txn_record *record,
                                struct viv_apply_result *result)
{
    (void)result;
    struct viv_tree *tree = context->tree;
    int64_t session_id = context->header.session_id;
    viv_edit_close_session(tree, session_id);
    for (size_t i = 0; i < record->close.path_count; i++) {
        delete_path(context, record->close.paths[i]);
    }
    viv_node_id id;
    while ((id = viv_tree_next_ephemeral(tree, session_id, VIV_NODE_NONE)) != VIV_NODE_NONE) {
        viv_buffer_clear(&tree->scratch);
        viv_tree_path(tree, id, &tree->scratch);
        delete_path(context, viv_arena_copy(context->arena, viv_buffer_bytes(&tree->scratch)));
    }
}

typedef void apply_fn(struct apply_context *context, const struct viv_txn_record *record,
                      struct viv_apply_result *result);

static apply_fn *const kinds[] = {
    [VIV_TXN_CREATE] = apply_create,
    [VIV_TXN_DELETE] = apply_delete,
    [VIV_TXN_SET_DATA] = apply_set_data,
    [VIV_TXN_SET_ACL] = apply_set_acl,
    [VIV_TXN_ERROR] = apply_error,
    [VIV_TXN_CHECK] = apply_nothing,
    [VIV_TXN_CREATE_SESSION] = apply_create_session,
    [VIV_TXN_CLOSE_SESSION] = apply_close_session,
};

static void apply_record(struct apply_context *context, const struct viv_txn_record *record,
                         struct viv_apply_result *result)
{
    VIV_ASSERT(record->kind < VIV_TXN_KINDS);
    *result = (struct viv_apply_result){.type = record->type};
    kinds[record->kind](context, record, result);
}

static struct viv_apply_result *new_results(struct apply_context *context, size_t count)
{
    struct viv_applied *applied = context->applied;
    applied->results = viv_arena_alloc(context->arena, (count + 1) * sizeof *applied->results);
    applied->result_count = count;
    return applied->results;
}

static void new_changes(struct apply_context *context, size_t count_max)
{
    context->applied->changes = viv_arena_alloc(context->arena, count_max * sizeof *context->applied->changes);
}

static bool apply_single(struct apply_context *context, struct viv_jute_reader *reader)
{
    struct viv_txn_record record;
    if (!viv_txn_record_decode(reader, context->header.type, context->arena, &record)) {
        return false;
    }
    size_t change_count_max = 1;
    if (record.kind == VIV_TXN_CLOSE_SESSION) {
        uint32_t session = viv_session_table_find(&context->tree->sessions, context->header.session_id);
        change_count_max += record.close.path_count;
        change_count_max += session == 0 ? 0 : viv_session_at(&context->tree->sessions, session)->ephemeral_count;
    }
    new_changes(context, change_count_max);
    apply_record(context, &record, new_results(context, 1));
    return true;
}

static bool decode_part(struct viv_jute_reader *reader, struct viv_arena *arena, struct viv_txn_record *part)
{
    int32_t type = viv_jute_read_int(reader);
    struct viv_jute_slice data = viv_jute_read_buffer(reader);
    struct viv_jute_reader inner = viv_jute_reader_of(data.bytes);
    return !reader->bad && viv_txn_record_decode(&inner, type, arena, part) && part->in_multi;
}

/* Nothing of a failed multi is applied: the parts before the failing one answer 0, those behind it what the record
 * says. */
static void fail_multi(struct viv_apply_result *results, const struct viv_txn_record *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_error = parts[i].kind == VIV_TXN_ERROR;
        results[i] = (struct viv_apply_result){.type = VIV_OP_ERROR, .err = is_error ? parts[i].err : 0};
    }
}

static bool apply_multi(struct apply_context *context, struct viv_jute_reader *reader)
{
    enum { PART_BYTES_MIN = 8 };
    context->applied->is_multi = true;
    int32_t vector_count = viv_jute_read_count(reader, PART_BYTES_MIN);
    size_t count = vector_count < 0 ? 0 : (size_t)vector_count;
    struct viv_txn_record *parts = viv_arena_alloc(context->arena, (count + 1) * sizeof *parts);
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_part(reader, context->arena, &parts[i])) {
            return false;
        }
        failed = failed || parts[i].kind == VIV_TXN_ERROR;
    }
    if (reader->bad) {
        return false;
    }
    new_changes(context, count + 1);
    struct viv_apply_result *results = new_results(context, count);
    if (failed) {
        fail_multi(results, parts, count);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        apply_record(context, &parts[i], &results[i]);
    }
    return true;
}

void viv_tree_apply(struct viv_tree *tree, struct viv_bytes body, enum viv_apply_mode mode, struct viv_arena *arena,
                    struct viv_applied *applied)
{
    *applied = (struct viv_applied){0};
    struct apply_context context = {.tree = tree, .mode = mode, .arena = arena, .applied = applied};
    struct viv_jute_reader reader = viv_jute_reader_of(body);
    viv_txn_header_decode(&reader, &context.header);
    applied->header = context.header;
    bool is_multi = context.header.type == VIV_OP_MULTI;
    if (reader.bad || !(is_multi ? apply_multi(&context, &reader) : apply_single(&context, &reader))) {
        *applied = (struct viv_applied){.header = context.header, .malformed = true};
        return;
    }
    VIV_ASSERT(mode == VIV_APPLY_REPLAY || context.header.zxid > tree->zxid);
    if (context.header.zxid > tree->zxid) {
        tree->zxid = context.header.zxid;
    }
}

void viv_tree_show_members(struct viv_tree *tree, struct viv_bytes text, uint64_t version, int64_t time_ms)
{
    const struct viv_bytes path = VIV_BYTES_LITERAL(VIV_PATH_CONFIG);
    viv_node_id id = viv_tree_find_id(tree, path);
    if (id != VIV_NODE_NONE) {
        struct viv_edit_data edit = {path, {text, false}, -1, version, time_ms};
        viv_edit_set_data(tree, id, &edit);
    }
}
