#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

/* Reading the log at open.
 *
 * Batches are taken in order while each continues the chain. At the first place where none does, the log ends, or it
 * is damaged. Every batch says up to which ordinal the log was durable when it was written; so if any readable batch
 * behind that place says that the missing one had been durable, the log is damaged and refused. If none does, what
 * follows was never acknowledged: a torn tail, which is cut. How far is looked: batches stand close together, all but
 * the first of a segment are at most VIV_FLAT_BATCH_BYTES_USUAL, and the next segment has none before this one says so.
 *
 * What is kept may still be in the page cache only, also after a sync that failed in an earlier life. Batches that no
 * later batch calls durable are therefore written once more, and synced (zab.md D1). */

/* Damage that covers less than this minus one batch is told from an end. */
enum { STRAY_SEARCH_BYTES = 4 * VIV_FLAT_BATCH_BYTES_USUAL };

struct place {
    struct viv_flat_segment *segment;
    uint64_t offset, bytes;
    uint64_t ordinal; /* its own; of a stray one, the one it vouches for */
};

struct places {
    struct place *items;
    size_t count, capacity;
};

struct scan {
    struct viv_log *log;
    struct viv_flat_window window;
    struct viv_store_report *report;
    uint64_t expected_ordinal; /* 0: any */
    uint64_t durable_ordinal;  /* the highest that a kept batch vouches for */
    struct places uncertain;   /* kept, and not vouched for */
    struct places stray;       /* readable batches behind the end */
    uint64_t last_zxid;        /* of the newest entry kept, for messages */
    uint64_t bad_zxid;         /* of the entry whose body is damaged; 0: unknown */
};

static void add_place(struct places *places, struct place place)
{
    if (places->count == places->capacity) {
        places->capacity = places->capacity > 0 ? places->capacity * 2 : 16;
        places->items = viv_realloc(places->items, places->capacity * sizeof *places->items);
    }
    places->items[places->count++] = place;
}

/* Takes the runs of a sound batch into the index; false when they contradict it. */
static bool index_batch(struct scan *scan, struct viv_flat_segment *segment, struct viv_flat_batch_cursor *cursor)
{
    const struct viv_flat_batch_header *header = cursor->header;
    struct viv_flat_run run;
    while (viv_flat_batch_next_run(cursor, &run)) {
        uint64_t first = 0;
        uint64_t last = 0;
        struct viv_entry entry;
        while (viv_flat_batch_next_entry(cursor, &entry)) {
            if (entry.zxid <= last) {
                return false;
            }
            first = first == 0 ? entry.zxid : first;
            last = entry.zxid;
        }
        if (!viv_flat_index_apply(&scan->log->index, &run, first, last, header->seq, header->offset)) {
            return false;
        }
        scan->last_zxid = last > 0 ? last : scan->last_zxid;
        segment->is_finished = run.kind == VIV_FLAT_RUN_NEXT;
    }
    scan->report->entries += header->entry_count;
    return true;
}

static bool check_bodies(struct scan *scan, struct viv_flat_batch_cursor cursor)
{
    struct viv_flat_run run;
    while (viv_flat_batch_next_run(&cursor, &run)) {
        struct viv_entry entry;
        while (viv_flat_batch_next_entry(&cursor, &entry)) {
            if (viv_crc32c(0, entry.body.data, entry.body.size) != entry.body_crc) {
                scan->bad_zxid = entry.zxid;
                return false;
            }
        }
    }
    return true;
}

static bool continues(const struct scan *scan, const struct viv_flat_batch_header *header)
{
    return scan->expected_ordinal == 0 ||
           (header->ordinal == scan->expected_ordinal && header->previous_crc == scan->log->previous_crc);
}

