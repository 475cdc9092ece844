#include "tests/crash/store_workload.h"

#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"

void workload_init(struct workload *workload, const struct viv_configuration *configuration, const char *dir)
{
    *workload = (struct workload){
        .configuration = configuration,
        .config =
            {
                .log_dir = dir,
                .state_dir = dir,
                .cluster = {1, 2},
                .server_id = 1,
                .durable = true,
                .segment_bytes = 1 << 20,
                .load_threads = 1,
            },
    };
    model_init(&workload->model, (configuration->state->traits & VIV_STORE_DELTAS) != 0);
}

viv_status workload_open(struct workload *workload)
{
    struct viv_store_report report = {0};
    VIV_TRY(viv_log_open(workload->configuration->log, &workload->config, &workload->log, &report));
    viv_status status = VIV_OK;
    for (viv_gid gid = 0; gid < MODEL_GROUPS && status == VIV_OK; gid++) {
        bool is_cut;
        status = viv_log_cut_torn(workload->log, gid, &is_cut);
    }
    if (status == VIV_OK) {
        status = viv_state_open(workload->configuration->state, &workload->config, 0, &workload->state, &report);
    }
    if (status != VIV_OK) {
        viv_log_close(workload->log);
    }
    return status;
}

void workload_close(struct workload *workload)
{
    viv_state_close(workload->state);
    viv_log_close(workload->log);
}

static viv_status do_append(struct workload *workload, const struct model_op *op)
{
    struct viv_buffer bodies = {0};
    struct viv_entry entries[MODEL_BATCH_MAX];
    size_t count = (size_t)(op->last - op->first + 1);
    VIV_ASSERT(count <= MODEL_BATCH_MAX);
    model_bodies(op, &bodies, entries);
    /* Each entry in a call of its own, and one sync for all: it may have to reach into two segments. */
    viv_status status = VIV_OK;
    for (size_t i = 0; i < count && status == VIV_OK; i++) {
        struct viv_log_run run = {op->gid, op->first - 1, &entries[i], 1};
        status = viv_log_append(workload->log, &run, 1);
    }
    viv_buffer_fini(&bodies);
    VIV_TRY(status);
    VIV_TRY(viv_log_sync(workload->log));
    return viv_log_prepare(workload->log);
}

static viv_status do_image(struct workload *workload, struct model_op *op)
{
    struct viv_buffer rows = {0};
    enum viv_checkpoint_kind kind = VIV_CHECKPOINT_FULL;
    if (op->kind == MODEL_INSTALL) {
        kind = VIV_CHECKPOINT_INSTALL;
    } else if (op->is_delta) {
        kind = VIV_CHECKPOINT_DELTA;
    }
    VIV_TRY(viv_state_begin(workload->state, kind, op->last));
    model_rows(&workload->model, op, &rows);
    viv_status status = viv_state_write(workload->state, viv_buffer_bytes(&rows));
    viv_buffer_fini(&rows);
    VIV_TRY(status);
    struct viv_state_mark mark = {op->last, op->last, op->last * 3};
    VIV_TRY(viv_state_commit(workload->state, &mark, &op->needed_after));
    if (op->kind == MODEL_INSTALL) {
        VIV_TRY(viv_log_reset(workload->log, 0, op->last));
    } else {
        VIV_TRY(viv_log_trim(workload->log, 0, op->needed_after));
    }
    return viv_log_trim(workload->log, 1, op->first);
}

viv_status workload_perform(struct workload *workload, struct model_op *op)
{
    switch (op->kind) {
    case MODEL_APPEND:
        return do_append(workload, op);
    case MODEL_TRUNCATE:
        return viv_log_truncate(workload->log, op->gid, op->last);
    case MODEL_HARD: {
        struct viv_hard_state hard = {(uint32_t)op->last, (uint32_t)op->last, 0};
        return viv_log_hard_put(workload->log, op->gid, &hard);
    }
    case MODEL_IMAGE:
    case MODEL_INSTALL:
        return do_image(workload, op);
    }
    return VIV_ERR_INVALID;
}

bool workload_is_sticky(struct workload *workload)
{
    uint8_t byte = 1;
    struct viv_log_bounds bounds;
    viv_log_bounds(workload->log, MODEL_GROUPS, &bounds);
    struct viv_entry entry = {bounds.last_zxid + 1, {&byte, 1}, viv_crc32c(0, &byte, 1)};
    struct viv_log_run run = {MODEL_GROUPS, 0, &entry, 1};
    struct viv_hard_state hard = {1, 1, 0};
    return viv_log_append(workload->log, &run, 1) != VIV_OK && viv_log_sync(workload->log) != VIV_OK &&
           viv_log_hard_put(workload->log, MODEL_GROUPS, &hard) != VIV_OK;
}

static viv_status take_rows(void *ctx, struct viv_bytes rows)
{
    return model_take_rows(ctx, rows) ? VIV_OK : VIV_ERR_CORRUPT;
}

static void start_over(void *ctx)
{
    model_forget_rows(ctx);
}

static void read_group(struct workload *workload, viv_gid gid, struct model_found *found)
{
    viv_log_bounds(workload->log, gid, &found->bounds[gid]);
    viv_log_hard_get(workload->log, gid, &found->hard[gid]);
    struct viv_log_iter *iter;
    struct viv_log_bounds *bounds = &found->bounds[gid];
    if (viv_log_iter_open(workload->log, gid, bounds->base_zxid, bounds->last_zxid, &iter) != VIV_OK) {
        return;
    }
    struct viv_entry entries[16];
    size_t count;
    while (viv_log_iter_next(workload->log, iter, entries, 16, 1 << 20, &count) == VIV_OK && count > 0) {
        for (size_t i = 0; i < count; i++) {
            if (viv_entry_is_damaged(&entries[i])) {
                found->is_rotten = true;
            } else {
                model_take_entry(found, gid, &entries[i]);
            }
        }
    }
    viv_log_iter_close(workload->log, iter);
}

void workload_find(struct workload *workload, struct model_found *found)
{
    struct viv_store_report report = {0};
    memset(found, 0, sizeof *found);
    for (viv_gid gid = 0; gid < MODEL_GROUPS; gid++) {
        read_group(workload, gid, found);
    }
    found->load_status = viv_state_load(workload->state, take_rows, start_over, found, &found->mark, &report);
}
