#include "store/store.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/limits.h"
#include "store/log_store.h"
#include "store/state_store.h"

/* Bytes of disk never reach an assertion here: everything that is asserted was made by our own callers or by the
 * implementation under test. */

static const struct viv_log_ops *log_ops(const struct viv_log *log)
{
    VIV_ASSERT(log != NULL);
    return *(const struct viv_log_ops *const *)log;
}

static const struct viv_state_ops *state_ops(const struct viv_state *state)
{
    VIV_ASSERT(state != NULL);
    return *(const struct viv_state_ops *const *)state;
}

viv_status viv_log_open(const struct viv_log_ops *ops, const struct viv_store_config *config, struct viv_log **log,
                        struct viv_store_report *report)
{
    VIV_ASSERT(config->log_dir != NULL);
    VIV_ASSERT(config->segment_bytes == 0 || (config->segment_bytes >= 16 << 10 && config->segment_bytes <= 1 << 30));
    VIV_TRY(ops->open(config, log, report));
    VIV_ASSERT(log_ops(*log) == ops);
    return VIV_OK;
}

void viv_log_close(struct viv_log *log)
{
    log_ops(log)->close(log);
}

/* The newest zxid of the group of runs[index], seen from just before that run. */
static uint64_t last_before(struct viv_log *log, const struct viv_log_run *runs, size_t index)
{
    for (size_t i = index; i-- > 0;) {
        if (runs[i].gid == runs[index].gid && runs[i].entry_count > 0) {
            return runs[i].entries[runs[i].entry_count - 1].zxid;
        }
    }
    struct viv_log_bounds bounds;
    viv_log_bounds(log, runs[index].gid, &bounds);
    return bounds.last_zxid;
}

static void assert_run(struct viv_log *log, const struct viv_log_run *runs, size_t index)
{
    uint64_t last = last_before(log, runs, index);
    for (size_t i = 0; i < runs[index].entry_count; i++) {
        const struct viv_entry *entry = &runs[index].entries[i];
        VIV_ASSERT(entry->zxid > last);
        VIV_ASSERT(entry->body.size <= VIV_ENTRY_BYTES_MAX);
        VIV_ASSERT_SLOW(entry->body_crc == viv_crc32c(0, entry->body.data, entry->body.size));
        last = entry->zxid;
    }
}

viv_status viv_log_append(struct viv_log *log, const struct viv_log_run *runs, size_t run_count)
{
    VIV_ASSERT(run_count > 0);
    for (size_t i = 0; i < run_count; i++) {
        assert_run(log, runs, i);
    }
    return log_ops(log)->append(log, runs, run_count);
}

viv_status viv_log_sync(struct viv_log *log)
{
    return log_ops(log)->sync(log);
}

viv_status viv_log_truncate(struct viv_log *log, viv_gid gid, uint64_t keep_zxid)
{
    VIV_TRY(log_ops(log)->truncate(log, gid, keep_zxid));
    struct viv_log_bounds bounds;
    viv_log_bounds(log, gid, &bounds);
    VIV_ASSERT(bounds.last_zxid == keep_zxid);
    return VIV_OK;
}

viv_status viv_log_reset(struct viv_log *log, viv_gid gid, uint64_t base_zxid)
{
    VIV_TRY(log_ops(log)->reset(log, gid, base_zxid));
    struct viv_log_bounds bounds;
    viv_log_bounds(log, gid, &bounds);
    VIV_ASSERT(bounds.base_zxid == base_zxid);
    VIV_ASSERT(bounds.last_zxid == base_zxid);
    return VIV_OK;
}

viv_status viv_log_trim(struct viv_log *log, viv_gid gid, uint64_t zxid)
{
    return log_ops(log)->trim(log, gid, zxid);
}

void viv_log_bounds(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds)
{
    log_ops(log)->bounds(log, gid, bounds);
    VIV_ASSERT(bounds->base_zxid <= bounds->last_zxid);
    VIV_ASSERT(bounds->commit_zxid <= bounds->last_zxid);
}

viv_status viv_log_iter_open(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                             struct viv_log_iter **iter)
{
    VIV_ASSERT(after <= upto);
    return log_ops(log)->iter_open(log, gid, after, upto, iter);
}

viv_status viv_log_iter_next(struct viv_log *log, struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity,
                             size_t bytes_max, size_t *count)
{
    VIV_ASSERT(capacity > 0);
    VIV_TRY(log_ops(log)->iter_next(iter, entries, capacity, bytes_max, count));
    VIV_ASSERT(*count <= capacity);
    for (size_t i = 1; i < *count; i++) {
        VIV_ASSERT(entries[i].zxid > entries[i - 1].zxid);
    }
    return VIV_OK;
}

void viv_log_iter_close(struct viv_log *log, struct viv_log_iter *iter)
{
    log_ops(log)->iter_close(iter);
}

void viv_log_hard_get(struct viv_log *log, viv_gid gid, struct viv_hard_state *hard)
{
    log_ops(log)->hard_get(log, gid, hard);
    VIV_ASSERT(hard->current_epoch <= hard->accepted_epoch);
}

viv_status viv_log_hard_put(struct viv_log *log, viv_gid gid, const struct viv_hard_state *hard)
{
    VIV_ASSERT(hard->current_epoch <= hard->accepted_epoch);
    return log_ops(log)->hard_put(log, gid, hard);
}

size_t viv_log_count_sound(const struct viv_entry *entries, size_t count)
{
    size_t sound = 0;
    while (sound < count && !viv_entry_is_damaged(&entries[sound])) {
        sound++;
    }
    return sound;
}

