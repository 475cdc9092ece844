#include "store/kv_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/kv_dir.h"

/* Rows that are sorted together: enough to fill pages, little beside the tree itself. */
enum { RUN_BYTES = 32 << 20 };

struct viv_state {
    const struct viv_state_ops *ops;
    const struct viv_kv_library *library;
    struct viv_store_config config; /* its strings belong to dir */
    struct viv_kv_dir dir;
    struct viv_kv_image *image;    /* NULL: there is none, or it is to be opened again */
    struct viv_kv_mark mark;       /* of the image, when image_status is VIV_OK */
    viv_status image_status;       /* VIV_OK, VIV_ERR_NOT_FOUND or VIV_ERR_CORRUPT */
    struct viv_buffer looked_upto; /* what mark.looked_upto borrows */
    viv_status failed;             /* first terminal failure; every later call answers it */
    struct viv_store_measure measure;

    bool in_checkpoint;
    enum viv_checkpoint_kind kind;
    uint64_t zxid_start;
    struct viv_kv_image *target; /* the image, or the one being built */
    struct viv_kv_mark pending;
    struct viv_kv_run run;
};

static void close_image(struct viv_state *state)
{
    if (state->image != NULL) {
        state->library->close(state->image);
        state->image = NULL;
    }
}

static viv_status read_mark(struct viv_state *state)
{
    struct viv_buffer bytes = {0};
    viv_status status = state->library->read_mark(state->image, &bytes);
    if (status == VIV_OK) {
        status = viv_kv_mark_decode(state->library->name, viv_buffer_bytes(&bytes), &state->config, state->dir.gid,
                                    &state->mark);
    }
    viv_buffer_fini(&bytes);
    return status;
}

/* Opens the current image unless it is open. A damaged one is not a failure here: load tells, and a new image can still
 * be installed over it. */
static viv_status need_image(struct viv_state *state)
{
    if (state->image != NULL || state->image_status != VIV_OK) {
        return VIV_OK;
    }
    if (state->dir.generation == 0) {
        state->image_status = VIV_ERR_NOT_FOUND;
        return VIV_OK;
    }
    char *path = viv_kv_dir_current(&state->dir);
    viv_status status = state->library->open(path, false, state->config.durable, &state->image);
    if (status == VIV_OK) {
        status = read_mark(state);
    }
    if (status != VIV_OK) {
        close_image(state);
    }
    if (status == VIV_ERR_CORRUPT) {
        viv_log(VIV_LOG_ERROR, state->library->name,
                "the image is damaged and no other is kept; have this server rebuilt from its leader", "path=%s", path);
        state->image_status = status;
        status = VIV_OK;
    }
    free(path);
    return status;
}

viv_status viv_kv_state_open(const struct viv_state_ops *ops, const struct viv_kv_library *library,
                             const struct viv_store_config *config, viv_gid gid, struct viv_state **out,
                             struct viv_store_report *report)
{
    VIV_ASSERT(config->state_dir != NULL);
    uint64_t began_ns = viv_kv_now_ns();
    struct viv_state *state = viv_alloc_zeroed(1, sizeof *state);
    state->ops = ops;
    state->library = library;
    state->config = *config;
    viv_status status = viv_kv_dir_open(&state->dir, library->name, config->state_dir, gid, config->durable);
    if (status != VIV_OK) {
        free(state);
        return status;
    }
    state->config.state_dir = state->config.log_dir = state->dir.parent;
    status = need_image(state);
    if (status != VIV_OK) {
        viv_kv_state_close(state);
        return status;
    }
    if (report != NULL) {
        report->open_ns += viv_kv_now_ns() - began_ns;
        report->files += state->image != NULL;
        report->rejected_files += state->image_status == VIV_ERR_CORRUPT;
    }
    *out = state;
    return VIV_OK;
}

viv_status viv_kv_state_load(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart, void *ctx,
                             struct viv_state_mark *mark, struct viv_store_report *report)
{
    (void)restart; /* one image is kept: there is never a second one to begin with */
    VIV_ASSERT(!state->in_checkpoint);
    VIV_TRY(state->failed);
    VIV_TRY(need_image(state));
    VIV_TRY(state->image_status);
    uint64_t began_ns = viv_kv_now_ns();
    struct viv_kv_feed feed = {.store = state->library->name, .rows = rows, .ctx = ctx, .report = report};
    viv_status status = state->library->scan(state->image, &feed);
    if (status == VIV_OK) {
        status = viv_kv_feed_end(&feed, &state->mark);
    }
    viv_kv_feed_fini(&feed);
    if (report != NULL) {
        report->read_ns += viv_kv_now_ns() - began_ns;
    }
    if (status == VIV_OK) {
        *mark = state->mark.mark;
    } else if (status == VIV_ERR_CORRUPT) {
        state->image_status = status;
    }
    return status;
}

