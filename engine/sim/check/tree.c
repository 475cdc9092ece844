#include "sim/check/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* What was at a path before it was changed; NULL: nothing. */
struct viv_ref_undo {
    struct viv_ref_undo *older;
    struct viv_buffer path;
    struct viv_ref_node *before;
};

void viv_ref_buffer_set(struct viv_buffer *buffer, struct viv_bytes bytes)
{
    viv_buffer_clear(buffer);
    viv_buffer_append_bytes(buffer, bytes);
}

static void node_free(struct viv_ref_node *node)
{
    viv_buffer_fini(&node->path);
    viv_buffer_fini(&node->data);
    viv_buffer_fini(&node->acl);
    free(node);
}

static struct viv_ref_node *node_copy(const struct viv_ref_node *node)
{
    struct viv_ref_node *copy = viv_alloc(sizeof(*copy));
    *copy = *node;
    copy->path = copy->data = copy->acl = (struct viv_buffer){0};
    viv_buffer_append_bytes(&copy->path, viv_buffer_bytes(&node->path));
    viv_buffer_append_bytes(&copy->data, viv_buffer_bytes(&node->data));
    viv_buffer_append_bytes(&copy->acl, viv_buffer_bytes(&node->acl));
    return copy;
}

/* Where the path is, or would be. */
static size_t place_of(const struct viv_ref_tree *tree, struct viv_bytes path)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (viv_bytes_compare(viv_buffer_bytes(&tree->nodes[middle]->path), path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct viv_ref_node *viv_ref_find(const struct viv_ref_tree *tree, struct viv_bytes path)
{
    path = path.size == 0 ? VIV_BYTES_LITERAL("/") : path;
    size_t place = place_of(tree, path);
    if (place < tree->count && viv_bytes_equal(viv_buffer_bytes(&tree->nodes[place]->path), path)) {
        return tree->nodes[place];
    }
    return NULL;
}

static void remember(struct viv_ref_tree *tree, struct viv_bytes path)
{
    if (tree->is_trying) {
        const struct viv_ref_node *node = viv_ref_find(tree, path);
        struct viv_ref_undo *undo = viv_alloc_zeroed(1, sizeof(*undo));
        undo->older = tree->undo;
        viv_buffer_append_bytes(&undo->path, path.size == 0 ? VIV_BYTES_LITERAL("/") : path);
        undo->before = node == NULL ? NULL : node_copy(node);
        tree->undo = undo;
    }
}

struct viv_ref_node *viv_ref_edit(struct viv_ref_tree *tree, struct viv_bytes path)
{
    remember(tree, path);
    return viv_ref_find(tree, path);
}

static void insert_node(struct viv_ref_tree *tree, struct viv_ref_node *node)
{
    size_t place = place_of(tree, viv_buffer_bytes(&node->path));
    if (tree->count == tree->capacity) {
        tree->capacity = tree->capacity == 0 ? 64 : 2 * tree->capacity;
        tree->nodes = viv_realloc(tree->nodes, tree->capacity * sizeof(struct viv_ref_node *));
    }
    memmove(tree->nodes + place + 1, tree->nodes + place, (tree->count - place) * sizeof(struct viv_ref_node *));
    tree->nodes[place] = node;
    tree->count++;
}

static void remove_node(struct viv_ref_tree *tree, struct viv_bytes path)
{
    size_t place = place_of(tree, path);
    VIV_ASSERT(place < tree->count && viv_bytes_equal(viv_buffer_bytes(&tree->nodes[place]->path), path));
    struct viv_ref_node *node = tree->nodes[place];
    tree->count--;
    memmove(tree->nodes + place, tree->nodes + place + 1, (tree->count - place) * sizeof(struct viv_ref_node *));
    node_free(node);
}

struct viv_ref_node *viv_ref_insert(struct viv_ref_tree *tree, struct viv_bytes path)
{
    VIV_ASSERT(viv_ref_find(tree, path) == NULL);
    remember(tree, path);
    struct viv_ref_node *node = viv_alloc_zeroed(1, sizeof(*node));
    viv_buffer_append_bytes(&node->path, path);
    insert_node(tree, node);
    return node;
}

void viv_ref_remove(struct viv_ref_tree *tree, struct viv_bytes path)
{
    remember(tree, path);
    remove_node(tree, path);
}

void viv_ref_try_begin(struct viv_ref_tree *tree)
{
    VIV_ASSERT(!tree->is_trying && tree->undo == NULL);
    tree->is_trying = true;
}

void viv_ref_try_end(struct viv_ref_tree *tree, bool keep)
{
    VIV_ASSERT(tree->is_trying);
    tree->is_trying = false;
    while (tree->undo != NULL) {
        struct viv_ref_undo *undo = tree->undo;
        struct viv_bytes path = viv_buffer_bytes(&undo->path);
        if (!keep && viv_ref_find(tree, path) != NULL) {
            remove_node(tree, path);
        }
        if (!keep && undo->before != NULL) {
            insert_node(tree, undo->before);
        } else if (undo->before != NULL) {
            node_free(undo->before);
        }
        tree->undo = undo->older;
        viv_buffer_fini(&undo->path);
        free(undo);
    }
}

static void add_built_in(struct viv_ref_tree *tree, const char *path, int32_t perms, int32_t aversion, int32_t children)
{
    struct viv_ref_node *node = viv_ref_insert(tree, viv_bytes_text(path));
    viv_jute_write_int(&node->acl, 1);
    viv_jute_write_int(&node->acl, perms);
    viv_jute_write_text(&node->acl, "world");
    viv_jute_write_text(&node->acl, "anyone");
    node->aversion = aversion;
    node->child_count = children;
}

/* None of the built-in nodes counts as created: cversion of "/" is -1 at first, that of "/zookeeper" -2. */
void viv_ref_tree_init(struct viv_ref_tree *tree)
{
    *tree = (struct viv_ref_tree){0};
    add_built_in(tree, "/", 31, 0, 1);
    add_built_in(tree, "/zookeeper", 31, 0, 2);
    add_built_in(tree, "/zookeeper/quota", 31, 0, 0);
    add_built_in(tree, "/zookeeper/config", 1, -1, 0);
}

void viv_ref_tree_fini(struct viv_ref_tree *tree)
{
    if (tree->is_trying) {
        viv_ref_try_end(tree, true);
    }
    for (size_t i = 0; i < tree->count; i++) {
        node_free(tree->nodes[i]);
    }
    free(tree->nodes);
    free(tree->sessions);
    *tree = (struct viv_ref_tree){0};
}

struct viv_stat viv_ref_stat(const struct viv_ref_node *node)
{
    return (struct viv_stat){
        .czxid = (int64_t)node->czxid,
        .mzxid = (int64_t)node->mzxid,
        .ctime = node->ctime_ms,
        .mtime = node->mtime_ms,
        .version = node->version,
        .cversion = (int32_t)(2U * (uint32_t)node->created_children - (uint32_t)node->child_count),
        .aversion = node->aversion,
        .ephemeral_owner = node->kind == VIV_REF_EPHEMERAL ? node->owner : 0,
        .data_bytes = (int32_t)node->data.size,
        .child_count = node->child_count,
        .pzxid = (int64_t)node->pzxid,
    };
}

static bool is_root(struct viv_bytes path)
{
    return path.size == 0 || (path.size == 1 && path.data[0] == '/');
}

static bool is_below(struct viv_bytes path, struct viv_bytes of)
{
    if (is_root(of)) {
        return !is_root(path);
    }
    return path.size > of.size && viv_bytes_starts_with(path, of) && path.data[of.size] == '/';
}

bool viv_ref_is_child(struct viv_bytes path, struct viv_bytes of)
{
    return is_below(path, of) && viv_ref_parent(path).size == (is_root(of) ? 0 : of.size);
}

size_t viv_ref_below(const struct viv_ref_tree *tree, struct viv_bytes path, size_t *first)
{
    struct viv_buffer start = {0};
    size_t count = 0;
    viv_buffer_append_bytes(&start, is_root(path) ? (struct viv_bytes){0} : path);
    viv_buffer_append(&start, "/", 1);
    *first = place_of(tree, viv_buffer_bytes(&start));
    *first += is_root(path); /* "/" itself */
    while (*first + count < tree->count && is_below(viv_buffer_bytes(&tree->nodes[*first + count]->path), path)) {
        count++;
    }
    viv_buffer_fini(&start);
    return count;
}

struct viv_ref_session *viv_ref_session(struct viv_ref_tree *tree, int64_t id)
{
    for (size_t i = 0; i < tree->session_count; i++) {
        if (tree->sessions[i].id == id) {
            return &tree->sessions[i];
        }
    }
    if (tree->session_count == tree->session_capacity) {
        tree->session_capacity = tree->session_capacity == 0 ? 16 : 2 * tree->session_capacity;
        tree->sessions = viv_realloc(tree->sessions, tree->session_capacity * sizeof(*tree->sessions));
    }
    tree->sessions[tree->session_count] = (struct viv_ref_session){id, tree->sessions_are_unknown};
    return &tree->sessions[tree->session_count++];
}

bool viv_ref_session_lives(const struct viv_ref_tree *tree, int64_t id)
{
    for (size_t i = 0; i < tree->session_count; i++) {
        if (tree->sessions[i].id == id) {
            return tree->sessions[i].is_open;
        }
    }
    return tree->sessions_are_unknown;
}

/* ---- paths ---- */

struct viv_bytes viv_ref_parent(struct viv_bytes path)
{
    while (path.size > 0 && path.data[path.size - 1] != '/') {
        path.size--;
    }
    path.size -= path.size > 0;
    return path;
}

struct viv_bytes viv_ref_name(struct viv_bytes path)
{
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '/') {
        start--;
    }
    return viv_bytes_of(path.data + start, path.size - start);
}

/* One character of UTF-8; 0 when it is none, or one of four bytes, which no path may have. */
static uint32_t character_at(struct viv_bytes text, size_t *at)
{
    uint8_t first = text.data[*at];
    size_t more = first < 0x80 ? 0 : (first & 0xe0) == 0xc0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : SIZE_MAX;
    if (more == SIZE_MAX || text.size - *at <= more) {
        return 0;
    }
    uint32_t value = more == 0 ? first : more == 1 ? first & 0x1fU : first & 0x0fU;
    for (size_t i = 1; i <= more; i++) {
        value = value << 6 | (text.data[*at + i] & 0x3fU);
    }
    *at += more + 1;
    return value;
}

static bool component_is_valid(struct viv_bytes name)
{
    if (name.size == 0 || viv_bytes_equal(name, VIV_BYTES_LITERAL(".")) ||
        viv_bytes_equal(name, VIV_BYTES_LITERAL(".."))) {
        return false;
    }
    for (size_t at = 0; at < name.size;) {
        uint32_t c = character_at(name, &at);
        if (c <= 0x1f || (c >= 0x7f && c <= 0x9f) || (c >= 0xd800 && c <= 0xf8ff) || (c >= 0xfff0 && c <= 0xffff)) {
            return false;
        }
    }
    return true;
}

bool viv_ref_path_is_valid(struct viv_bytes path)
{
    if (path.size == 0 || path.data[0] != '/') {
        return false;
    }
    for (struct viv_bytes rest = path; path.size > 1 && rest.size > 0; rest = viv_ref_parent(rest)) {
        if (!component_is_valid(viv_ref_name(rest))) {
            return false;
        }
    }
    return true;
}
