#include <inttypes.h>
#include <stdlib.h>

#include "backends/flat/scan_internal.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

/* Reading the log at open.
 *
 * Batches are taken in order while each continues the chain. Where header or table of one are damaged they are made
 * good from its identifier. A damaged body is a fault of that entry: it keeps its place in the history, and a peer has
 * the bytes. What it means that no batch continues the chain is scan_end.c's matter.
 *
 * What is kept may still be in the page cache only, also after a sync that failed in an earlier life. Batches that no
 * later batch calls durable are therefore written once more, and synced (zab.md D1). */

void viv_flat_places_add(struct viv_flat_places *places, struct viv_flat_place place)
{
    if (places->count == places->capacity) {
        places->capacity = places->capacity > 0 ? places->capacity * 2 : 16;
        places->items = viv_realloc(places->items, places->capacity * sizeof *places->items);
    }
    places->items[places->count++] = place;
}

viv_status viv_flat_scan_identifier(struct viv_flat_scan *scan, const struct viv_flat_segment *segment, uint64_t offset)
{
    if (scan->walk.segment != segment) {
        viv_flat_identifier_walk_begin(&scan->walk, &scan->log->disk, segment);
    }
    if (!viv_flat_segment_has_identifiers(segment)) {
        return VIV_OK;
    }
    return viv_flat_identifier_seek(&scan->walk, offset);
}

/* Takes the runs of a sound batch into the index; false when they contradict it. */
static bool index_batch(struct viv_flat_scan *scan, struct viv_flat_segment *segment,
                        struct viv_flat_batch_cursor *cursor)
{
    const struct viv_flat_batch_header *header = cursor->header;
    struct viv_flat_faults *faults = &scan->log->faults;
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
        if (run.kind == VIV_FLAT_RUN_TRUNCATE || run.kind == VIV_FLAT_RUN_RESET) {
            viv_flat_faults_forget(faults, run.gid, run.kind == VIV_FLAT_RUN_RESET ? 0 : run.zxid, UINT64_MAX);
        }
        scan->last_zxid = last > 0 ? last : scan->last_zxid;
        segment->is_finished = run.kind == VIV_FLAT_RUN_NEXT;
    }
    scan->report->entries += header->entry_count;
    return true;
}

/* Notes the entries whose bodies are not what the table says. */
static void check_bodies(struct viv_flat_scan *scan, const struct viv_flat_segment *segment,
                         struct viv_flat_batch_cursor cursor)
{
    const struct viv_flat_batch_header *header = cursor.header;
    struct viv_flat_run run;
    while (viv_flat_batch_next_run(&cursor, &run)) {
        struct viv_entry entry;
        while (viv_flat_batch_next_entry(&cursor, &entry)) {
            if (viv_crc32c(0, entry.body.data, entry.body.size) == entry.body_crc) {
                continue;
            }
            uint64_t offset = header->offset + VIV_FLAT_BATCH_HEADER_BYTES + (uint64_t)(entry.body.data - cursor.body);
            viv_flat_faults_add(&scan->log->faults,
                                &(struct viv_flat_fault){run.gid,
                                                         {entry.zxid, (uint32_t)entry.body.size, entry.body_crc, true},
                                                         header->seq,
                                                         header->offset,
                                                         offset,
                                                         header->ordinal});
            viv_log(VIV_LOG_WARN, "flat", "an entry of the log is damaged",
                    "file=%s offset=%" PRIu64 " gid=%u zxid=0x%" PRIx64 " bytes=%zu", segment->file.path, offset,
                    run.gid, entry.zxid, entry.body.size);
        }
    }
}

static bool continues(const struct viv_flat_scan *scan, const struct viv_flat_batch_header *header)
{
    return scan->expected_ordinal == 0 ||
           (header->ordinal == scan->expected_ordinal && header->previous_crc == scan->log->previous_crc);
}

/* The batch was durable when some later one, or its own identifier, was written. */
static void vouch(struct viv_flat_scan *scan, uint64_t durable_ordinal)
{
    if (durable_ordinal <= scan->durable_ordinal) {
        return;
    }
    scan->durable_ordinal = durable_ordinal;
    size_t kept = 0;
    for (size_t i = 0; i < scan->uncertain.count; i++) {
        if (scan->uncertain.items[i].ordinal > scan->durable_ordinal) {
            scan->uncertain.items[kept++] = scan->uncertain.items[i];
        }
    }
    scan->uncertain.count = kept;
}

