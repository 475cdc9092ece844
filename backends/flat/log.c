#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/flat/flat_internal.h"
#include "base/assert.h"
#include "base/log.h"

/* The log store of vivarium: joins segments, index and hard state into the contract of store/log_store.h. */

enum { SEGMENT_BYTES_DEFAULT = 16 << 20 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void flat_close(struct viv_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        VIV_ASSERT(log->segments[i]->references == 1); /* a reader outlives the log */
        viv_flat_segment_unref(log, log->segments[i]);
    }
    for (size_t i = 0; i < log->spare_count; i++) {
        free(log->spares[i]);
    }
    viv_flat_hard_close(&log->hard, &log->disk);
    viv_file_close(&log->disk, &log->lock);
    viv_flat_index_fini(&log->index);
    viv_flat_faults_fini(&log->faults);
    viv_flat_identifiers_fini(&log->waiting);
    viv_buffer_fini(&log->scratch);
    viv_buffer_fini(&log->calls);
    pthread_cond_destroy(&log->preparing_done);
    pthread_mutex_destroy(&log->mutex);
    free(log->spares);
    free(log->segments);
    free(log->inputs);
    free(log->dir);
    free(log);
}

static viv_status take_lock(struct viv_log *log)
{
    char *path = viv_file_path(log->dir, "log.lock");
    viv_status status = viv_file_open(&log->disk, path, VIV_FILE_WRITE | VIV_FILE_CREATE | VIV_FILE_KEEP, &log->lock);
    if (status == VIV_OK) {
        status = viv_file_lock(&log->disk, &log->lock);
    }
    free(path);
    return status;
}

static bool holds_segments(const struct viv_file_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strncmp(names->names[i], "log-", 4) == 0 && strstr(names->names[i], ".tmp") == NULL) {
            return true;
        }
    }
    return false;
}

static viv_status recover(struct viv_log *log, struct viv_store_report *report)
{
    VIV_TRY(take_lock(log));
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&log->disk, log->dir, &names));
    viv_status status = viv_flat_hard_open(&log->hard, &log->disk, log->dir, &log->owner, log->is_durable,
                                           !holds_segments(&names), log->may_forget);
    if (status == VIV_OK) {
        status = viv_flat_segments_open(log, &names);
    }
    viv_file_names_fini(&names);
    VIV_TRY(status);
    if (log->segment_count == 0) {
        VIV_TRY(viv_flat_segment_prepare(log));
    }
    return viv_flat_scan(log, report);
}

static viv_status flat_open(const struct viv_store_config *config, struct viv_log **log,
                            struct viv_store_report *report)
{
    uint64_t start_ns = now_ns();
    struct viv_log *opened = viv_alloc_zeroed(1, sizeof *opened);
    *opened = (struct viv_log){
        .ops = &viv_flat_log,
        .disk = config->disk != NULL ? *config->disk : viv_disk_real,
        .dir = viv_file_path(NULL, "%s", config->log_dir),
        .segment_bytes = config->segment_bytes > 0 ? config->segment_bytes : SEGMENT_BYTES_DEFAULT,
        .is_durable = config->durable,
        .may_forget = config->may_forget,
        .owner = {{config->cluster[0], config->cluster[1]}, config->server_id},
        .lock = {.handle = -1},
        .hard = {.file = {.handle = -1}},
    };
    pthread_mutex_init(&opened->mutex, NULL);
    pthread_cond_init(&opened->preparing_done, NULL);
    viv_status status = recover(opened, report);
    if (status != VIV_OK) {
        flat_close(opened);
        return status;
    }
    report->open_ns += now_ns() - start_ns;
    *log = opened;
    return VIV_OK;
}

static viv_status flat_append(struct viv_log *log, const struct viv_log_run *runs, size_t run_count)
{
    viv_buffer_clear(&log->calls);
    for (size_t i = 0; i < run_count; i++) {
        VIV_ASSERT(runs[i].entry_count <= UINT32_MAX);
        struct viv_flat_run_input input = {
            {runs[i].gid, VIV_FLAT_RUN_ENTRIES, (uint32_t)runs[i].entry_count, 0, runs[i].commit_zxid},
            runs[i].entries};
        viv_buffer_append(&log->calls, &input, sizeof input);
    }
    return viv_flat_write(log, (const struct viv_flat_run_input *)(const void *)log->calls.data, run_count);
}

/* One run without entries, durable on return. */
static viv_status write_mark(struct viv_log *log, viv_gid gid, enum viv_flat_run_kind kind, uint64_t zxid)
{
    struct viv_flat_run_input input = {{gid, (uint16_t)kind, 0, zxid, 0}, NULL};
    VIV_TRY(viv_flat_write(log, &input, 1));
    return viv_flat_sync(log);
}

static void flat_bounds(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds)
{
    pthread_mutex_lock(&log->mutex);
    const struct viv_flat_group *group = viv_flat_index_find(&log->index, gid);
    *bounds = (struct viv_log_bounds){0};
    if (group != NULL) {
        bounds->base_zxid = group->base_zxid;
        bounds->last_zxid = group->last_zxid;
        bounds->commit_zxid = group->commit_zxid < group->last_zxid ? group->commit_zxid : group->last_zxid;
        bounds->uncertain_zxid = viv_flat_faults_uncertain(&log->faults, gid);
    }
    pthread_mutex_unlock(&log->mutex);
}

