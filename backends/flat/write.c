#include "backends/flat/flat_internal.h"
#include "base/assert.h"

viv_status viv_flat_fail(struct viv_log *log, viv_status status)
{
    VIV_ASSERT(status != VIV_OK);
    if (status != VIV_ERR_NOSPACE) {
        pthread_mutex_lock(&log->mutex);
        log->failed = status;
        pthread_mutex_unlock(&log->mutex);
    }
    return status;
}

static struct viv_flat_segment *active_segment(struct viv_log *log)
{
    pthread_mutex_lock(&log->mutex);
    struct viv_flat_segment *segment = log->segments[log->active];
    pthread_mutex_unlock(&log->mutex);
    return segment;
}

static viv_status sticky_status(struct viv_log *log)
{
    pthread_mutex_lock(&log->mutex);
    viv_status status = log->failed;
    pthread_mutex_unlock(&log->mutex);
    return status;
}

/* Makes log->inputs: where every group stands, when the segment is fresh, then the caller's runs. */
static size_t gather(struct viv_log *log, bool is_fresh, const struct viv_flat_run_input *runs, size_t run_count)
{
    pthread_mutex_lock(&log->mutex);
    size_t count = (is_fresh ? log->index.group_count : 0) + run_count;
    if (count > log->input_capacity) {
        log->input_capacity = count * 2;
        log->inputs = viv_realloc(log->inputs, log->input_capacity * sizeof *log->inputs);
    }
    size_t at = 0;
    for (size_t i = 0; is_fresh && i < log->index.group_count; i++) {
        const struct viv_flat_group *group = &log->index.groups[i];
        log->inputs[at++] = (struct viv_flat_run_input){
            {group->gid, VIV_FLAT_RUN_BOUNDS, 0, group->last_zxid, group->commit_zxid}, NULL};
    }
    for (size_t i = 0; i < run_count; i++) {
        log->inputs[at++] = runs[i];
    }
    pthread_mutex_unlock(&log->mutex);
    return at;
}

/* An empty segment behind the active one; made here and now if nobody made it ahead. */
static viv_status next_segment(struct viv_log *log, struct viv_flat_segment **next)
{
    pthread_mutex_lock(&log->mutex);
    while (log->active + 1 == log->segment_count && log->is_preparing) {
        pthread_cond_wait(&log->preparing_done, &log->mutex);
    }
    bool is_missing = log->active + 1 == log->segment_count;
    pthread_mutex_unlock(&log->mutex);
    if (is_missing) {
        VIV_TRY(log->ops->prepare(log));
    }
    pthread_mutex_lock(&log->mutex);
    VIV_ASSERT(log->active + 1 < log->segment_count);
    *next = log->segments[log->active + 1];
    pthread_mutex_unlock(&log->mutex);
    VIV_ASSERT((*next)->first_ordinal == 0);
    return VIV_OK;
}

/* What a segment must keep free for the batch that finishes it. */
static uint64_t finish_bytes(void)
{
    const struct viv_flat_run_input next = {{.kind = VIV_FLAT_RUN_NEXT}, NULL};
    return viv_flat_batch_bytes(&next, 1);
}

/* Bytes of the file when the batch, and the one that finishes the segment, stand in it with their identifiers; a block
 * apart, so that no damage of one block takes both. */
static uint64_t file_bytes_with(const struct viv_flat_segment *segment, uint64_t bytes, uint64_t identifier_bytes)
{
    uint64_t batches = segment->end + bytes + finish_bytes();
    if (!viv_flat_segment_has_identifiers(segment)) {
        return batches;
    }
    const struct viv_flat_run_input next = {{.kind = VIV_FLAT_RUN_NEXT}, NULL};
    return batches + segment->identifier_bytes + identifier_bytes + viv_flat_identifier_bytes(&next, 1) +
           (uint64_t)2 * VIV_FLAT_BLOCK_BYTES;
}

/* What a batch takes. */
struct demand {
    uint64_t bytes, identifier_bytes;
};