static void keep_batch(struct viv_flat_scan *scan, struct viv_flat_segment *segment,
                       const struct viv_flat_batch_header *header, const uint8_t *bytes)
{
    uint64_t batch_bytes = viv_flat_batch_bytes_of(header);
    vouch(scan, header->durable_ordinal);
    viv_flat_places_add(&scan->uncertain,
                        (struct viv_flat_place){segment, header->offset, batch_bytes, header->ordinal});
    if (viv_flat_segment_has_identifiers(segment)) {
        viv_flat_identifiers_add(&scan->log->waiting, header, bytes);
        segment->identifier_bytes += viv_flat_identifier_bytes_of(header);
    }
    segment->first_ordinal = segment->first_ordinal > 0 ? segment->first_ordinal : header->ordinal;
    segment->end = header->offset + batch_bytes;
    scan->log->ordinal = header->ordinal;
    scan->log->previous_crc = header->crc;
    scan->expected_ordinal = header->ordinal + 1;
    scan->report->bytes += batch_bytes;
}

static bool is_within(const struct viv_flat_segment *segment, const struct viv_flat_batch_header *header)
{
    return segment->end + viv_flat_batch_bytes_of(header) <= segment->file_bytes;
}

/* The whole batch as it stands in the file; *bytes NULL when header or table are not good. */
static viv_status read_in_place(struct viv_flat_scan *scan, const struct viv_flat_segment *segment,
                                struct viv_flat_batch_header *header, struct viv_flat_batch_cursor *cursor,
                                const uint8_t **bytes)
{
    const struct viv_disk *disk = &scan->log->disk;
    VIV_TRY(viv_flat_window_get(&scan->window, disk, &segment->file, segment->end, VIV_FLAT_BATCH_HEADER_BYTES, bytes));
    if (*bytes == NULL || !viv_flat_batch_header_decode(*bytes, &segment->header, segment->end, header) ||
        !continues(scan, header) || !is_within(segment, header)) {
        *bytes = NULL;
        return VIV_OK;
    }
    VIV_TRY(viv_flat_window_get(&scan->window, disk, &segment->file, segment->end,
                                (size_t)viv_flat_batch_bytes_of(header), bytes));
    if (*bytes != NULL &&
        !viv_flat_batch_open(cursor, header, *bytes + VIV_FLAT_BATCH_HEADER_BYTES, segment->header.salt)) {
        *bytes = NULL;
    }
    return VIV_OK;
}

/* The same with header and table from the identifier, which are also put back into the file. */
static viv_status read_by_identifier(struct viv_flat_scan *scan, const struct viv_flat_segment *segment,
                                     struct viv_flat_batch_header *header, struct viv_flat_batch_cursor *cursor,
                                     const uint8_t **bytes)
{
    *bytes = NULL;
    VIV_TRY(viv_flat_scan_identifier(scan, segment, segment->end));
    if (!scan->walk.has_found || scan->walk.header.offset != segment->end || !continues(scan, &scan->walk.header) ||
        !is_within(segment, &scan->walk.header)) {
        return VIV_OK;
    }
    *header = scan->walk.header;
    VIV_TRY(viv_flat_mend(scan->log, segment, segment->end));
    scan->window.file = NULL;
    VIV_TRY(viv_flat_window_get(&scan->window, &scan->log->disk, &segment->file, segment->end,
                                (size_t)viv_flat_batch_bytes_of(header), bytes));
    if (*bytes != NULL &&
        !viv_flat_batch_open(cursor, header, *bytes + VIV_FLAT_BATCH_HEADER_BYTES, segment->header.salt)) {
        *bytes = NULL; /* the device does not keep what is written there */
    }
    return VIV_OK;
}