static void keep_batch(struct scan *scan, struct viv_flat_segment *segment, const struct viv_flat_batch_header *header)
{
    uint64_t bytes = viv_flat_batch_bytes_of(header);
    if (header->durable_ordinal > scan->durable_ordinal) {
        scan->durable_ordinal = header->durable_ordinal;
        size_t kept = 0;
        for (size_t i = 0; i < scan->uncertain.count; i++) {
            if (scan->uncertain.items[i].ordinal > scan->durable_ordinal) {
                scan->uncertain.items[kept++] = scan->uncertain.items[i];
            }
        }
        scan->uncertain.count = kept;
    }
    add_place(&scan->uncertain, (struct place){segment, header->offset, bytes, header->ordinal});
    segment->first_ordinal = segment->first_ordinal > 0 ? segment->first_ordinal : header->ordinal;
    segment->end = header->offset + bytes;
    scan->bad_zxid = 0;
    scan->log->ordinal = header->ordinal;
    scan->log->previous_crc = header->crc;
    scan->expected_ordinal = header->ordinal + 1;
    scan->report->bytes += bytes;
}

/* Takes the batch at the segment's end if there is one. */
static viv_status scan_batch(struct scan *scan, struct viv_flat_segment *segment, bool *is_taken)
{
    const struct viv_disk *disk = &scan->log->disk;
    const uint8_t *bytes;
    struct viv_flat_batch_header header;
    struct viv_flat_batch_cursor cursor;
    *is_taken = false;
    VIV_TRY(
        viv_flat_window_get(&scan->window, disk, &segment->file, segment->end, VIV_FLAT_BATCH_HEADER_BYTES, &bytes));
    if (bytes == NULL || !viv_flat_batch_header_decode(bytes, &segment->header, segment->end, &header) ||
        !continues(scan, &header) || segment->end + viv_flat_batch_bytes_of(&header) > segment->file_bytes) {
        return VIV_OK;
    }
    VIV_TRY(viv_flat_window_get(&scan->window, disk, &segment->file, segment->end,
                                (size_t)viv_flat_batch_bytes_of(&header), &bytes));
    if (bytes == NULL ||
        !viv_flat_batch_open(&cursor, &header, bytes + VIV_FLAT_BATCH_HEADER_BYTES, segment->header.salt) ||
        !check_bodies(scan, cursor)) {
        return VIV_OK;
    }
    if (!index_batch(scan, segment, &cursor)) {
        viv_log(VIV_LOG_ERROR, "flat", "a batch of the log contradicts those before it",
                "file=%s offset=%" PRIu64 " zxid=0x%" PRIx64, segment->file.path, segment->end, scan->last_zxid);
        return VIV_ERR_CORRUPT;
    }
    keep_batch(scan, segment, &header);
    *is_taken = true;
    return VIV_OK;
}

/* Finds every readable batch in [from, upto), whether or not it continues anything. */
static viv_status find_stray(struct scan *scan, struct viv_flat_segment *segment, uint64_t from, uint64_t upto)
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
            add_place(&scan->stray,
                      (struct place){segment, at, viv_flat_batch_bytes_of(&header), header.durable_ordinal});
        }
    }
    return VIV_OK;
}

/* The missing batch had been durable: says where it should be. */
static viv_status refuse(const struct scan *scan, const struct viv_flat_segment *damaged)
{
    char zxid[48];
    if (scan->bad_zxid != 0) {
        snprintf(zxid, sizeof zxid, "0x%" PRIx64, scan->bad_zxid);
    } else {
        snprintf(zxid, sizeof zxid, "the-one-after-0x%" PRIx64, scan->last_zxid);
    }
    viv_log(VIV_LOG_ERROR, "flat", "the log is damaged before its end; restore this server from the others",
            "file=%s offset=%" PRIu64 " zxid=%s", damaged->file.path, damaged->end, zxid);
    return VIV_ERR_CORRUPT;
}