static struct demand demand_of(const struct viv_flat_run_input *runs, size_t run_count)
{
    return (struct demand){viv_flat_batch_bytes(runs, run_count), viv_flat_identifier_bytes(runs, run_count)};
}

static bool fits(const struct viv_flat_segment *segment, struct demand demand)
{
    bool is_placeable = demand.bytes <= VIV_FLAT_BATCH_BYTES_USUAL || segment->first_ordinal == 0;
    return is_placeable && file_bytes_with(segment, demand.bytes, demand.identifier_bytes) <= segment->file_bytes;
}

/* Makes the empty segment so large that the batch fits. */
static viv_status widen(struct viv_log *log, struct viv_flat_segment *segment, struct demand demand)
{
    VIV_ASSERT(segment->identifier_bytes == 0);
    uint64_t file_bytes = file_bytes_with(segment, demand.bytes, demand.identifier_bytes);
    file_bytes = (file_bytes + VIV_FLAT_BLOCK_BYTES - 1) / VIV_FLAT_BLOCK_BYTES * VIV_FLAT_BLOCK_BYTES;
    VIV_TRY(viv_file_reserve(&log->disk, &segment->file, file_bytes));
    segment->file_bytes = segment->header.file_bytes = file_bytes;
    return viv_flat_segment_write_header(log, segment);
}

/* The segment that takes the batch, which log->inputs then holds. Nothing has been written when this fails. */
static viv_status place_batch(struct viv_log *log, const struct viv_flat_run_input *runs, size_t run_count,
                              struct viv_flat_segment **segment, size_t *input_count)
{
    *segment = active_segment(log);
    bool is_fresh = (*segment)->first_ordinal == 0;
    *input_count = gather(log, is_fresh, runs, run_count);
    struct demand demand = demand_of(log->inputs, *input_count);
    if (demand.bytes > 0 && !is_fresh && !fits(*segment, demand)) {
        VIV_TRY(next_segment(log, segment));
        *input_count = gather(log, true, runs, run_count);
        demand = demand_of(log->inputs, *input_count);
    }
    if (demand.bytes == 0) {
        return VIV_ERR_LIMIT;
    }
    return fits(*segment, demand) ? VIV_OK : widen(log, *segment, demand);
}

/* Takes the written batch into the index. */
static void remember(struct viv_log *log, struct viv_flat_segment *segment, const struct viv_flat_batch_header *header,
                     const struct viv_flat_run_input *inputs, size_t input_count)
{
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < input_count; i++) {
        const struct viv_flat_run_input *input = &inputs[i];
        uint64_t first = input->run.entry_count > 0 ? input->entries[0].zxid : 0;
        uint64_t last = input->run.entry_count > 0 ? input->entries[input->run.entry_count - 1].zxid : 0;
        bool is_consistent = viv_flat_index_apply(&log->index, &input->run, first, last, header->seq, header->offset);
        VIV_ASSERT(is_consistent);
        if (input->run.kind == VIV_FLAT_RUN_TRUNCATE || input->run.kind == VIV_FLAT_RUN_RESET) {
            uint64_t kept = input->run.kind == VIV_FLAT_RUN_RESET ? 0 : input->run.zxid;
            viv_flat_faults_forget(&log->faults, input->run.gid, kept, UINT64_MAX);
        }
    }
    segment->first_ordinal = segment->first_ordinal > 0 ? segment->first_ordinal : header->ordinal;
    segment->end += viv_flat_batch_bytes_of(header);
    log->ordinal = header->ordinal;
    log->previous_crc = header->crc;
    log->measure.appends++;
    log->measure.entries += header->entry_count;
    log->measure.bytes_written += viv_flat_batch_bytes_of(header);
    pthread_mutex_unlock(&log->mutex);
}