/* Takes the batch at the segment's end if there is one. */
static viv_status scan_batch(struct viv_flat_scan *scan, struct viv_flat_segment *segment, bool *is_taken)
{
    struct viv_flat_batch_header header;
    struct viv_flat_batch_cursor cursor;
    const uint8_t *bytes;
    *is_taken = false;
    VIV_TRY(read_in_place(scan, segment, &header, &cursor, &bytes));
    if (bytes == NULL) {
        VIV_TRY(read_by_identifier(scan, segment, &header, &cursor, &bytes));
    }
    if (bytes == NULL) {
        return VIV_OK;
    }
    check_bodies(scan, segment, cursor);
    if (!index_batch(scan, segment, &cursor)) {
        viv_log(VIV_LOG_ERROR, "flat", "a batch of the log contradicts those before it",
                "file=%s offset=%" PRIu64 " zxid=0x%" PRIx64, segment->file.path, segment->end, scan->last_zxid);
        return VIV_ERR_CORRUPT;
    }
    keep_batch(scan, segment, &header, bytes);
    *is_taken = true;
    return VIV_OK;
}

viv_status viv_flat_scan_take(struct viv_flat_scan *scan)
{
    struct viv_log *log = scan->log;
    for (; log->active < log->segment_count; log->active++) {
        struct viv_flat_segment *segment = log->segments[log->active];
        bool is_taken = true;
        if (segment->first_ordinal == 0) {
            viv_flat_identifiers_fini(&log->waiting); /* the scrub looks after those of finished segments */
        }
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

/* An identifier says that its batch was durable; and what any batch calls committed was durable somewhere. */
static viv_status judge_faults(struct viv_flat_scan *scan)
{
    struct viv_log *log = scan->log;
    for (size_t i = 0; i < log->faults.count; i++) {
        struct viv_flat_fault *fault = &log->faults.items[i];
        const struct viv_flat_segment *segment = log->segments[fault->seq - log->segments[0]->header.seq];
        const struct viv_flat_group *group = viv_flat_index_find(&log->index, fault->gid);
        bool is_proved = fault->ordinal <= scan->durable_ordinal || fault->entry.zxid <= group->commit_zxid;
        if (!is_proved) {
            viv_flat_identifier_walk_begin(&scan->walk, &log->disk, segment);
            VIV_TRY(viv_flat_scan_identifier(scan, segment, fault->batch));
            is_proved = scan->walk.has_found && scan->walk.header.offset == fault->batch;
        }
        fault->entry.is_uncertain = !is_proved;
    }
    scan->report->faults += log->faults.count;
    return VIV_OK;
}

static viv_status make_durable(struct viv_flat_scan *scan)
{
    struct viv_log *log = scan->log;
    for (size_t i = 0; i < scan->uncertain.count; i++) {
        const struct viv_flat_place *place = &scan->uncertain.items[i];
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

/* Only when what it names is durable may an identifier be written. A batch with faults that nothing vouched for keeps
 * that mark: its identifier would say more than is known. */
static viv_status settle(struct viv_flat_scan *scan)
{
    struct viv_log *log = scan->log;
    const struct viv_flat_segment *active = log->segments[log->active];
    for (size_t i = 0; i < log->faults.count; i++) {
        if (log->faults.items[i].entry.is_uncertain) {
            return VIV_OK;
        }
    }
    bool is_changed = false;
    if (active->identifier_bytes == 0) {
        return VIV_OK;
    }
    return viv_flat_identifiers_settle(&log->waiting, &log->disk, active, &is_changed);
}

viv_status viv_flat_scan(struct viv_log *log, struct viv_store_report *report)
{
    VIV_ASSERT(log->segment_count > 0);
    struct viv_flat_scan scan = {.log = log, .report = report};
    /* A log that was never trimmed starts its chain at 1; a later segment's first batch says where groups stand. */
    scan.expected_ordinal = log->segments[0]->header.seq == 1 ? 1 : 0;
    viv_status status = viv_flat_scan_end(&scan);
    if (status == VIV_OK) {
        status = judge_faults(&scan);
    }
    if (status == VIV_OK && log->is_durable) {
        status = make_durable(&scan);
    }
    if (status == VIV_OK) {
        status = settle(&scan);
    }
    report->files += log->segment_count;
    free(scan.uncertain.items);
    free(scan.stray.items);
    viv_flat_window_fini(&scan.window);
    viv_flat_identifier_walk_fini(&scan.walk);
    return status;
}
