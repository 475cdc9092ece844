#include "tests/unit/tree/support.h"

#include <stdlib.h>
#include <string.h>

void world_init(struct world *world)
{
    *world = (struct world){.tree = viv_tree_new(), .time_ms = 1700000000000, .session_id = 0x10000124f4c0000};
}

void world_fini(struct world *world)
{
    viv_tree_free(world->tree);
    viv_arena_fini(&world->arena);
    viv_buffer_fini(&world->body);
}

void world_begin(struct world *world, int32_t type)
{
    world->zxid++;
    world->time_ms += 7;
    viv_buffer_clear(&world->body);
    viv_txn_header_encode(&world->body,
                          &(struct viv_txn_header){world->session_id, 1, world->zxid, world->time_ms, type});
}

void world_apply(struct world *world)
{
    viv_arena_reset(&world->arena);
    viv_tree_apply(world->tree, viv_buffer_bytes(&world->body), VIV_APPLY_LIVE, &world->arena, &world->applied);
    cr_assert_not(world->applied.malformed);
}

static void begin_create(struct world *world, int32_t type, const struct viv_create_txn *txn)
{
    world_begin(world, type);
    viv_create_txn_encode(&world->body, txn, (enum viv_op)type);
    world_apply(world);
}

void world_create(struct world *world, const char *path, const char *data, int32_t parent_cversion)
{
    begin_create(
        world, VIV_OP_CREATE,
        &(struct viv_create_txn){.path = viv_bytes_text(path),
                                 .data = {.bytes = viv_bytes_text(data == NULL ? "" : data), .null = data == NULL},
                                 .acl = viv_acl_open_unsafe(),
                                 .parent_cversion = parent_cversion});
}

void world_create_as(struct world *world, int32_t type, const char *path, bool ephemeral, int32_t parent_cversion)
{
    begin_create(world, type,
                 &(struct viv_create_txn){.path = viv_bytes_text(path),
                                          .acl = viv_acl_open_unsafe(),
                                          .ephemeral = ephemeral,
                                          .parent_cversion = parent_cversion,
                                          .ttl_ms = 90000});
}

void world_delete(struct world *world, const char *path)
{
    world_begin(world, VIV_OP_DELETE);
    viv_jute_write_text(&world->body, path);
    world_apply(world);
}

void world_set(struct world *world, const char *path, const char *data, int32_t version)
{
    world_begin(world, VIV_OP_SET_DATA);
    viv_set_data_txn_encode(&world->body, &(struct viv_set_data_txn){.path = viv_bytes_text(path),
                                                                     .data = {.bytes = viv_bytes_text(data)},
                                                                     .version = version});
    world_apply(world);
}

void world_set_acl(struct world *world, const char *path, struct viv_bytes acl, int32_t version)
{
    world_begin(world, VIV_OP_SET_ACL);
    viv_set_acl_txn_encode(&world->body, &(struct viv_set_acl_txn){viv_bytes_text(path), acl, version});
    world_apply(world);
}

struct viv_znode world_node(const struct world *world, const char *path)
{
    struct viv_znode node;
    cr_assert(viv_tree_find(world->tree, viv_bytes_text(path), &node), "%s is missing", path);
    return node;
}

bool world_has(const struct world *world, const char *path)
{
    struct viv_znode node;
    return viv_tree_find(world->tree, viv_bytes_text(path), &node);
}

struct viv_stat world_stat(const struct world *world, const char *path)
{
    struct viv_znode node = world_node(world, path);
    struct viv_stat stat;
    viv_znode_stat(&node, &stat);
    return stat;
}

struct viv_bytes make_acl(struct viv_buffer *acl, int32_t perms, const char *scheme, const char *id)
{
    viv_buffer_clear(acl);
    viv_jute_write_int(acl, 1);
    viv_jute_write_int(acl, perms);
    viv_jute_write_text(acl, scheme);
    viv_jute_write_text(acl, id);
    return viv_buffer_bytes(acl);
}

/* ---- trees as text ---- */

struct line {
    struct viv_buffer text;
};

static int compare_lines(const void *a, const void *b)
{
    return viv_bytes_compare(viv_buffer_bytes(&((const struct line *)a)->text),
                             viv_buffer_bytes(&((const struct line *)b)->text));
}

static void print_hex(struct viv_buffer *out, struct viv_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        viv_buffer_printf(out, "%02x", bytes.data[i]);
    }
}