static viv_status flat_truncate(struct viv_log *log, viv_gid gid, uint64_t keep_zxid)
{
    struct viv_log_bounds bounds;
    flat_bounds(log, gid, &bounds);
    if (keep_zxid == bounds.last_zxid) {
        return viv_flat_sync(log);
    }
    if (keep_zxid > bounds.last_zxid || keep_zxid < bounds.base_zxid) {
        return VIV_ERR_INVALID;
    }
    bool is_there = keep_zxid == bounds.base_zxid;
    if (!is_there) { /* damaged or not */
        VIV_TRY(viv_flat_has_entry(log, gid, keep_zxid, &is_there));
    }
    return is_there ? write_mark(log, gid, VIV_FLAT_RUN_TRUNCATE, keep_zxid) : VIV_ERR_INVALID;
}

static viv_status flat_reset(struct viv_log *log, viv_gid gid, uint64_t base_zxid)
{
    VIV_TRY(write_mark(log, gid, VIV_FLAT_RUN_RESET, base_zxid));
    viv_status status = viv_flat_segments_release(log);
    return status == VIV_OK ? status : viv_flat_fail(log, status);
}

static viv_status flat_trim(struct viv_log *log, viv_gid gid, uint64_t zxid)
{
    pthread_mutex_lock(&log->mutex);
    viv_status status = log->failed;
    struct viv_flat_group *group = viv_flat_index_find(&log->index, gid);
    if (group != NULL && zxid > group->trim_zxid) {
        group->trim_zxid = zxid;
    }
    pthread_mutex_unlock(&log->mutex);
    VIV_TRY(status);
    status = viv_flat_segments_release(log);
    return status == VIV_OK ? status : viv_flat_fail(log, status);
}

static void flat_hard_get(struct viv_log *log, viv_gid gid, struct viv_hard_state *hard)
{
    pthread_mutex_lock(&log->mutex);
    viv_flat_hard_get(&log->hard, gid, hard);
    pthread_mutex_unlock(&log->mutex);
}

static viv_status flat_hard_put(struct viv_log *log, viv_gid gid, const struct viv_hard_state *hard)
{
    /* A few hundred microseconds with the mutex held: only in elections and installs. */
    pthread_mutex_lock(&log->mutex);
    viv_status status = log->failed;
    if (status == VIV_OK) {
        status = viv_flat_hard_put(&log->hard, &log->disk, gid, hard);
    }
    pthread_mutex_unlock(&log->mutex);
    if (status == VIV_OK || status == VIV_ERR_LIMIT) {
        return status;
    }
    /* The slots have had their room from the start: even a full disk is a failure here. */
    return viv_flat_fail(log, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
}

static viv_status flat_prepare(struct viv_log *log)
{
    pthread_mutex_lock(&log->mutex);
    while (log->is_preparing) {
        pthread_cond_wait(&log->preparing_done, &log->mutex);
    }
    viv_status status = log->failed;
    bool is_needed = status == VIV_OK && log->active + 1 == log->segment_count;
    log->is_preparing = is_needed;
    pthread_mutex_unlock(&log->mutex);
    if (!is_needed) {
        return status;
    }
    status = viv_flat_segment_prepare(log);
    pthread_mutex_lock(&log->mutex);
    log->is_preparing = false;
    pthread_cond_broadcast(&log->preparing_done);
    pthread_mutex_unlock(&log->mutex);
    return status == VIV_OK ? status : viv_flat_fail(log, status);
}

static void flat_measure(struct viv_log *log, struct viv_store_measure *measure)
{
    pthread_mutex_lock(&log->mutex);
    *measure = log->measure;
    measure->disk_bytes_now = log->spare_count * log->segment_bytes + 2 * VIV_FLAT_BLOCK_BYTES;
    for (size_t i = 0; i < log->segment_count; i++) {
        measure->disk_bytes_now += log->segments[i]->file_bytes;
    }
    pthread_mutex_unlock(&log->mutex);
}

const struct viv_log_ops viv_flat_log = {
    .name = "flat",
    .traits = VIV_STORE_REPAIRS,
    .open = flat_open,
    .close = flat_close,
    .append = flat_append,
    .sync = viv_flat_sync,
    .truncate = flat_truncate,
    .reset = flat_reset,
    .trim = flat_trim,
    .bounds = flat_bounds,
    .iter_open = viv_flat_iter_open,
    .iter_next = viv_flat_iter_next,
    .iter_close = viv_flat_iter_close,
    .hard_get = flat_hard_get,
    .hard_put = flat_hard_put,
    .prepare = flat_prepare,
    .measure = flat_measure,
    .faults = viv_flat_faults_get,
    .repair = viv_flat_repair,
    .settle = viv_flat_settle,
    .scrub = viv_flat_scrub,
};
