#include <inttypes.h>
#include <stdlib.h>

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

struct viv_log_iter {
    struct viv_log *log;
    viv_gid gid;
    uint64_t after, upto;             /* what is still to come: (after, upto] */
    struct viv_flat_segment *segment; /* referenced; NULL before the first batch */
    struct viv_flat_window window;
};

viv_status viv_flat_iter_open(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                              struct viv_log_iter **iter)
{
    pthread_mutex_lock(&log->mutex);
    const struct viv_flat_group *group = viv_flat_index_find(&log->index, gid);
    uint64_t base = group != NULL ? group->base_zxid : 0;
    uint64_t last = group != NULL ? group->last_zxid : 0;
    pthread_mutex_unlock(&log->mutex);
    if (after < base) {
        return VIV_ERR_TRIMMED;
    }
    *iter = viv_alloc_zeroed(1, sizeof **iter);
    **iter = (struct viv_log_iter){.log = log, .gid = gid, .after = after, .upto = upto < last ? upto : last};
    return VIV_OK;
}

/* With the mutex held: holds on to the segment of that number and lets the one before go. */
static void hold_segment(struct viv_log_iter *iter, uint64_t seq)
{
    struct viv_log *log = iter->log;
    if (iter->segment != NULL && iter->segment->header.seq == seq) {
        return;
    }
    if (iter->segment != NULL) {
        viv_flat_segment_unref(log, iter->segment);
        /* Its file object may be reused by the allocator: the window must not take it for another one. */
        iter->window.file = NULL;
    }
    VIV_ASSERT(seq >= log->segments[0]->header.seq);
    iter->segment = log->segments[seq - log->segments[0]->header.seq];
    VIV_ASSERT(iter->segment->header.seq == seq);
    iter->segment->references++;
}