static void end_checkpoint(struct viv_state *state)
{
    if (state->target != NULL) {
        state->library->abort(state->target);
        if (state->target != state->image) {
            state->library->close(state->target);
            viv_kv_dir_drop_next(&state->dir);
        }
        state->target = NULL;
    }
    viv_kv_run_fini(&state->run);
    state->in_checkpoint = false;
}

/* A failure ends the checkpoint; a terminal one ends the store. Damage in an image written a moment ago is the disk's
 * failure. */
static viv_status settle(struct viv_state *state, viv_status status)
{
    if (status == VIV_OK) {
        return VIV_OK;
    }
    status = status == VIV_ERR_CORRUPT && state->kind != VIV_CHECKPOINT_DELTA ? VIV_ERR_IO : status;
    if (status == VIV_ERR_IO || status == VIV_ERR_SYSTEM) {
        state->failed = status;
    }
    bool touched_image = state->target != NULL && state->target == state->image;
    end_checkpoint(state);
    if (touched_image) {
        /* What the library still holds of the failed unit must not become durable later. */
        close_image(state);
        if (status == VIV_ERR_CORRUPT) {
            state->image_status = status;
        }
    }
    return status;
}

static viv_status begin_image(struct viv_state *state)
{
    uint64_t salt = viv_disk_real.ops->random(viv_disk_real.ctx);
    viv_kv_mark_init(&state->pending, &state->config, state->dir.gid, salt);
    if (state->config.cluster[0] == 0 && state->config.cluster[1] == 0) {
        /* Also of a damaged image, if it was ever read. */
        memcpy(state->pending.cluster, state->mark.cluster, sizeof state->pending.cluster);
    }
    VIV_TRY(viv_kv_dir_make_next(&state->dir));
    char *path = viv_kv_dir_next(&state->dir);
    viv_status status = state->library->open(path, true, state->config.durable, &state->target);
    free(path);
    return status;
}

viv_status viv_kv_state_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start)
{
    VIV_ASSERT(!state->in_checkpoint);
    VIV_TRY(state->failed);
    VIV_TRY(need_image(state));
    if (kind == VIV_CHECKPOINT_DELTA && state->image_status != VIV_OK) {
        return state->image_status == VIV_ERR_NOT_FOUND ? VIV_ERR_INVALID : state->image_status;
    }
    state->in_checkpoint = true;
    state->kind = kind;
    state->zxid_start = zxid_start;
    if (kind != VIV_CHECKPOINT_DELTA) {
        return settle(state, begin_image(state));
    }
    state->pending = state->mark;
    state->target = state->image;
    return VIV_OK;
}

static viv_status write_run(struct viv_state *state)
{
    viv_kv_run_sort(&state->run);
    VIV_TRY(state->library->write(state->target, &state->run, &state->pending));
    state->measure.entries += state->run.row_count;
    viv_kv_run_clear(&state->run);
    return VIV_OK;
}

static viv_status write_rows(struct viv_state *state, struct viv_bytes rows)
{
    if (viv_kv_run_add(&state->run, rows) != VIV_OK) {
        viv_log(VIV_LOG_ERROR, state->library->name, "a block of rows is malformed", "bytes=%zu", rows.size);
        return VIV_ERR_MALFORMED;
    }
    bool may_split = state->kind != VIV_CHECKPOINT_DELTA || state->library->takes_delta_in_runs;
    return may_split && state->run.bytes.size >= RUN_BYTES ? write_run(state) : VIV_OK;
}

viv_status viv_kv_state_write(struct viv_state *state, struct viv_bytes rows)
{
    VIV_TRY(state->failed);
    VIV_ASSERT(state->in_checkpoint);
    state->measure.appends++;
    state->measure.bytes_written += rows.size;
    return settle(state, write_rows(state, rows));
}

/* The image that was built takes the old one's place. */
static viv_status replace_image(struct viv_state *state)
{
    state->library->close(state->target);
    state->target = NULL;
    bool had_image = state->dir.generation > 0;
    viv_status status = viv_kv_dir_promote_next(&state->dir);
    if (status != VIV_OK) {
        viv_kv_dir_drop_next(&state->dir);
        return status;
    }
    close_image(state);
    state->image_status = VIV_OK;
    if (had_image) {
        viv_kv_dir_drop_old(&state->dir);
    }
    VIV_TRY(need_image(state));
    return state->image_status;
}