/* Wipes the headers of the stray batches, so that they cannot come back behind what will be written next. */
static viv_status cut(struct scan *scan)
{
    static const uint8_t zeros[VIV_FLAT_SECTOR_BYTES];
    for (size_t i = 0; i < scan->stray.count; i++) {
        const struct place *stray = &scan->stray.items[i];
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

/* Takes batches until one is missing; scan->log->active is then the segment where it is. */
static viv_status take_batches(struct scan *scan)
{
    struct viv_log *log = scan->log;
    for (log->active = 0; log->active < log->segment_count; log->active++) {
        struct viv_flat_segment *segment = log->segments[log->active];
        bool is_taken = true;
        while (is_taken && !segment->is_finished) {
            VIV_TRY(scan_batch(scan, segment, &is_taken));
        }
        if (!segment->is_finished) {
            return VIV_OK;
        }
    }
    viv_log(VIV_LOG_ERROR, "flat", "the newest log segment is missing",
            "file=%s/log-%016" PRIx64 " offset=0 zxid=the-one-after-0x%" PRIx64, log->dir,
            log->segments[log->segment_count - 1]->header.seq + 1, scan->last_zxid);
    return VIV_ERR_CORRUPT;
}

static viv_status find_end(struct scan *scan)
{
    struct viv_log *log = scan->log;
    VIV_TRY(take_batches(scan));
    struct viv_flat_segment *last = log->segments[log->active];
    if (scan->expected_ordinal == 0) {
        viv_log(VIV_LOG_ERROR, "flat", "the first batch of the log is damaged", "file=%s offset=%d zxid=unknown",
                last->file.path, VIV_FLAT_BLOCK_BYTES);
        return VIV_ERR_CORRUPT;
    }
    uint64_t upto = last->first_ordinal == 0 ? last->file_bytes : last->end + STRAY_SEARCH_BYTES;
    VIV_TRY(find_stray(scan, last, last->end, upto));
    for (size_t i = log->active + 1; i < log->segment_count; i++) {
        VIV_TRY(find_stray(scan, log->segments[i], VIV_FLAT_BLOCK_BYTES, VIV_FLAT_BLOCK_BYTES + 1));
    }
    for (size_t i = 0; i < scan->stray.count; i++) {
        if (scan->stray.items[i].ordinal >= scan->expected_ordinal) {
            return refuse(scan, last);
        }
    }
    return cut(scan);
}

static viv_status make_durable(struct scan *scan)
{
    struct viv_log *log = scan->log;
    for (size_t i = 0; i < scan->uncertain.count; i++) {
        const struct place *place = &scan->uncertain.items[i];
        const uint8_t *bytes;
        VIV_TRY(viv_flat_window_get(&scan->window, &log->disk, &place->segment->file, place->offset,
                                    (size_t)place->bytes, &bytes));
        VIV_ASSERT(bytes != NULL);
        VIV_TRY(viv_file_write(&log->disk, &place->segment->file, bytes, (size_t)place->bytes, place->offset));
        if (i + 1 == scan->uncertain.count || scan->uncertain.items[i + 1].segment != place->segment) {
            VIV_TRY(viv_file_sync(&log->disk, &place->segment->file));
        }
    }
    log->durable_ordinal = log->ordinal;
    return viv_file_sync_dir(&log->disk, log->dir);
}

viv_status viv_flat_scan(struct viv_log *log, struct viv_store_report *report)
{
    VIV_ASSERT(log->segment_count > 0);
    struct scan scan = {.log = log, .report = report};
    /* A log that was never trimmed starts its chain at 1; a later segment's first batch says where groups stand. */
    scan.expected_ordinal = log->segments[0]->header.seq == 1 ? 1 : 0;
    viv_status status = find_end(&scan);
    if (status == VIV_OK && log->is_durable) {
        status = make_durable(&scan);
    }
    report->files += log->segment_count;
    free(scan.uncertain.items);
    free(scan.stray.items);
    viv_flat_window_fini(&scan.window);
    return status;
}
