#include "zkdata/quota.h"

#include "base/assert.h"
#include "tree/apply.h"
#include "zkdata/snapshot.h"

#define QUOTA_ROOT  "/zookeeper/quota"
#define LIMITS_NAME "zookeeper_limits"
#define STATS_NAME  "zookeeper_stats"

struct usage {
    uint64_t count, bytes;
};

static viv_status count_node(void *ctx, const struct viv_zk_node *node)
{
    struct usage *usage = ctx;
    usage->count++;
    usage->bytes += node->znode.data.bytes.size;
    return VIV_OK;
}

/* The data alone changes: as if the node's last setData had written it. */
static void set_data(struct viv_tree *tree, struct viv_bytes path, const struct viv_znode *node, struct viv_bytes data)
{
    struct viv_buffer body = {0};
    struct viv_arena arena = {0};
    struct viv_applied applied;
    struct viv_txn_header header = {.zxid = node->mzxid, .time_ms = node->mtime_ms, .type = VIV_OP_SET_DATA};
    struct viv_set_data_txn txn = {.path = path, .data.bytes = data, .version = node->version};
    viv_txn_header_encode(&body, &header);
    viv_set_data_txn_encode(&body, &txn);
    viv_tree_apply(tree, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &arena, &applied);
    VIV_ASSERT(!applied.malformed);
    viv_arena_fini(&arena);
    viv_buffer_fini(&body);
}

/* `path` is what the quota is on. */
static void recount(struct viv_tree *tree, struct viv_bytes path)
{
    struct viv_buffer stats_path = {0}, text = {0};
    struct viv_znode stats;
    struct usage usage = {0};
    viv_buffer_append_bytes(&stats_path, VIV_BYTES_LITERAL(QUOTA_ROOT));
    viv_buffer_append_bytes(&stats_path, path);
    viv_buffer_append_bytes(&stats_path, VIV_BYTES_LITERAL("/" STATS_NAME));
    if (viv_tree_find(tree, viv_buffer_bytes(&stats_path), &stats) &&
        viv_zk_visit(tree, path.size == 0 ? VIV_BYTES_LITERAL("/") : path, count_node, &usage) == VIV_OK) {
        viv_buffer_printf(&text, "count=%llu,bytes=%llu", (unsigned long long)usage.count,
                          (unsigned long long)usage.bytes);
        set_data(tree, viv_buffer_bytes(&stats_path), &stats, viv_buffer_bytes(&text));
    }
    viv_buffer_fini(&stats_path);
    viv_buffer_fini(&text);
}

struct quotas {
    struct viv_buffer paths; /* NUL-ended, one after the other */
};

static viv_status find_quota(void *ctx, const struct viv_zk_node *node)
{
    struct quotas *quotas = ctx;
    static const size_t around = sizeof QUOTA_ROOT - 1 + sizeof LIMITS_NAME; /* with the slash before the name */
    if (viv_bytes_equal(node->znode.name, VIV_BYTES_LITERAL(LIMITS_NAME)) && node->path.size >= around) {
        viv_buffer_append(&quotas->paths, node->path.data + sizeof QUOTA_ROOT - 1, node->path.size - around);
        viv_buffer_append(&quotas->paths, "", 1);
    }
    return VIV_OK;
}

void viv_zk_quota_recount(struct viv_tree *tree)
{
    struct quotas quotas = {0};
    if (viv_zk_visit(tree, VIV_BYTES_LITERAL(QUOTA_ROOT), find_quota, &quotas) == VIV_OK) {
        for (size_t at = 0; at < quotas.paths.size;) {
            struct viv_bytes path = viv_bytes_text((const char *)quotas.paths.data + at);
            recount(tree, path);
            at += path.size + 1;
        }
    }
    viv_buffer_fini(&quotas.paths);
}
