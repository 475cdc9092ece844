#include "tree/apply.h"

#include "base/assert.h"
#include "tree/edit.h"
#include "wire/path.h"

/* The record of one operation, decoded. */
struct operation_record {
    union {
        struct viv_create_txn create;
        struct viv_set_data_txn set_data;
        struct viv_set_acl_txn set_acl;
        struct viv_path_version_txn path_version;
        struct viv_bytes path; /* delete */
        int32_t timeout_ms;    /* createSession */
        int32_t err;
        struct {
            struct viv_bytes *paths;
            size_t path_count;
        } close;
    };
};

struct apply_context {
    struct viv_tree *tree;
    enum viv_apply_mode mode;
    struct viv_arena *arena;
    struct viv_txn_header header;
    struct viv_applied *applied;
};

typedef bool decode_fn(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                       struct operation_record *record);
typedef void apply_fn(struct apply_context *context, int32_t type, const struct operation_record *record,
                      struct viv_apply_result *result);

/* ---- decoding: bytes from outside, checked before anything changes ---- */

static bool decode_create(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                          struct operation_record *record)
{
    (void)arena;
    struct viv_create_txn *create = &record->create;
    viv_create_txn_decode(reader, create, (enum viv_op)type);
    bool ttl_is_sound = type != VIV_OP_CREATE_TTL || (create->ttl_ms > 0 && create->ttl_ms <= VIV_TTL_MS_MAX);
    return !reader->bad && viv_tree_path_is_sound(create->path) && ttl_is_sound &&
           create->data.bytes.size <= VIV_ZNODE_DATA_BYTES_MAX;
}

static bool decode_delete(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                          struct operation_record *record)
{
    (void)type;
    (void)arena;
    record->path = viv_jute_read_buffer(reader).bytes;
    return !reader->bad && viv_tree_path_is_sound(record->path);
}

static bool decode_set_data(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                            struct operation_record *record)
{
    (void)type;
    (void)arena;
    viv_set_data_txn_decode(reader, &record->set_data);
    return !reader->bad && record->set_data.data.bytes.size <= VIV_ZNODE_DATA_BYTES_MAX;
}

static bool decode_set_acl(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                           struct operation_record *record)
{
    (void)type;
    (void)arena;
    viv_set_acl_txn_decode(reader, &record->set_acl);
    return !reader->bad;
}

static bool decode_check(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                         struct operation_record *record)
{
    (void)type;
    (void)arena;
    viv_path_version_txn_decode(reader, &record->path_version);
    return !reader->bad;
}

static bool decode_int(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                       struct operation_record *record)
{
    (void)type;
    (void)arena;
    record->err = viv_jute_read_int(reader);
    return !reader->bad;
}

/* Older writers log no list. What follows the header is then nothing, or the 12 bytes of a digest of version 2, which
 * cannot be a list: two paths take more. */
static bool has_no_list(struct viv_bytes rest)
{
    enum { DIGEST_BYTES = 12, DIGEST_VERSION = 2 };
    struct viv_jute_reader ahead = viv_jute_reader_of(rest);
    return rest.size == 0 || (rest.size == DIGEST_BYTES && viv_jute_read_int(&ahead) == DIGEST_VERSION);
}

static bool decode_close_session(struct viv_jute_reader *reader, int32_t type, struct viv_arena *arena,
                                 struct operation_record *record)
{
    enum { PATH_BYTES_MIN = 4 };
    (void)type;
    record->close.paths = NULL;
    record->close.path_count = 0;
    if (has_no_list(reader->rest)) {
        return true;
    }
    int32_t count = viv_jute_read_count(reader, PATH_BYTES_MIN);
    if (reader->bad || count <= 0) {
        return !reader->bad;
    }
    record->close.paths = viv_arena_alloc(arena, (size_t)count * sizeof *record->close.paths);
    for (int32_t i = 0; i < count; i++) {
        struct viv_bytes path = viv_jute_read_buffer(reader).bytes;
        if (reader->bad || !viv_tree_path_is_sound(path)) {
            return false;
        }
        record->close.paths[record->close.path_count++] = path;
    }
    return true;
}