static viv_status write_batch(struct viv_log *log, struct viv_flat_segment *segment,
                              const struct viv_flat_run_input *inputs, size_t input_count)
{
    struct viv_flat_batch_header header = {
        .seq = segment->header.seq,
        .offset = segment->end,
        .ordinal = log->ordinal + 1,
        .durable_ordinal = log->durable_ordinal,
        .previous_crc = log->previous_crc,
    };
    viv_buffer_clear(&log->scratch);
    viv_flat_batch_encode(&header, segment->header.salt, inputs, input_count, &log->scratch);
    VIV_ASSERT(segment->end + log->scratch.size <= segment->file_bytes);
    viv_status status = viv_file_write(&log->disk, &segment->file, log->scratch.data, log->scratch.size, segment->end);
    if (status != VIV_OK) {
        /* Part of it may be on the disk, so a full disk is no clean refusal any more. */
        return viv_flat_fail(log, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
    }
    if (viv_flat_segment_has_identifiers(segment)) {
        viv_flat_identifiers_add(&log->waiting, &header, log->scratch.data);
        segment->identifier_bytes += viv_flat_identifier_bytes_of(&header);
    }
    remember(log, segment, &header, inputs, input_count);
    return VIV_OK;
}

/* Finishes the active segment and makes the next one active. A batch of a later segment vouches for all of the earlier
 * ones, hence the sync. */
static viv_status move_on(struct viv_log *log, struct viv_flat_segment *next)
{
    struct viv_flat_segment *finished = active_segment(log);
    const struct viv_flat_run_input last = {{.kind = VIV_FLAT_RUN_NEXT}, NULL};
    VIV_TRY(viv_flat_sync(log));
    VIV_TRY(viv_flat_settle(log)); /* durable with the sync of the last batch: this file is not synced again */
    VIV_TRY(write_batch(log, finished, &last, 1));
    VIV_TRY(viv_flat_sync(log));
    VIV_TRY(viv_flat_settle(log));
    pthread_mutex_lock(&log->mutex);
    finished->is_finished = true;
    log->active++;
    VIV_ASSERT(log->segments[log->active] == next);
    pthread_mutex_unlock(&log->mutex);
    return VIV_OK;
}

viv_status viv_flat_write(struct viv_log *log, const struct viv_flat_run_input *runs, size_t run_count)
{
    VIV_TRY(sticky_status(log));
    struct viv_flat_segment *segment;
    size_t input_count;
    viv_status status = place_batch(log, runs, run_count, &segment, &input_count);
    if (status != VIV_OK) {
        return status == VIV_ERR_LIMIT ? status : viv_flat_fail(log, status);
    }
    if (segment != active_segment(log)) {
        VIV_TRY(move_on(log, segment));
    }
    return write_batch(log, segment, log->inputs, input_count);
}

viv_status viv_flat_settle(struct viv_log *log)
{
    if (log->waiting.size == 0 || (log->is_durable && log->durable_ordinal < log->ordinal)) {
        return VIV_OK; /* none waits, or they would say what is not so yet */
    }
    viv_status status = viv_flat_identifiers_write(&log->waiting, &log->disk, active_segment(log));
    if (status != VIV_OK) {
        return viv_flat_fail(log, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
    }
    return VIV_OK;
}

static viv_status settle_if_due(struct viv_log *log)
{
    return log->waiting.size >= VIV_FLAT_IDENTIFIERS_AT_ONCE_BYTES ? viv_flat_settle(log) : VIV_OK;
}

viv_status viv_flat_sync(struct viv_log *log)
{
    VIV_TRY(sticky_status(log));
    if (!log->is_durable || log->durable_ordinal == log->ordinal) {
        return settle_if_due(log);
    }
    uint64_t ordinal = log->ordinal;
    viv_status status = viv_file_sync(&log->disk, &active_segment(log)->file);
    if (status != VIV_OK) {
        return viv_flat_fail(log, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
    }
    pthread_mutex_lock(&log->mutex);
    log->durable_ordinal = ordinal;
    log->measure.syncs++;
    pthread_mutex_unlock(&log->mutex);
    return settle_if_due(log);
}