/* The next batch with entries for the reader. False at the end. */
static viv_status next_span(struct viv_log_iter *iter, struct viv_flat_span *span, bool *is_there)
{
    struct viv_log *log = iter->log;
    viv_status status = VIV_OK;
    *is_there = false;
    pthread_mutex_lock(&log->mutex);
    const struct viv_flat_group *group = viv_flat_index_find(&log->index, iter->gid);
    if (group != NULL && iter->after < group->base_zxid) {
        status = VIV_ERR_TRIMMED;
    } else if (group != NULL && iter->after < iter->upto) {
        const struct viv_flat_span *found = viv_flat_group_above(group, iter->after);
        if (found != NULL && found->first_zxid <= iter->upto) {
            *span = *found;
            *is_there = true;
            hold_segment(iter, span->seq);
        }
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

static viv_status damaged(const struct viv_log_iter *iter, uint64_t offset, uint64_t zxid)
{
    viv_log(VIV_LOG_ERROR, "flat", "a batch of the log is damaged", "file=%s offset=%" PRIu64 " zxid=0x%" PRIx64,
            iter->segment->file.path, offset, zxid);
    return VIV_ERR_CORRUPT;
}

/* Opens the batch of the span. With `only_cached` it is left alone (and *is_open false) unless it is in the window. */
static viv_status try_open_batch(struct viv_log_iter *iter, const struct viv_flat_span *span, bool only_cached,
                                 struct viv_flat_batch_header *header, struct viv_flat_batch_cursor *cursor,
                                 bool *is_open, bool *is_damaged)
{
    const struct viv_disk *disk = &iter->log->disk;
    const struct viv_file *file = &iter->segment->file;
    const uint8_t *bytes;
    *is_open = false;
    if (only_cached && !viv_flat_window_holds(&iter->window, file, span->offset, VIV_FLAT_BATCH_HEADER_BYTES)) {
        return VIV_OK;
    }
    VIV_TRY(viv_flat_window_get(&iter->window, disk, file, span->offset, VIV_FLAT_BATCH_HEADER_BYTES, &bytes));
    if (bytes == NULL || !viv_flat_batch_header_decode(bytes, &iter->segment->header, span->offset, header)) {
        *is_damaged = true;
        return VIV_OK;
    }
    size_t size = (size_t)viv_flat_batch_bytes_of(header);
    if (only_cached && !viv_flat_window_holds(&iter->window, file, span->offset, size)) {
        return VIV_OK;
    }
    VIV_TRY(viv_flat_window_get(&iter->window, disk, file, span->offset, size, &bytes));
    if (bytes == NULL ||
        !viv_flat_batch_open(cursor, header, bytes + VIV_FLAT_BATCH_HEADER_BYTES, iter->segment->header.salt)) {
        *is_damaged = true;
        return VIV_OK;
    }
    *is_open = true;
    return VIV_OK;
}

/* Header and table that became damaged since the log was opened are made good from the identifier. */
static viv_status open_batch(struct viv_log_iter *iter, const struct viv_flat_span *span, bool only_cached,
                             struct viv_flat_batch_header *header, struct viv_flat_batch_cursor *cursor, bool *is_open)
{
    bool is_damaged = false;
    VIV_TRY(try_open_batch(iter, span, only_cached, header, cursor, is_open, &is_damaged));
    if (!is_damaged || only_cached) {
        return VIV_OK;
    }
    viv_status status = viv_flat_mend(iter->log, iter->segment, span->offset);
    if (status != VIV_OK) {
        return status == VIV_ERR_CORRUPT ? damaged(iter, span->offset, span->first_zxid) : status;
    }
    iter->window.file = NULL;
    is_damaged = false;
    VIV_TRY(try_open_batch(iter, span, false, header, cursor, is_open, &is_damaged));
    return is_damaged ? damaged(iter, span->offset, span->first_zxid) : VIV_OK;
}

/* What one call of iter_next fills. */
struct harvest {
    struct viv_entry *entries;
    size_t capacity, count;
    size_t bytes_left;
};

static bool is_full(const struct harvest *harvest)
{
    return harvest->count == harvest->capacity || (harvest->count > 0 && harvest->bytes_left == 0);
}

/* Takes the entries of one run that are asked for; moves iter->after along. */
static viv_status take_run(struct viv_log_iter *iter, struct viv_flat_batch_cursor *cursor, uint64_t span_last,
                           uint64_t offset, struct harvest *harvest)
{
    struct viv_entry entry;
    while (!is_full(harvest) && viv_flat_batch_next_entry(cursor, &entry)) {
        if (entry.zxid <= iter->after || entry.zxid > iter->upto || entry.zxid > span_last) {
            continue;
        }
        if (viv_crc32c(0, entry.body.data, entry.body.size) != entry.body_crc) {
            uint64_t body = offset + VIV_FLAT_BATCH_HEADER_BYTES + (uint64_t)(entry.body.data - cursor->body);
            struct viv_flat_fault fault = {.gid = iter->gid,
                                           .entry = {entry.zxid, (uint32_t)entry.body.size, entry.body_crc, false},
                                           .seq = iter->segment->header.seq,
                                           .batch = offset,
                                           .offset = body};
            viv_flat_note_fault(iter->log, iter->segment, &fault);
            entry.body.data = NULL;
        }
        harvest->entries[harvest->count++] = entry;
        harvest->bytes_left -= entry.body.size < harvest->bytes_left ? entry.body.size : harvest->bytes_left;
        iter->after = entry.zxid;
    }
    return VIV_OK;
}

viv_status viv_flat_iter_next(struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity, size_t bytes_max,
                              size_t *count)
{
    struct harvest harvest = {entries, capacity, 0, bytes_max};
    while (!is_full(&harvest)) {
        struct viv_flat_span span;
        bool is_there;
        VIV_TRY(next_span(iter, &span, &is_there));
        if (!is_there) {
            break;
        }
        /* Entries handed out already point into the window: it must not move within this call. */
        struct viv_flat_batch_header header;
        struct viv_flat_batch_cursor cursor;
        bool is_open;
        VIV_TRY(open_batch(iter, &span, harvest.count > 0, &header, &cursor, &is_open));
        if (!is_open) {
            break;
        }
        uint64_t after = iter->after;
        struct viv_flat_run run;
        while (!is_full(&harvest) && viv_flat_batch_next_run(&cursor, &run)) {
            if (run.gid == iter->gid && run.kind == VIV_FLAT_RUN_ENTRIES) {
                VIV_TRY(take_run(iter, &cursor, span.last_zxid, span.offset, &harvest));
            }
        }
        if (iter->after == after) {
            /* The rest of the span lies above upto. */
            iter->after = iter->upto;
        }
    }
    *count = harvest.count;
    return VIV_OK;
}

void viv_flat_iter_close(struct viv_log_iter *iter)
{
    if (iter->segment != NULL) {
        pthread_mutex_lock(&iter->log->mutex);
        viv_flat_segment_unref(iter->log, iter->segment);
        pthread_mutex_unlock(&iter->log->mutex);
    }
    viv_flat_window_fini(&iter->window);
    free(iter);
}

viv_status viv_flat_has_entry(struct viv_log *log, viv_gid gid, uint64_t zxid, bool *is_there)
{
    VIV_ASSERT(zxid > 0);
    struct viv_log_iter *iter;
    struct viv_entry entry;
    size_t count = 0;
    *is_there = false;
    viv_status status = viv_flat_iter_open(log, gid, zxid - 1, zxid, &iter);
    if (status == VIV_ERR_TRIMMED) {
        return VIV_OK;
    }
    VIV_TRY(status);
    status = viv_flat_iter_next(iter, &entry, 1, SIZE_MAX, &count);
    *is_there = status == VIV_OK && count == 1;
    VIV_ASSERT(!*is_there || entry.zxid == zxid);
    viv_flat_iter_close(iter);
    return status;
}