static void print_node(const struct viv_tree *tree, viv_node_id id, struct viv_buffer *out)
{
    struct viv_znode node;
    cr_assert(viv_tree_get(tree, id, &node));
    viv_tree_path(tree, id, out);
    viv_buffer_printf(out, " c=%llx m=%llx p=%llx ct=%lld mt=%lld v=%d cc=%d av=%d n=%u owner=%llx data=%s:",
                      (unsigned long long)node.czxid, (unsigned long long)node.mzxid, (unsigned long long)node.pzxid,
                      (long long)node.ctime_ms, (long long)node.mtime_ms, node.version, node.child_counter,
                      node.aversion, node.child_count, (unsigned long long)node.owner, node.data.null ? "null" : "");
    print_hex(out, node.data.bytes);
    viv_buffer_printf(out, " acl=");
    print_hex(out, viv_tree_acl(tree, node.acl_id));
    struct viv_znode again;
    if (id != VIV_NODE_ROOT) {
        cr_assert(viv_tree_find_child(tree, node.parent, node.name, &again));
        cr_assert_eq(again.id, id);
    }
}

struct line_list {
    struct line *lines;
    size_t count, capacity;
};

static struct viv_buffer *add_line(struct line_list *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->lines = viv_realloc(list->lines, list->capacity * sizeof *list->lines);
    }
    list->lines[list->count] = (struct line){{0}};
    return &list->lines[list->count++].text;
}

static void add_nodes(const struct viv_tree *tree, viv_node_id id, struct line_list *list)
{
    print_node(tree, id, add_line(list));
    viv_node_id child = VIV_NODE_NONE;
    while ((child = viv_tree_next_child(tree, id, child)) != VIV_NODE_NONE) {
        add_nodes(tree, child, list);
    }
}

struct session_dump {
    const struct viv_tree *tree;
    struct viv_buffer *text;
};

static void print_session(void *ctx, int64_t session_id, int32_t timeout_ms)
{
    struct session_dump *dump = ctx;
    size_t ephemerals = 0;
    viv_node_id id = VIV_NODE_NONE;
    while ((id = viv_tree_next_ephemeral(dump->tree, session_id, id)) != VIV_NODE_NONE) {
        ephemerals++;
    }
    viv_buffer_printf(dump->text, "session %llx timeout=%d ephemerals=%zu\n", (unsigned long long)session_id,
                      timeout_ms, ephemerals);
}

void dump_tree(const struct viv_tree *tree, struct viv_buffer *text)
{
    struct line_list list = {0};
    add_nodes(tree, VIV_NODE_ROOT, &list);
    qsort(list.lines, list.count, sizeof *list.lines, compare_lines);
    for (size_t i = 0; i < list.count; i++) {
        viv_buffer_append_bytes(text, viv_buffer_bytes(&list.lines[i].text));
        viv_buffer_append(text, "\n", 1);
        viv_buffer_fini(&list.lines[i].text);
    }
    free(list.lines);
    viv_tree_sessions(tree, print_session, &(struct session_dump){tree, text});
    struct viv_tree_counts counts;
    viv_tree_counts(tree, &counts);
    viv_buffer_printf(text, "nodes=%llu ephemerals=%llu sessions=%llu data_bytes=%llu\n",
                      (unsigned long long)counts.nodes, (unsigned long long)counts.ephemerals,
                      (unsigned long long)counts.sessions, (unsigned long long)counts.data_bytes);
    viv_buffer_printf(text, "digest=%llx extra=%llx zxid=%llx\n", (unsigned long long)viv_tree_digest(tree),
                      (unsigned long long)viv_tree_digest_extra(tree), (unsigned long long)viv_tree_zxid(tree));
}

void assert_same_tree(const struct viv_tree *a, const struct viv_tree *b)
{
    struct viv_buffer left = {0}, right = {0};
    dump_tree(a, &left);
    dump_tree(b, &right);
    size_t start = 0;
    for (size_t i = 0; i < left.size && i < right.size && left.data[i] == right.data[i]; i++) {
        start = left.data[i] == '\n' ? i + 1 : start;
    }
    bool same = viv_bytes_equal(viv_buffer_bytes(&left), viv_buffer_bytes(&right));
    viv_buffer_append(&left, "", 1);
    viv_buffer_append(&right, "", 1);
    cr_assert(same, "the trees differ:\n%.600s\n-- and --\n%.600s", (char *)left.data + start,
              (char *)right.data + start);
    viv_buffer_fini(&left);
    viv_buffer_fini(&right);
}
