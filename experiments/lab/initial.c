#include "experiments/lab/initial.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "datasets/namespace.h"
#include "experiments/lab/bulk.h"
#include "experiments/lab/system.h"
#include "zkdata/snapshot.h"

/* A sink for znodes, so that creating and counting walk the same sources. */
typedef viv_status znode_fn(void *ctx, struct viv_bytes path, struct viv_bytes data);

struct walk {
    znode_fn *sink;
    void *ctx;
};

/* The servers made these themselves. */
static bool is_builtin(struct viv_bytes path)
{
    return path.size <= 1 || viv_bytes_equal(path, VIV_BYTES_LITERAL("/zookeeper")) ||
           viv_bytes_starts_with(path, VIV_BYTES_LITERAL("/zookeeper/"));
}

static viv_status visit(void *ctx, const struct viv_zk_node *node)
{
    struct walk *walk = ctx;
    return is_builtin(node->path) ? VIV_OK : walk->sink(walk->ctx, node->path, node->znode.data.bytes);
}

static viv_status walk_shape(const struct viv_cell *cell, uint64_t seed, struct walk *walk)
{
    struct viv_namespace *space = viv_namespace_open(cell->shape, cell->shape_znodes, seed);
    if (space == NULL) {
        viv_log(VIV_LOG_ERROR, "lab", "there is no such shape of namespace", "shape=%s", cell->shape);
        return VIV_ERR_INVALID;
    }
    struct viv_namespace_node node;
    viv_status status = VIV_OK;
    while (status == VIV_OK && viv_namespace_next(space, &node)) {
        if (!is_builtin(node.path)) {
            status = walk->sink(walk->ctx, node.path, node.data);
        }
    }
    viv_namespace_close(space);
    return status;
}

static viv_status walk_keys(struct viv_keyset *keyset, struct walk *walk)
{
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    VIV_TRY(walk->sink(walk->ctx, VIV_BYTES_LITERAL(VIV_KEYSET_ROOT), (struct viv_bytes){0}));
    VIV_TRY(walk->sink(walk->ctx, VIV_BYTES_LITERAL(VIV_KEYSET_CREATED), (struct viv_bytes){0}));
    for (uint32_t key = 0; key < keyset->key_count; key++) {
        VIV_TRY(walk->sink(walk->ctx, viv_keyset_path(key, path), viv_keyset_value(keyset, 0)));
    }
    return VIV_OK;
}

static viv_status walk_all(const struct viv_cell *cell, struct viv_keyset *keyset, uint64_t seed, struct walk *walk)
{
    if (cell->snapshot != NULL) {
        struct viv_zk_snapshot_info info;
        VIV_TRY(viv_zk_snapshot_read(cell->snapshot, visit, &info, walk));
    } else if (cell->shape != NULL) {
        VIV_TRY(walk_shape(cell, seed, walk));
    }
    return walk_keys(keyset, walk);
}

struct loading {
    struct viv_bulk *bulk;
    struct viv_initial_result *result;
    int32_t refused; /* first reply code that was not OK */
};

static void on_reply(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct loading *loading = ctx;
    (void)client;
    if (reply->err != VIV_REPLY_OK && loading->refused == 0) {
        loading->refused = reply->err;
    }
}

static viv_status create(void *ctx, struct viv_bytes path, struct viv_bytes data)
{
    struct loading *loading = ctx;
    VIV_TRY(viv_bulk_room(loading->bulk));
    if (loading->refused != 0) {
        snprintf(loading->result->why, sizeof loading->result->why,
                 "a create of the initial state near %.*s was refused with %d", (int)(path.size < 60 ? path.size : 60),
                 (const char *)path.data, loading->refused);
        return VIV_ERR_INVALID;
    }
    viv_lab_client_request(viv_bulk_client(loading->bulk), 0, VIV_OP_CREATE, path, data);
    loading->result->znodes++;
    loading->result->data_bytes += data.size;
    return VIV_OK;
}

viv_status viv_initial_load(const struct viv_cell *cell, const struct viv_client_address *server,
                            struct viv_interrupt *interrupt, struct viv_keyset *keyset, uint64_t seed,
                            uint64_t until_ns, struct viv_initial_result *result)
{
    *result = (struct viv_initial_result){0};
    struct loading loading = {.result = result};
    uint64_t start_ns = viv_client_now_ns();
    snprintf(result->why, sizeof result->why, "no session for loading the initial state");
    VIV_TRY(viv_bulk_open(viv_system_dialect(cell->system), server, interrupt, until_ns, on_reply, &loading,
                          &loading.bulk));
    snprintf(result->why, sizeof result->why, "loading the initial state did not end in time");
    viv_status status = walk_all(cell, keyset, seed, &(struct walk){create, &loading});
    if (status == VIV_OK) {
        status = viv_bulk_drain(loading.bulk);
    }
    if (status == VIV_OK && loading.refused != 0) {
        snprintf(result->why, sizeof result->why, "a create of the initial state was refused with %d", loading.refused);
        status = VIV_ERR_INVALID;
    }
    viv_bulk_close(loading.bulk);
    result->duration_ns = viv_client_now_ns() - start_ns;
    return status;
}

struct counting {
    uint64_t znodes, bytes;
};

static viv_status count(void *ctx, struct viv_bytes path, struct viv_bytes data)
{
    struct counting *counting = ctx;
    counting->znodes++;
    counting->bytes += path.size + data.size;
    return VIV_OK;
}

viv_status viv_initial_measure(const struct viv_cell *cell, uint64_t seed, uint64_t *znodes, uint64_t *bytes)
{
    struct counting counting = {0};
    struct viv_keyset keyset;
    viv_keyset_init(&keyset, cell->keys, cell->value_bytes, seed);
    viv_status status = walk_all(cell, &keyset, seed, &(struct walk){count, &counting});
    viv_keyset_fini(&keyset);
    if (status == VIV_OK) {
        *znodes = counting.znodes;
        *bytes = counting.bytes;
    }
    return status;
}