size_t viv_log_faults(struct viv_log *log, viv_gid gid, uint64_t after, struct viv_log_fault *faults, size_t capacity)
{
    if (!(log_ops(log)->traits & VIV_STORE_REPAIRS)) {
        return 0;
    }
    size_t count = log_ops(log)->faults(log, gid, after, faults, capacity);
    VIV_ASSERT(count <= capacity);
    for (size_t i = 0; i < count; i++) {
        VIV_ASSERT(faults[i].zxid > after && faults[i].bytes > 0);
        after = faults[i].zxid;
    }
    return count;
}

viv_status viv_log_repair(struct viv_log *log, viv_gid gid, uint64_t zxid, struct viv_bytes body)
{
    VIV_ASSERT(log_ops(log)->traits & VIV_STORE_REPAIRS);
    return log_ops(log)->repair(log, gid, zxid, body);
}

/* The newest entry up to `upto`, or the base. */
static viv_status newest_upto(struct viv_log *log, viv_gid gid, uint64_t base_zxid, uint64_t upto, uint64_t *zxid)
{
    struct viv_log_iter *iter;
    struct viv_entry entries[64];
    size_t count = 0;
    *zxid = base_zxid;
    if (upto == base_zxid) {
        return VIV_OK;
    }
    VIV_TRY(viv_log_iter_open(log, gid, base_zxid, upto, &iter));
    viv_status status;
    do {
        status = viv_log_iter_next(log, iter, entries, 64, 1 << 20, &count);
        *zxid = status == VIV_OK && count > 0 ? entries[count - 1].zxid : *zxid;
    } while (status == VIV_OK && count > 0);
    viv_log_iter_close(log, iter);
    return status;
}

viv_status viv_log_cut_torn(struct viv_log *log, viv_gid gid, bool *is_cut)
{
    struct viv_log_bounds bounds;
    uint64_t kept_zxid;
    viv_log_bounds(log, gid, &bounds);
    *is_cut = bounds.uncertain_zxid != 0;
    if (!*is_cut) {
        return VIV_OK;
    }
    VIV_TRY(newest_upto(log, gid, bounds.base_zxid, bounds.uncertain_zxid - 1, &kept_zxid));
    return viv_log_truncate(log, gid, kept_zxid);
}

viv_status viv_log_settle(struct viv_log *log)
{
    return log_ops(log)->traits & VIV_STORE_REPAIRS ? log_ops(log)->settle(log) : VIV_OK;
}

viv_status viv_log_scrub(struct viv_log *log, struct viv_scrub *scrub, size_t bytes_max)
{
    VIV_ASSERT(bytes_max > 0);
    return log_ops(log)->traits & VIV_STORE_REPAIRS ? log_ops(log)->scrub(log, scrub, bytes_max) : VIV_OK;
}

viv_status viv_log_prepare(struct viv_log *log)
{
    return log_ops(log)->prepare(log);
}

void viv_log_measure(struct viv_log *log, struct viv_store_measure *measure)
{
    log_ops(log)->measure(log, measure);
}

viv_status viv_state_open(const struct viv_state_ops *ops, const struct viv_store_config *config, viv_gid gid,
                          struct viv_state **state, struct viv_store_report *report)
{
    VIV_ASSERT(config->state_dir != NULL);
    VIV_ASSERT(config->load_threads <= 2);
    VIV_TRY(ops->open(config, gid, state, report));
    VIV_ASSERT(state_ops(*state) == ops);
    return VIV_OK;
}

void viv_state_close(struct viv_state *state)
{
    state_ops(state)->close(state);
}

viv_status viv_state_load(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart, void *ctx,
                          struct viv_state_mark *mark, struct viv_store_report *report)
{
    VIV_ASSERT(rows != NULL);
    VIV_ASSERT(restart != NULL);
    VIV_TRY(state_ops(state)->load(state, rows, restart, ctx, mark, report));
    VIV_ASSERT(mark->zxid_start <= mark->zxid_end);
    return VIV_OK;
}

viv_status viv_state_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start)
{
    VIV_ASSERT(kind != VIV_CHECKPOINT_DELTA || (viv_state_traits(state) & VIV_STORE_DELTAS));
    return state_ops(state)->begin(state, kind, zxid_start);
}

viv_status viv_state_write(struct viv_state *state, struct viv_bytes rows)
{
    return state_ops(state)->write(state, rows);
}

viv_status viv_state_commit(struct viv_state *state, const struct viv_state_mark *mark, uint64_t *log_needed_after)
{
    VIV_ASSERT(mark->zxid_start <= mark->zxid_end);
    VIV_TRY(state_ops(state)->commit(state, mark, log_needed_after));
    VIV_ASSERT(*log_needed_after <= mark->zxid_start);
    return VIV_OK;
}

void viv_state_abort(struct viv_state *state)
{
    state_ops(state)->abort(state);
}

viv_status viv_state_thin(struct viv_state *state, uint64_t *log_needed_after)
{
    return state_ops(state)->thin(state, log_needed_after);
}

void viv_state_measure(struct viv_state *state, struct viv_store_measure *measure)
{
    state_ops(state)->measure(state, measure);
}

viv_status viv_state_scrub(struct viv_state *state, size_t bytes_max, size_t *bytes)
{
    VIV_ASSERT(bytes_max > 0);
    *bytes = 0;
    return viv_state_traits(state) & VIV_STORE_VOLATILE ? VIV_OK : state_ops(state)->scrub(state, bytes_max, bytes);
}

unsigned viv_state_traits(const struct viv_state *state)
{
    return state_ops(state)->traits;
}
