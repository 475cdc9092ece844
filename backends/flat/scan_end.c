#include <inttypes.h>

#include "backends/flat/scan_internal.h"
#include "base/assert.h"
#include "base/log.h"

/* The end of the log, or damage?
 *
 * Every batch says up to which ordinal the log was durable when it was written, and every identifier that its own batch
 * was. So if any readable batch or identifier behind the place where no batch continues the log vouches for the missing
 * one, part of the log is lost. Else what follows was never acknowledged: a torn tail, which is cut. How far is looked:
 * batches stand close together, all but the first of a segment are at most VIV_FLAT_BATCH_BYTES_USUAL, and the next
 * segment has none before this one says so.
 *
 * Of a lost part nothing is known, so everything before the next readable batch counts as trimmed: an image that
 * reaches beyond it makes up for it, and without one the server takes its state from its leader. */

/* Damage that covers less than this minus one batch is told from an end. */
enum { STRAY_SEARCH_BYTES = 4 * VIV_FLAT_BATCH_BYTES_USUAL };

/* Finds every readable batch in [from, upto), whether or not it continues anything. */
static viv_status find_stray(struct viv_flat_scan *scan, struct viv_flat_segment *segment, uint64_t from, uint64_t upto)
{
    for (uint64_t at = from; at < upto; at += VIV_FLAT_SECTOR_BYTES) {
        const uint8_t *bytes;
        struct viv_flat_batch_header header;
        VIV_TRY(
            viv_flat_window_get(&scan->window, &scan->log->disk, &segment->file, at, VIV_FLAT_SECTOR_BYTES, &bytes));
        if (bytes == NULL) {
            return VIV_OK;
        }
        if (viv_flat_batch_header_decode(bytes, &segment->header, at, &header)) {
            viv_flat_places_add(&scan->stray, (struct viv_flat_place){segment, at, viv_flat_batch_bytes_of(&header),
                                                                      header.durable_ordinal});
        }
    }
    return VIV_OK;
}

/* From `from` in the segment on, and at the start of those behind it. */
static viv_status find_strays(struct viv_flat_scan *scan, struct viv_flat_segment *last, uint64_t from)
{
    struct viv_log *log = scan->log;
    uint64_t upto = last->first_ordinal == 0 ? last->file_bytes : from + STRAY_SEARCH_BYTES;
    scan->stray.count = 0;
    VIV_TRY(find_stray(scan, last, from, upto));
    for (size_t i = log->active + 1; i < log->segment_count; i++) {
        VIV_TRY(find_stray(scan, log->segments[i], VIV_FLAT_BLOCK_BYTES, VIV_FLAT_BLOCK_BYTES + 1));
    }
    return VIV_OK;
}

/* Whether something shows that a batch had been durable where none is. */
static viv_status is_missed(struct viv_flat_scan *scan, bool *is_missing)
{
    struct viv_log *log = scan->log;
    *is_missing = false;
    for (size_t i = 0; i < scan->stray.count && !*is_missing; i++) {
        *is_missing = scan->stray.items[i].ordinal >= scan->expected_ordinal;
    }
    for (size_t i = log->active; i < log->segment_count && !*is_missing; i++) {
        uint64_t from = i == log->active ? log->segments[i]->end : 0;
        VIV_TRY(viv_flat_scan_identifier(scan, log->segments[i], from));
        *is_missing = scan->walk.has_found;
    }
    return VIV_OK;
}

/* Goes on with the first readable batch behind what is lost. */
static viv_status pass_over(struct viv_flat_scan *scan, struct viv_flat_segment *damaged)
{
    struct viv_log *log = scan->log;
    if (scan->stray.count == 0) {
        viv_log(VIV_LOG_ERROR, "flat", "the end of the log is damaged and nothing tells what was there",
                "file=%s offset=%" PRIu64 " zxid=the-one-after-0x%" PRIx64, damaged->file.path, damaged->end,
                scan->last_zxid);
        return VIV_ERR_CORRUPT;
    }
    const struct viv_flat_place *next = &scan->stray.items[0];
    viv_log(VIV_LOG_WARN, "flat", "part of the log is lost, with what tells what it was; what is before it is not used",
            "file=%s offset=%" PRIu64 " zxid=the-one-after-0x%" PRIx64 " next_file=%s next_offset=%" PRIu64,
            damaged->file.path, damaged->end, scan->last_zxid, next->segment->file.path, next->offset);
    while (log->segments[log->active] != next->segment) {
        log->segments[log->active]->is_finished = true;
        log->active++;
        viv_flat_identifiers_fini(&log->waiting);
    }
    next->segment->end = next->offset;
    scan->expected_ordinal = 0;
    viv_flat_index_forget(&log->index);
    viv_flat_faults_release(&log->faults, UINT64_MAX);
    return VIV_OK;
}

/* Wipes the headers of the stray batches, so that they cannot come back behind what will be written next. */
static viv_status cut(struct viv_flat_scan *scan)
{
    static const uint8_t zeros[VIV_FLAT_SECTOR_BYTES];
    for (size_t i = 0; i < scan->stray.count; i++) {
        const struct viv_flat_place *stray = &scan->stray.items[i];
        scan->report->torn_bytes += stray->bytes;
        VIV_TRY(viv_file_write(&scan->log->disk, &stray->segment->file, zeros, sizeof zeros, stray->offset));
    }
    for (size_t i = 0; i < scan->stray.count && scan->log->is_durable; i++) {
        if (i + 1 == scan->stray.count || scan->stray.items[i + 1].segment != scan->stray.items[i].segment) {
            VIV_TRY(viv_file_sync(&scan->log->disk, &scan->stray.items[i].segment->file));
        }
    }
    return VIV_OK;
}

/* A sector that cannot be read was not torn by a crash. */
static viv_status check_readable(struct viv_flat_scan *scan, const struct viv_flat_segment *last)
{
    const uint8_t *bytes;
    scan->window.file = NULL;
    VIV_TRY(
        viv_flat_window_get(&scan->window, &scan->log->disk, &last->file, last->end, VIV_FLAT_SECTOR_BYTES, &bytes));
    return scan->window.has_unreadable ? VIV_ERR_IO : VIV_OK;
}

viv_status viv_flat_scan_end(struct viv_flat_scan *scan)
{
    struct viv_log *log = scan->log;
    bool is_missing = true;
    log->active = 0;
    while (is_missing) {
        VIV_TRY(viv_flat_scan_take(scan));
        struct viv_flat_segment *last = log->segments[log->active];
        /* What was just passed over to may be unreadable itself: go on behind it. */
        bool is_lost = scan->expected_ordinal == 0;
        VIV_TRY(find_strays(scan, last, last->end + (is_lost ? VIV_FLAT_SECTOR_BYTES : 0)));
        if (is_lost) {
            VIV_TRY(pass_over(scan, last));
            continue;
        }
        VIV_TRY(is_missed(scan, &is_missing));
        if (is_missing) {
            VIV_TRY(pass_over(scan, last));
        } else {
            VIV_TRY(check_readable(scan, last));
        }
    }
    if (viv_flat_index_is_lost(&log->index)) {
        viv_log(VIV_LOG_ERROR, "flat", "part of the log is lost, and a group has nothing behind it", "dir=%s",
                log->dir);
        return VIV_ERR_CORRUPT;
    }
    return cut(scan);
}
