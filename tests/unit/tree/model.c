#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/endian.h"
#include "tests/unit/tree/support.h"

enum { ACL_LISTS = 5, DEPTH_MAX = 4 };

static struct viv_bytes list_of(struct viv_buffer *acl, int index)
{
    static const char *const ids[ACL_LISTS] = {"alice", "bob", "carol", "dave", "erin"};
    return index < 0 ? viv_acl_open_unsafe() : make_acl(acl, 31, "digest", ids[index]);
}

void model_init(struct model *model, uint64_t seed, struct viv_buffer *log)
{
    *model = (struct model){.next_session_id = 0x100, .time_ms = 1700000000000, .log = log};
    viv_rng_init(&model->rng, seed);
    model->nodes[model->count++] = (struct model_node){.path = "", .acl = -1, .children = 1};
}

static uint64_t below(struct model *model, uint64_t bound)
{
    return viv_rng_below(&model->rng, bound);
}

static struct model_node *find(struct model *model, const char *path)
{
    for (size_t i = 0; i < model->count; i++) {
        if (strcmp(model->nodes[i].path, path) == 0) {
            return &model->nodes[i];
        }
    }
    return NULL;
}

static struct model_node *parent_of(struct model *model, const char *path)
{
    char parent[64];
    memcpy(parent, path, sizeof parent);
    *strrchr(parent, '/') = '\0';
    return find(model, parent);
}

static struct model_node *any_node(struct model *model)
{
    return &model->nodes[below(model, model->count)];
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;
    for (; *path != '\0'; path++) {
        depth += *path == '/' ? 1 : 0;
    }
    return depth;
}

static bool is_session(int64_t owner)
{
    return owner > 0;
}

/* ---- effects ---- */

static void remove_node(struct model *model, struct model_node *node)
{
    struct model_node *parent = parent_of(model, node->path);
    cr_assert_eq(node->children, 0);
    parent->children--;
    parent->pzxid = model->zxid;
    *node = model->nodes[--model->count];
}

static void draw_data(struct model *model, struct model_node *node)
{
    node->data_null = below(model, 8) == 0;
    node->data_bytes = node->data_null ? 0 : below(model, below(model, 3) == 0 ? 1 : sizeof node->data);
    for (size_t i = 0; i < node->data_bytes; i++) {
        node->data[i] = (char)below(model, 256);
    }
}

static struct viv_jute_slice data_of(const struct model_node *node)
{
    return (struct viv_jute_slice){.bytes = viv_bytes_of(node->data, node->data_bytes), .null = node->data_null};
}

/* ---- drawing single operations: false when chance met nothing suitable ---- */

struct drawn {
    int32_t type;
    struct viv_buffer record;
    int64_t session_id;
};

static bool draw_create(struct model *model, struct drawn *drawn)
{
    static const int32_t types[] = {VIV_OP_CREATE, VIV_OP_CREATE2, VIV_OP_CREATE, VIV_OP_CREATE_CONTAINER,
                                    VIV_OP_CREATE_TTL};
    struct model_node *parent = any_node(model);
    struct model_node node = {.czxid = model->zxid, .mzxid = model->zxid, .pzxid = model->zxid};
    snprintf(node.path, sizeof node.path, "%.40s/n%d", parent->path, (int)below(model, 12));
    if (is_session(parent->owner) || depth_of(node.path) > DEPTH_MAX || find(model, node.path) != NULL ||
        model->count == MODEL_NODES_MAX) {
        return false;
    }
    drawn->type = types[below(model, 5)];
    node.ctime = node.mtime = model->time_ms;
    bool ephemeral = drawn->type <= VIV_OP_CREATE2 && model->session_count > 0 && below(model, 3) == 0;
    node.owner = ephemeral ? drawn->session_id : 0;
    node.owner = drawn->type == VIV_OP_CREATE_CONTAINER ? VIV_OWNER_CONTAINER : node.owner;
    node.owner = drawn->type == VIV_OP_CREATE_TTL ? (int64_t)(VIV_OWNER_TTL_MARK | 5000) : node.owner;
    node.acl = (int)below(model, ACL_LISTS * 2) - ACL_LISTS;
    node.acl = node.acl < 0 ? -1 : node.acl;
    draw_data(model, &node);
    parent->counter++;
    parent->pzxid = model->zxid;
    parent->children++;
    struct viv_buffer acl = {0};
    viv_create_txn_encode(&drawn->record,
                          &(struct viv_create_txn){viv_bytes_text(node.path), data_of(&node), list_of(&acl, node.acl),
                                                   ephemeral, parent->counter, 5000},
                          (enum viv_op)drawn->type);
    viv_buffer_fini(&acl);
    model->nodes[model->count++] = node;
    return true;
}

