#include "datadir/build.h"

#include "base/assert.h"
#include "base/log.h"
#include "tree/apply.h"
#include "tree/image.h"
#include "wire/path.h"

enum { BLOCK_BYTES = 1 << 20 };

static viv_status write_rows(struct viv_state *state, struct viv_tree *tree)
{
    struct viv_buffer rows = {0};
    viv_status status = VIV_OK;
    bool more = true;
    viv_tree_walk_begin(tree, VIV_WALK_FULL);
    while (more && status == VIV_OK) {
        viv_buffer_clear(&rows);
        more = viv_tree_walk_step(tree, BLOCK_BYTES, &rows);
        status = viv_state_write(state, viv_buffer_bytes(&rows));
    }
    viv_tree_walk_end(tree, status == VIV_OK);
    viv_buffer_fini(&rows);
    return status;
}

static viv_status write_image(const struct viv_datadir_plan *plan, const struct viv_store_config *config,
                              struct viv_tree *tree)
{
    struct viv_store_report report = {0};
    struct viv_state *state;
    uint64_t zxid = viv_tree_zxid(tree), needed;
    VIV_TRY(viv_state_open(plan->pairing.state, config, 0, &state, &report));
    viv_status status = viv_state_begin(state, VIV_CHECKPOINT_INSTALL, zxid);
    if (status == VIV_OK) {
        status = write_rows(state, tree);
        if (status == VIV_OK) {
            struct viv_state_mark mark = {.zxid_start = zxid, .zxid_end = zxid, .digest = viv_tree_digest(tree)};
            status = viv_state_commit(state, &mark, &needed);
        } else {
            viv_state_abort(state);
        }
    }
    viv_state_close(state);
    return status;
}

static viv_status write_log(const struct viv_datadir_plan *plan, const struct viv_store_config *config, uint64_t zxid)
{
    struct viv_store_report report = {0};
    struct viv_log *log;
    const struct viv_hard_state hard = {plan->accepted_epoch, plan->current_epoch, 0};
    VIV_TRY(viv_log_open(plan->pairing.log, config, &log, &report));
    viv_status status = viv_log_prepare(log);
    if (status == VIV_OK && zxid > 0) {
        status = viv_log_reset(log, 0, zxid);
    }
    if (status == VIV_OK) {
        status = viv_log_hard_put(log, 0, &hard);
    }
    viv_log_close(log);
    return status;
}

void viv_datadir_begin_epoch(struct viv_tree *tree, uint32_t epoch)
{
    struct viv_buffer body = {0};
    struct viv_arena arena = {0};
    struct viv_applied applied;
    const struct viv_txn_header header = {.zxid = VIV_ZXID(epoch, 0), .type = VIV_OP_ERROR};
    VIV_ASSERT(header.zxid > viv_tree_zxid(tree));
    viv_txn_header_encode(&body, &header);
    viv_jute_write_int(&body, 0);
    viv_tree_apply(tree, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &arena, &applied);
    VIV_ASSERT(!applied.malformed && viv_tree_zxid(tree) == header.zxid);
    struct viv_znode shown;
    if (viv_tree_find(tree, viv_bytes_text(VIV_PATH_CONFIG), &shown) && shown.data.bytes.size > 0) {
        viv_tree_show_members(tree, (struct viv_bytes){0}, 0, 0); /* an ensemble's, which this may not be */
    }
    viv_arena_fini(&arena);
    viv_buffer_fini(&body);
}

viv_status viv_datadir_build(const struct viv_datadir_plan *plan, struct viv_tree *tree)
{
    if ((plan->pairing.log->traits | plan->pairing.state->traits) & VIV_STORE_VOLATILE) {
        viv_log(VIV_LOG_ERROR, "datadir", "this storage configuration keeps nothing on disk; choose another one",
                "backend=%s", plan->pairing.name);
        return VIV_ERR_UNSUPPORTED;
    }
    const struct viv_store_config config = {
        .log_dir = plan->log_path,
        .state_dir = plan->state_path,
        .cluster = {plan->cluster[0], plan->cluster[1]},
        .server_id = plan->server_id,
        .durable = plan->durable,
        .segment_bytes = plan->segment_bytes,
        .disk = plan->disk,
    };
    VIV_TRY(write_image(plan, &config, tree));
    return write_log(plan, &config, viv_tree_zxid(tree));
}
