#include "tree/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tree/edit.h"
#include "wire/path.h"

#define QUOTA_ROOT "/zookeeper/quota"

enum { NO_QUOTA = VIV_LOOKUP_NONE };

enum part { PART_NONE, PART_LIMITS, PART_STATS };

struct usage {
    int64_t count, bytes;
};

void viv_quota_table_fini(struct viv_quota_table *quotas)
{
    free(quotas->items);
    viv_lookup_fini(&quotas->by_mirror);
    viv_buffer_fini(&quotas->path);
    viv_buffer_fini(&quotas->text);
}

/* ---- finding ---- */

static uint32_t hash_of(viv_node_id mirror)
{
    return viv_lookup_hash(viv_bytes_of(&mirror, sizeof mirror));
}

static uint32_t find(const struct viv_quota_table *quotas, viv_node_id mirror)
{
    uint32_t cursor = 0, at, hash = hash_of(mirror);
    while ((at = viv_lookup_next(&quotas->by_mirror, hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (quotas->items[at].mirror == mirror) {
            return at;
        }
    }
    return NO_QUOTA;
}

static bool is_hidden(struct viv_bytes path)
{
    const struct viv_bytes hidden = VIV_BYTES_LITERAL("/zookeeper");
    return viv_bytes_starts_with(path, hidden) && (path.size == hidden.size || path.data[hidden.size] == '/');
}

/* Goes down the path in the quotas' own part of the tree for as long as there is a counterpart. */
static uint32_t deepest(const struct viv_tree *tree, struct viv_bytes path)
{
    viv_node_id id = viv_tree_find_id(tree, VIV_BYTES_LITERAL(QUOTA_ROOT));
    uint32_t found = NO_QUOTA;
    if (path.size == 0 || is_hidden(path)) {
        return NO_QUOTA;
    }
    VIV_ASSERT(path.data[0] == '/');
    const uint8_t *start = path.data + 1, *end = path.data + path.size;
    while (id != VIV_NODE_NONE) {
        const uint8_t *slash = start == end ? NULL : memchr(start, '/', (size_t)(end - start));
        const uint8_t *stop = slash == NULL ? end : slash;
        id = viv_tree_child_id(tree, id, viv_bytes_of(start, (size_t)(stop - start)));
        uint32_t at = id == VIV_NODE_NONE ? NO_QUOTA : find(&tree->quotas, id);
        found = at == NO_QUOTA ? found : at;
        if (slash == NULL) {
            break;
        }
        start = slash + 1;
    }
    return found;
}

/* The quota around a counterpart, itself not counted. */
static uint32_t outer_of(const struct viv_tree *tree, viv_node_id mirror)
{
    uint32_t at = NO_QUOTA;
    while (at == NO_QUOTA && mirror != VIV_NODE_ROOT) {
        mirror = viv_slot_at(&tree->znodes, mirror)->parent;
        at = find(&tree->quotas, mirror);
    }
    return at;
}

bool viv_tree_has_quotas(const struct viv_tree *tree)
{
    return tree->quotas.count > 0;
}

bool viv_tree_quota_of(const struct viv_tree *tree, struct viv_bytes path, struct viv_quota *quota)
{
    uint32_t at = tree->quotas.count == 0 ? NO_QUOTA : deepest(tree, path);
    if (at == NO_QUOTA) {
        return false;
    }
    *quota = tree->quotas.items[at];
    return true;
}

void viv_tree_quotas(const struct viv_tree *tree, viv_tree_quota_fn *visit, void *ctx)
{
    struct viv_buffer path = {0};
    for (uint32_t i = 0; i < tree->quotas.count; i++) {
        viv_buffer_clear(&path);
        viv_tree_path(tree, tree->quotas.items[i].mirror, &path);
        viv_buffer_consume(&path, sizeof QUOTA_ROOT - 1);
        visit(ctx, viv_buffer_bytes(&path), &tree->quotas.items[i]);
    }
    viv_buffer_fini(&path);
}

/* ---- usage ---- */

/* Makes the stats node show the usage. */
static void show(struct viv_tree *tree, const struct viv_quota *quota)
{
    struct viv_buffer *text = &tree->quotas.text;
    if (quota->stats == VIV_NODE_NONE) {
        return;
    }
    viv_buffer_clear(text);
    viv_buffer_printf(text, "count=%lld,bytes=%lld", (long long)quota->count, (long long)quota->bytes);
    const struct viv_slot *slot = viv_slot_at(&tree->znodes, quota->stats);
    if (!viv_bytes_equal(viv_slot_data(&tree->znodes, slot).bytes, viv_buffer_bytes(text))) {
        viv_edit_rewrite_data(tree, quota->stats, viv_buffer_bytes(text));
    }
}

static void charge(struct viv_tree *tree, uint32_t at, struct usage change)
{
    if (at != NO_QUOTA && (change.count != 0 || change.bytes != 0)) {
        struct viv_quota *quota = &tree->quotas.items[at];
        quota->count += change.count;
        quota->bytes += change.bytes;
        show(tree, quota);
    }
}

static struct usage count_all_below(const struct viv_tree *tree, viv_node_id top)
{
    struct viv_tree_sum sum = viv_tree_sum_below(tree, top);
    int64_t own_bytes = viv_slot_at(&tree->znodes, top)->data_bytes;
    return (struct usage){(int64_t)sum.nodes + 1, (int64_t)sum.data_bytes + own_bytes};
}

/* What belongs to a quota that is new in the table. */
static struct usage count_usage(struct viv_tree *tree, const struct viv_quota *quota)
{
    struct viv_quota_table *quotas = &tree->quotas;
    viv_buffer_clear(&quotas->path);
    viv_tree_path(tree, quota->mirror, &quotas->path);
    viv_buffer_consume(&quotas->path, sizeof QUOTA_ROOT - 1);
    viv_node_id top = is_hidden(viv_buffer_bytes(&quotas->path))
                          ? VIV_NODE_NONE
                          : viv_tree_find_id(tree, viv_buffer_bytes(&quotas->path));
    struct usage usage = top == VIV_NODE_NONE ? (struct usage){0, 0} : count_all_below(tree, top);
    for (uint32_t i = 0; i < quotas->count; i++) {
        const struct viv_quota *inner = &quotas->items[i];
        uint32_t outer = inner == quota ? NO_QUOTA : outer_of(tree, inner->mirror);
        /* Inner ones of inner ones are outside of these already. */
        while (outer != NO_QUOTA && &quotas->items[outer] != quota) {
            outer = outer_of(tree, quotas->items[outer].mirror);
        }
        if (outer != NO_QUOTA) {
            usage.count -= inner->count;
            usage.bytes -= inner->bytes;
        }
    }
    return usage;
}

/* ---- coming and going ---- */

static void read_limits(const struct viv_tree *tree, struct viv_quota *quota)
{
    const struct viv_bytes hard = VIV_BYTES_LITERAL("HardLimit");
    struct viv_bytes text = {0};
    bool is_null = false;
    if (quota->limits != VIV_NODE_NONE) {
        struct viv_jute_slice data = viv_slot_data(&tree->znodes, viv_slot_at(&tree->znodes, quota->limits));
        text = data.bytes;
        is_null = data.null;
    }
    quota->limit = (struct viv_quota_limits){-1, -1, -1, -1};
    /* ZooKeeper trips over null limits, too; not over empty ones. */
    quota->is_malformed = is_null || !viv_quota_limits_parse(text, &quota->limit);
    quota->names_hard = false;
    for (; text.size >= hard.size && !quota->names_hard; text.data++, text.size--) {
        quota->names_hard = viv_bytes_starts_with(text, hard);
    }
}

/* The quota of this counterpart, which begins to be one if need be. */
static struct viv_quota *need(struct viv_tree *tree, viv_node_id mirror)
{
    struct viv_quota_table *quotas = &tree->quotas;
    uint32_t at = find(quotas, mirror);
    if (at != NO_QUOTA) {
        return &quotas->items[at];
    }
    if (quotas->count == quotas->capacity) {
        quotas->capacity = quotas->capacity == 0 ? 8 : quotas->capacity * 2;
        quotas->items = viv_realloc(quotas->items, quotas->capacity * sizeof *quotas->items);
    }
    struct viv_quota *quota = &quotas->items[quotas->count];
    *quota = (struct viv_quota){.mirror = mirror, .limit = {-1, -1, -1, -1}};
    viv_lookup_add(&quotas->by_mirror, hash_of(mirror), quotas->count++);
    struct usage usage = count_usage(tree, quota);
    quota->count = usage.count;
    quota->bytes = usage.bytes;
    charge(tree, outer_of(tree, mirror), (struct usage){-usage.count, -usage.bytes});
    return quota;
}

static void drop(struct viv_tree *tree, uint32_t at)
{
    struct viv_quota_table *quotas = &tree->quotas;
    struct viv_quota gone = quotas->items[at];
    uint32_t last = quotas->count - 1;
    charge(tree, outer_of(tree, gone.mirror), (struct usage){gone.count, gone.bytes});
    viv_lookup_remove(&quotas->by_mirror, hash_of(gone.mirror), at);
    if (at != last) {
        viv_lookup_remove(&quotas->by_mirror, hash_of(quotas->items[last].mirror), last);
        quotas->items[at] = quotas->items[last];
        viv_lookup_add(&quotas->by_mirror, hash_of(quotas->items[at].mirror), at);
    }
    quotas->count--;
}

/* Which part of a quota a node is; "/" has none. */
static enum part part_of(struct viv_bytes path)
{
    if (!viv_bytes_starts_with(path, VIV_BYTES_LITERAL(QUOTA_ROOT "/")) ||
        viv_path_parent(path).size <= sizeof QUOTA_ROOT - 1) {
        return PART_NONE;
    }
    struct viv_bytes name = viv_path_name(path);
    if (viv_bytes_equal(name, VIV_BYTES_LITERAL("zookeeper_limits"))) {
        return PART_LIMITS;
    }
    return viv_bytes_equal(name, VIV_BYTES_LITERAL("zookeeper_stats")) ? PART_STATS : PART_NONE;
}

static void join(struct viv_tree *tree, viv_node_id id, enum part part)
{
    struct viv_quota *quota = need(tree, viv_slot_at(&tree->znodes, id)->parent);
    if (part == PART_LIMITS) {
        quota->limits = id;
        read_limits(tree, quota);
    } else {
        quota->stats = id;
        show(tree, quota);
    }
}

static void leave(struct viv_tree *tree, viv_node_id id, enum part part)
{
    uint32_t at = find(&tree->quotas, viv_slot_at(&tree->znodes, id)->parent);
    VIV_ASSERT(at != NO_QUOTA);
    struct viv_quota *quota = &tree->quotas.items[at];
    if (part == PART_LIMITS) {
        quota->limits = VIV_NODE_NONE;
        read_limits(tree, quota);
    } else {
        quota->stats = VIV_NODE_NONE;
    }
    if (quota->limits == VIV_NODE_NONE && quota->stats == VIV_NODE_NONE) {
        drop(tree, at);
    }
}

void viv_quota_inserted(struct viv_tree *tree, viv_node_id id, struct viv_bytes path)
{
    enum part part = part_of(path);
    if (part != PART_NONE) {
        join(tree, id, part);
    } else if (tree->quotas.count > 0) {
        charge(tree, deepest(tree, path), (struct usage){1, viv_slot_at(&tree->znodes, id)->data_bytes});
    }
}

void viv_quota_removing(struct viv_tree *tree, viv_node_id id)
{
    struct viv_buffer *path = &tree->quotas.path;
    viv_buffer_clear(path);
    viv_tree_path(tree, id, path);
    enum part part = part_of(viv_buffer_bytes(path));
    if (part != PART_NONE) {
        leave(tree, id, part);
    } else {
        int64_t bytes = viv_slot_at(&tree->znodes, id)->data_bytes;
        charge(tree, deepest(tree, viv_buffer_bytes(path)), (struct usage){-1, -bytes});
    }
}

void viv_quota_data_set(struct viv_tree *tree, viv_node_id id, struct viv_bytes path, int64_t bytes_change)
{
    enum part part = part_of(path);
    if (part != PART_NONE) {
        join(tree, id, part);
    } else {
        charge(tree, deepest(tree, path), (struct usage){0, bytes_change});
    }
}

void viv_quota_loaded(struct viv_tree *tree)
{
    viv_node_id top = viv_tree_find_id(tree, VIV_BYTES_LITERAL(QUOTA_ROOT));
    struct viv_buffer path = {0};
    for (viv_node_id at = top; at != VIV_NODE_NONE; at = viv_tree_next_below(tree, top, at)) {
        viv_buffer_clear(&path);
        viv_tree_path(tree, at, &path);
        enum part part = part_of(viv_buffer_bytes(&path));
        if (part != PART_NONE) {
            join(tree, at, part);
        }
    }
    viv_buffer_fini(&path);
}