static bool draw_delete(struct model *model, struct drawn *drawn)
{
    struct model_node *node = any_node(model);
    if (node->path[0] == '\0' || node->children > 0) {
        return false;
    }
    drawn->type = below(model, 5) == 0 ? VIV_OP_DELETE_CONTAINER : VIV_OP_DELETE;
    viv_jute_write_text(&drawn->record, node->path);
    remove_node(model, node);
    return true;
}

static bool draw_set_data(struct model *model, struct drawn *drawn)
{
    struct model_node *node = any_node(model);
    drawn->type = VIV_OP_SET_DATA;
    draw_data(model, node);
    node->version++;
    node->mzxid = model->zxid;
    node->mtime = model->time_ms;
    viv_set_data_txn_encode(&drawn->record,
                            &(struct viv_set_data_txn){viv_bytes_text(node->path[0] == '\0' ? "/" : node->path),
                                                       data_of(node), node->version});
    return true;
}

static bool draw_set_acl(struct model *model, struct drawn *drawn)
{
    struct model_node *node = any_node(model);
    struct viv_buffer acl = {0};
    drawn->type = VIV_OP_SET_ACL;
    node->acl = (int)below(model, ACL_LISTS + 1) - 1;
    node->aversion++;
    viv_set_acl_txn_encode(&drawn->record,
                           &(struct viv_set_acl_txn){viv_bytes_text(node->path[0] == '\0' ? "/" : node->path),
                                                     list_of(&acl, node->acl), node->aversion});
    viv_buffer_fini(&acl);
    return true;
}

static bool draw_check(struct model *model, struct drawn *drawn)
{
    struct model_node *node = any_node(model);
    drawn->type = VIV_OP_CHECK;
    viv_path_version_txn_encode(&drawn->record, &(struct viv_path_version_txn){viv_bytes_text(node->path), 1});
    return true;
}

static bool draw_error(struct model *model, struct drawn *drawn)
{
    drawn->type = VIV_OP_ERROR;
    viv_jute_write_int(&drawn->record, -101 - (int32_t)below(model, 5));
    return true;
}

static bool draw_create_session(struct model *model, struct drawn *drawn)
{
    if (model->session_count == MODEL_SESSIONS_MAX) {
        return false;
    }
    drawn->type = VIV_OP_CREATE_SESSION;
    drawn->session_id = model->next_session_id++;
    int32_t timeout_ms = 4000 + (int32_t)below(model, 1000);
    viv_jute_write_int(&drawn->record, timeout_ms);
    model->sessions[model->session_count].id = drawn->session_id;
    model->sessions[model->session_count++].timeout_ms = timeout_ms;
    return true;
}

static bool draw_close_session(struct model *model, struct drawn *drawn)
{
    if (model->session_count == 0) {
        return false;
    }
    size_t index = below(model, model->session_count);
    bool with_list = !model->old_closes || below(model, 4) != 0;
    struct viv_buffer paths = {0};
    int32_t count = 0;
    drawn->type = VIV_OP_CLOSE_SESSION;
    drawn->session_id = model->sessions[index].id;
    for (size_t i = 0; i < model->count;) {
        if (model->nodes[i].owner == drawn->session_id) {
            viv_jute_write_text(&paths, model->nodes[i].path);
            count++;
            remove_node(model, &model->nodes[i]);
        } else {
            i++;
        }
    }
    if (with_list) {
        viv_jute_write_int(&drawn->record, count);
        viv_buffer_append_bytes(&drawn->record, viv_buffer_bytes(&paths));
    }
    viv_buffer_fini(&paths);
    model->sessions[index] = model->sessions[--model->session_count];
    return true;
}