/* ---- applying ---- */

static void add_change(struct apply_context *context, enum viv_change_kind kind, struct viv_bytes path)
{
    struct viv_applied *applied = context->applied;
    if (context->mode == VIV_APPLY_LIVE) {
        applied->changes[applied->change_count++] = (struct viv_change){kind, viv_arena_copy(context->arena, path)};
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

static int64_t owner_of(const struct apply_context *context, int32_t type, const struct viv_create_txn *create)
{
    if (type == VIV_OP_CREATE_CONTAINER) {
        return VIV_OWNER_CONTAINER;
    }
    if (type == VIV_OP_CREATE_TTL) {
        return (int64_t)(VIV_OWNER_TTL_MARK | (uint64_t)create->ttl_ms);
    }
    return create->ephemeral ? context->header.session_id : 0;
}

static viv_node_id insert_created(struct apply_context *context, int32_t type, const struct viv_create_txn *create,
                                  viv_node_id parent)
{
    struct viv_znode fields = {
        .parent = parent,
        .czxid = context->header.zxid,
        .mzxid = context->header.zxid,
        .pzxid = context->header.zxid,
        .ctime_ms = context->header.time_ms,
        .mtime_ms = context->header.time_ms,
        .owner = owner_of(context, type, create),
        .acl_id = viv_edit_acl(context->tree, create->acl),
        .data = create->data,
        .name = viv_path_name(create->path),
    };
    return viv_edit_insert(context->tree, &fields, create->path);
}

/* An ephemeral found as parent during replay is a later life of that path: the record that deletes the earlier one is
 * still to come and takes it away, so what happened below the earlier one can be left out. */
static void apply_create(struct apply_context *context, int32_t type, const struct operation_record *record,
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
    id = insert_created(context, type, create, parent);
    result->path = viv_arena_copy(context->arena, create->path);
    fill_stat(context, id, result);
    add_change(context, VIV_CHANGE_CREATED, create->path);
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
    add_change(context, VIV_CHANGE_DELETED, path);
    if (context->mode == VIV_APPLY_LIVE) {
        viv_edit_remove(tree, id);
    } else {
        /* Children here belong to a later life of the path: their own records will bring them back. */
        viv_edit_remove_all(tree, id);
    }
}

static void apply_delete(struct apply_context *context, int32_t type, const struct operation_record *record,
                         struct viv_apply_result *result)
{
    (void)type;
    (void)result;
    VIV_ASSERT(context->mode == VIV_APPLY_REPLAY || viv_tree_find_id(context->tree, record->path) != VIV_NODE_NONE);
    delete_path(context, record->path);
}

static void apply_set_data(struct apply_context *context, int32_t type, const struct operation_record *record,
                           struct viv_apply_result *result)
{
    (void)type;
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
    add_change(context, VIV_CHANGE_DATA, set->path);
}

static void apply_set_acl(struct apply_context *context, int32_t type, const struct operation_record *record,
                          struct viv_apply_result *result)
{
    (void)type;
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

static void apply_error(struct apply_context *context, int32_t type, const struct operation_record *record,
                        struct viv_apply_result *result)
{
    (void)context;
    (void)type;
    result->err = record->err;
}

static void apply_nothing(struct apply_context *context, int32_t type, const struct operation_record *record,
                          struct viv_apply_result *result)
{
    (void)context;
    (void)type;
    (void)record;
    (void)result;
}

static void apply_create_session(struct apply_context *context, int32_t type, const struct operation_record *record,
                                 struct viv_apply_result *result)
{
    (void)type;
    (void)result;
    viv_edit_open_session(context->tree, context->header.session_id, record->timeout_ms);
}

static void apply_close_session(struct apply_context *context, int32_t type, const struct operation_record *record,
                                struct viv_apply_result *result)
{
    (void)type;
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

static const struct operation {
    int32_t type;
    bool in_multi;
    decode_fn *decode;
    apply_fn *apply;
} operations[] = {
    {VIV_OP_SET_DATA, true, decode_set_data, apply_set_data},
    {VIV_OP_CREATE, true, decode_create, apply_create},
    {VIV_OP_CREATE2, true, decode_create, apply_create},
    {VIV_OP_DELETE, true, decode_delete, apply_delete},
    {VIV_OP_ERROR, true, decode_int, apply_error},
    {VIV_OP_CHECK, true, decode_check, apply_nothing},
    {VIV_OP_CREATE_SESSION, false, decode_int, apply_create_session},
    {VIV_OP_CLOSE_SESSION, false, decode_close_session, apply_close_session},
    {VIV_OP_SET_ACL, false, decode_set_acl, apply_set_acl},
    {VIV_OP_CREATE_CONTAINER, true, decode_create, apply_create},
    {VIV_OP_CREATE_TTL, true, decode_create, apply_create},
    {VIV_OP_DELETE_CONTAINER, true, decode_delete, apply_delete},
    {VIV_OP_RECONFIG, false, decode_set_data, apply_set_data},
};

static const struct operation *operation_of(int32_t type)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (operations[i].type == type) {
            return &operations[i];
        }
    }
    return NULL;
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
    int32_t type = context->header.type;
    const struct operation *operation = operation_of(type);
    struct operation_record record;
    if (operation == NULL || !operation->decode(reader, type, context->arena, &record)) {
        return false;
    }
    size_t change_count_max = 1;
    if (type == VIV_OP_CLOSE_SESSION) {
        uint32_t session = viv_session_table_find(&context->tree->sessions, context->header.session_id);
        change_count_max += record.close.path_count;
        change_count_max += session == 0 ? 0 : viv_session_at(&context->tree->sessions, session)->ephemeral_count;
    }
    new_changes(context, change_count_max);
    struct viv_apply_result *result = new_results(context, 1);
    *result = (struct viv_apply_result){.type = type};
    operation->apply(context, type, &record, result);
    return true;
}

/* One part of a multi: its operation and record. */
struct part {
    const struct operation *operation;
    struct operation_record record;
};

static bool decode_part(struct viv_jute_reader *reader, struct viv_arena *arena, struct part *part)
{
    int32_t type = viv_jute_read_int(reader);
    struct viv_jute_slice data = viv_jute_read_buffer(reader);
    part->operation = operation_of(type);
    if (reader->bad || part->operation == NULL || !part->operation->in_multi) {
        return false;
    }
    struct viv_jute_reader inner = viv_jute_reader_of(data.bytes);
    return part->operation->decode(&inner, type, arena, &part->record);
}

/* Nothing of a failed multi is applied: the parts before the failing one answer 0, those behind it what the record
 * says. */
static void fail_multi(struct viv_apply_result *results, const struct part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_error = parts[i].operation->type == VIV_OP_ERROR;
        results[i] = (struct viv_apply_result){.type = VIV_OP_ERROR, .err = is_error ? parts[i].record.err : 0};
    }
}

static bool apply_multi(struct apply_context *context, struct viv_jute_reader *reader)
{
    enum { PART_BYTES_MIN = 8 };
    context->applied->is_multi = true;
    int32_t vector_count = viv_jute_read_count(reader, PART_BYTES_MIN);
    size_t count = vector_count < 0 ? 0 : (size_t)vector_count;
    struct part *parts = viv_arena_alloc(context->arena, (count + 1) * sizeof *parts);
    bool failed = false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_part(reader, context->arena, &parts[i])) {
            return false;
        }
        failed = failed || parts[i].operation->type == VIV_OP_ERROR;
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
        int32_t type = parts[i].operation->type;
        results[i] = (struct viv_apply_result){.type = type};
        parts[i].operation->apply(context, type, &parts[i].record, &results[i]);
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