static viv_status commit_rows(struct viv_state *state, const struct viv_state_mark *mark)
{
    bool has_previous = state->kind != VIV_CHECKPOINT_INSTALL && state->image_status == VIV_OK &&
                        state->mark.mark.zxid_start <= mark->zxid_start;
    state->pending.mark = *mark;
    state->pending.previous_start = has_previous ? state->mark.mark.zxid_start : mark->zxid_start;
    VIV_TRY(write_run(state));
    VIV_TRY(state->library->commit(state->target, &state->pending));
    return state->kind == VIV_CHECKPOINT_DELTA ? VIV_OK : replace_image(state);
}

viv_status viv_kv_state_commit(struct viv_state *state, const struct viv_state_mark *mark, uint64_t *log_needed_after)
{
    VIV_TRY(state->failed);
    VIV_ASSERT(state->in_checkpoint);
    VIV_ASSERT(mark->zxid_start == state->zxid_start && mark->zxid_start <= mark->zxid_end);
    VIV_TRY(settle(state, commit_rows(state, mark)));
    state->mark = state->pending;
    state->measure.checkpoints++;
    state->measure.syncs += state->config.durable;
    state->target = NULL;
    end_checkpoint(state);
    *log_needed_after = state->mark.previous_start;
    return VIV_OK;
}

void viv_kv_state_abort(struct viv_state *state)
{
    end_checkpoint(state);
}

viv_status viv_kv_state_thin(struct viv_state *state, uint64_t *log_needed_after)
{
    VIV_TRY(state->failed);
    VIV_ASSERT(!state->in_checkpoint);
    VIV_TRY(need_image(state));
    *log_needed_after = state->image_status == VIV_OK ? state->mark.mark.zxid_start : 0;
    return VIV_OK;
}

/* What a look has found is what the mark promises, and so is the mark. */
static viv_status end_look(struct viv_state *state, const struct viv_kv_look *look)
{
    uint8_t expected[VIV_KV_MARK_BYTES];
    viv_kv_mark_encode(&state->mark, expected);
    if (state->mark.looked_rows != state->mark.rows || state->mark.looked_sum != state->mark.sum ||
        !viv_bytes_equal(viv_buffer_bytes(&look->stored_mark), viv_bytes_of(expected, sizeof expected))) {
        viv_log(VIV_LOG_ERROR, state->library->name, "the image does not hold what its mark says",
                "state_dir=%s rows=%llu expected_rows=%llu", state->config.state_dir,
                (unsigned long long)state->mark.looked_rows, (unsigned long long)state->mark.rows);
        return VIV_ERR_CORRUPT;
    }
    state->mark.looked_rows = state->mark.looked_sum = 0;
    return VIV_OK;
}

static viv_status look_on(struct viv_state *state, size_t bytes_max, size_t *bytes)
{
    struct viv_kv_look look = {.store = state->library->name, .mark = &state->mark, .bytes_max = bytes_max};
    char *path = viv_kv_dir_current(&state->dir);
    viv_status status = state->library->look(state->image, path, &look);
    if (status == VIV_OK && look.upto.size == 0) {
        status = end_look(state, &look);
    }
    *bytes = look.bytes + look.stored_mark.size;
    viv_buffer_fini(&look.stored_mark);
    viv_buffer_fini(&state->looked_upto);
    state->looked_upto = look.upto;
    state->mark.looked_upto = viv_buffer_bytes(&state->looked_upto);
    if (status == VIV_ERR_CORRUPT) {
        close_image(state);
        state->image_status = status;
    }
    free(path);
    return status;
}

viv_status viv_kv_state_scrub(struct viv_state *state, size_t bytes_max, size_t *bytes)
{
    VIV_ASSERT(!state->in_checkpoint);
    VIV_TRY(state->failed);
    VIV_TRY(need_image(state));
    if (state->image_status == VIV_OK) {
        return look_on(state, bytes_max, bytes);
    }
    return state->image_status == VIV_ERR_CORRUPT ? VIV_ERR_CORRUPT : VIV_OK;
}

void viv_kv_state_measure(struct viv_state *state, struct viv_store_measure *measure)
{
    *measure = state->measure;
    measure->disk_bytes_now = viv_kv_dir_bytes(&state->dir);
}

void viv_kv_state_close(struct viv_state *state)
{
    end_checkpoint(state);
    close_image(state);
    viv_kv_dir_close(&state->dir);
    viv_buffer_fini(&state->looked_upto);
    free(state);
}