typedef bool draw_fn(struct model *model, struct drawn *drawn);
static draw_fn *const weighted[] = {
    draw_create, draw_create, draw_create,         draw_create,         draw_create,        draw_create,   draw_delete,
    draw_delete, draw_delete, draw_delete,         draw_set_data,       draw_set_data,      draw_set_data, draw_set_acl,
    draw_check,  draw_error,  draw_create_session, draw_create_session, draw_close_session,
};
static draw_fn *const weighted_in_multi[] = {draw_create, draw_create, draw_delete, draw_set_data, draw_check};

static void write_part(struct viv_buffer *record, int32_t type, struct viv_bytes part)
{
    viv_jute_write_int(record, type);
    viv_jute_write_bytes(record, part);
}

/* Parts act one after the other on the model, as they will on the tree. */
static bool draw_multi(struct model *model, struct drawn *drawn)
{
    struct viv_buffer parts = {0};
    int32_t count = 0;
    for (size_t i = below(model, 6); i > 0; i--) {
        struct drawn part = {.session_id = drawn->session_id};
        if (weighted_in_multi[below(model, 5)](model, &part)) {
            write_part(&parts, part.type, viv_buffer_bytes(&part.record));
            count++;
        }
        viv_buffer_fini(&part.record);
    }
    drawn->type = VIV_OP_MULTI;
    viv_jute_write_int(&drawn->record, count);
    viv_buffer_append_bytes(&drawn->record, viv_buffer_bytes(&parts));
    viv_buffer_fini(&parts);
    return true;
}

/* Its good part must leave no trace: the model does not even know of it. */
static bool draw_failed_multi(struct model *model, struct drawn *drawn)
{
    struct viv_buffer part = {0};
    drawn->type = VIV_OP_MULTI;
    viv_jute_write_int(&drawn->record, 3);
    viv_set_data_txn_encode(&part, &(struct viv_set_data_txn){viv_bytes_text("/"),
                                                              {.bytes = viv_bytes_text("must not be")},
                                                              (int32_t)below(model, 9)});
    write_part(&drawn->record, VIV_OP_SET_DATA, viv_buffer_bytes(&part));
    write_part(&drawn->record, VIV_OP_ERROR, viv_bytes_of("\xff\xff\xff\x9b", 4));
    write_part(&drawn->record, VIV_OP_ERROR, viv_bytes_of("\xff\xff\xff\xfe", 4));
    viv_buffer_fini(&part);
    return true;
}

void model_draw(struct model *model, struct viv_buffer *body)
{
    model->zxid++;
    model->time_ms += (int64_t)below(model, 50);
    struct drawn drawn = {0};
    bool done = false;
    while (!done) {
        drawn.session_id = model->session_count == 0 ? 0 : model->sessions[below(model, model->session_count)].id;
        uint64_t kind = below(model, 24);
        draw_fn *draw = kind < 19 ? weighted[kind] : kind < 22 ? draw_multi : draw_failed_multi;
        done = draw(model, &drawn);
    }
    viv_txn_header_encode(body, &(struct viv_txn_header){drawn.session_id, 1, model->zxid, model->time_ms, drawn.type});
    viv_buffer_append_bytes(body, viv_buffer_bytes(&drawn.record));
    viv_buffer_fini(&drawn.record);
}

void model_step(struct model *model, struct viv_tree *tree, struct viv_arena *arena)
{
    struct viv_buffer body = {0};
    struct viv_applied applied;
    model_draw(model, &body);
    viv_arena_reset(arena);
    viv_tree_apply(tree, viv_buffer_bytes(&body), VIV_APPLY_LIVE, arena, &applied);
    cr_assert_not(applied.malformed);
    if (model->log != NULL) {
        uint8_t *head = viv_buffer_extend(model->log, 12);
        viv_store_be32(head, (uint32_t)body.size);
        viv_store_be64(head + 4, model->zxid);
        viv_buffer_append_bytes(model->log, viv_buffer_bytes(&body));
    }
    viv_buffer_fini(&body);
}

