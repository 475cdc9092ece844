#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/state_store.h"

/* An image that lives in this process only: what was committed last. */

struct viv_state {
    const struct viv_state_ops *ops;
    bool has_image, is_writing;
    struct viv_buffer rows, next_rows;
    struct viv_state_mark mark;
    struct viv_store_measure measure;
};

extern const struct viv_state_ops viv_memory_state;

static viv_status memory_open(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                              struct viv_store_report *report)
{
    (void)gid;
    (void)report;
    if (config->durable) {
        viv_log(VIV_LOG_ERROR, "memory", "the memory backend keeps nothing: it starts only with durability=none", "%s",
                "");
        return VIV_ERR_UNSUPPORTED;
    }
    *state = viv_alloc_zeroed(1, sizeof **state);
    (*state)->ops = &viv_memory_state;
    return VIV_OK;
}

static void memory_close(struct viv_state *state)
{
    viv_buffer_fini(&state->rows);
    viv_buffer_fini(&state->next_rows);
    free(state);
}

static viv_status memory_load(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart,
                              void *ctx, struct viv_state_mark *mark, struct viv_store_report *report)
{
    (void)restart; /* there is never a second image to start over with */
    if (!state->has_image) {
        return VIV_ERR_NOT_FOUND;
    }
    if (state->rows.size > 0) {
        VIV_TRY(rows(ctx, viv_buffer_bytes(&state->rows)));
    }
    report->bytes += state->rows.size;
    *mark = state->mark;
    return VIV_OK;
}

static viv_status memory_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start)
{
    (void)zxid_start;
    VIV_ASSERT(kind != VIV_CHECKPOINT_DELTA);
    VIV_ASSERT(!state->is_writing);
    state->is_writing = true;
    return VIV_OK;
}

static viv_status memory_write(struct viv_state *state, struct viv_bytes rows)
{
    VIV_ASSERT(state->is_writing);
    viv_buffer_append_bytes(&state->next_rows, rows);
    return VIV_OK;
}

static viv_status memory_commit(struct viv_state *state, const struct viv_state_mark *mark, uint64_t *log_needed_after)
{
    VIV_ASSERT(state->is_writing);
    viv_buffer_fini(&state->rows);
    state->rows = state->next_rows;
    state->next_rows = (struct viv_buffer){0};
    state->mark = *mark;
    state->has_image = true;
    state->is_writing = false;
    state->measure.checkpoints++;
    state->measure.bytes_written += state->rows.size;
    *log_needed_after = mark->zxid_start;
    return VIV_OK;
}

static void memory_abort(struct viv_state *state)
{
    viv_buffer_fini(&state->next_rows);
    state->is_writing = false;
}

static viv_status memory_thin(struct viv_state *state, uint64_t *log_needed_after)
{
    VIV_ASSERT(!state->is_writing);
    *log_needed_after = state->has_image ? state->mark.zxid_start : 0;
    return VIV_OK;
}

static void memory_measure(struct viv_state *state, struct viv_store_measure *measure)
{
    *measure = state->measure;
}

const struct viv_state_ops viv_memory_state = {
    .name = "memory",
    .traits = VIV_STORE_VOLATILE,
    .open = memory_open,
    .close = memory_close,
    .load = memory_load,
    .begin = memory_begin,
    .write = memory_write,
    .commit = memory_commit,
    .abort = memory_abort,
    .thin = memory_thin,
    .measure = memory_measure,
};