void replay_log(struct viv_bytes log, uint64_t after, int times, struct viv_tree *tree)
{
    struct viv_arena arena = {0};
    while (log.size > 0) {
        size_t size = viv_load_be32(log.data);
        uint64_t zxid = viv_load_be64(log.data + 4);
        for (int i = 0; i < times && zxid > after; i++) {
            struct viv_applied applied;
            viv_arena_reset(&arena);
            viv_tree_apply(tree, viv_bytes_of(log.data + 12, size), VIV_APPLY_REPLAY, &arena, &applied);
            cr_assert_not(applied.malformed);
        }
        log.data += 12 + size;
        log.size -= 12 + size;
    }
    viv_arena_fini(&arena);
}

/* ---- comparing ---- */

static uint64_t node_digest(const struct model_node *node)
{
    uint8_t stat[60];
    uint32_t crc = (uint32_t)crc32(0, (const uint8_t *)node->path, (uInt)strlen(node->path));
    crc = (uint32_t)crc32(crc, (const uint8_t *)node->data, (uInt)node->data_bytes);
    viv_store_be64(stat, node->czxid);
    viv_store_be64(stat + 8, node->mzxid);
    viv_store_be64(stat + 16, node->pzxid);
    viv_store_be64(stat + 24, (uint64_t)node->ctime);
    viv_store_be64(stat + 32, (uint64_t)node->mtime);
    viv_store_be32(stat + 40, (uint32_t)node->version);
    viv_store_be32(stat + 44, (uint32_t)node->counter);
    viv_store_be32(stat + 48, (uint32_t)node->aversion);
    viv_store_be64(stat + 52, (uint64_t)node->owner);
    return crc32(crc, stat, sizeof stat);
}

static void assert_node_is(const struct viv_tree *tree, const struct model_node *want)
{
    struct viv_znode node;
    struct viv_buffer acl = {0};
    cr_assert(viv_tree_find(tree, viv_bytes_text(want->path), &node), "%s is missing", want->path);
    cr_assert_eq(node.czxid, want->czxid);
    cr_assert_eq(node.mzxid, want->mzxid);
    cr_assert_eq(node.pzxid, want->pzxid, "pzxid of %s", want->path);
    cr_assert_eq(node.ctime_ms, want->ctime);
    cr_assert_eq(node.mtime_ms, want->mtime);
    cr_assert_eq(node.version, want->version);
    cr_assert_eq(node.aversion, want->aversion);
    cr_assert_eq(node.child_counter, want->counter);
    cr_assert_eq(node.child_count, (uint32_t)want->children);
    cr_assert_eq(node.owner, want->owner);
    cr_assert_eq(node.data.null, want->data_null);
    cr_assert(viv_bytes_equal(node.data.bytes, viv_bytes_of(want->data, want->data_bytes)));
    cr_assert(viv_bytes_equal(viv_tree_acl(tree, node.acl_id), list_of(&acl, want->acl)));
    viv_buffer_fini(&acl);
}

void assert_tree_is_model(const struct viv_tree *tree, const struct model *model)
{
    enum { BUILT_IN_NODES = 3 };
    const uint64_t zookeeper_digest = 1303661912;
    struct viv_tree_counts counts;
    uint64_t digest = zookeeper_digest;
    for (size_t i = 0; i < model->count; i++) {
        assert_node_is(tree, &model->nodes[i]);
        digest += node_digest(&model->nodes[i]);
    }
    viv_tree_counts(tree, &counts);
    cr_assert_eq(counts.nodes, model->count + BUILT_IN_NODES);
    cr_assert_eq(counts.sessions, model->session_count);
    for (size_t i = 0; i < model->session_count; i++) {
        int32_t timeout_ms;
        cr_assert(viv_tree_session(tree, model->sessions[i].id, &timeout_ms));
        cr_assert_eq(timeout_ms, model->sessions[i].timeout_ms);
    }
    cr_assert_eq(viv_tree_digest(tree), digest);
    cr_assert_eq(viv_tree_zxid(tree), model->zxid);
}
