#include <inttypes.h>
#include <string.h>

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

/* Damage: what is known of it, how it is made good, and the slow look for it. */

/* ---- headers and tables, from their identifiers ---- */

viv_status viv_flat_mend(struct viv_log *log, const struct viv_flat_segment *segment, uint64_t offset)
{
    struct viv_flat_identifier_walk walk = {0};
    if (!viv_flat_segment_has_identifiers(segment)) {
        return VIV_ERR_CORRUPT;
    }
    viv_flat_identifier_walk_begin(&walk, &log->disk, segment);
    viv_status status = viv_flat_identifier_seek(&walk, offset);
    if (status == VIV_OK && !(walk.has_found && walk.header.offset == offset)) {
        status = VIV_ERR_CORRUPT;
    }
    if (status == VIV_OK) {
        struct viv_buffer front = {0};
        viv_flat_batch_header_bytes(&walk.header, segment->header.salt, &front);
        viv_buffer_append(&front, walk.table.data, walk.table.size);
        status = viv_file_write(&log->disk, &segment->file, front.data, front.size, offset);
        viv_buffer_fini(&front);
    }
    if (status == VIV_OK && log->is_durable) {
        status = viv_file_sync(&log->disk, &segment->file);
    }
    if (status == VIV_OK) {
        viv_log(VIV_LOG_WARN, "flat", "the header or table of a batch was damaged; it is written again",
                "file=%s offset=%" PRIu64 " ordinal=%" PRIu64, segment->file.path, offset, walk.header.ordinal);
    }
    viv_flat_identifier_walk_fini(&walk);
    return status;
}

/* ---- bodies ---- */

static bool is_sound(struct viv_log *log, const struct viv_flat_segment *segment, const struct viv_flat_fault *fault)
{
    struct viv_buffer body = {0};
    viv_status status =
        viv_flat_read_around(&log->disk, &segment->file, fault->entry.bytes, fault->offset, &body, NULL);
    bool is_same = status == VIV_OK && body.size == fault->entry.bytes &&
                   viv_crc32c(0, body.data, body.size) == fault->entry.body_crc;
    viv_buffer_fini(&body);
    return is_same;
}

void viv_flat_note_fault(struct viv_log *log, const struct viv_flat_segment *segment,
                         const struct viv_flat_fault *fault)
{
    /* With the mutex: a repair that is just done must not be overlooked. */
    pthread_mutex_lock(&log->mutex);
    bool is_live = viv_flat_index_holds(&log->index, fault->gid, fault->entry.zxid);
    bool is_new = is_live && !is_sound(log, segment, fault) && viv_flat_faults_add(&log->faults, fault);
    pthread_mutex_unlock(&log->mutex);
    if (is_new) {
        viv_log(VIV_LOG_WARN, "flat", "an entry of the log is damaged",
                "file=%s offset=%" PRIu64 " gid=%u zxid=0x%" PRIx64 " bytes=%" PRIu32, segment->file.path,
                fault->offset, fault->gid, fault->entry.zxid, fault->entry.bytes);
    }
}

size_t viv_flat_faults_get(struct viv_log *log, viv_gid gid, uint64_t after, struct viv_log_fault *faults,
                           size_t capacity)
{
    size_t count = 0;
    pthread_mutex_lock(&log->mutex);
    size_t at = viv_flat_faults_above(&log->faults, gid, after);
    for (; at < log->faults.count && log->faults.items[at].gid == gid && count < capacity; at++) {
        faults[count++] = log->faults.items[at].entry;
    }
    pthread_mutex_unlock(&log->mutex);
    return count;
}

/* With the mutex held: the segment of that number, referenced. */
static struct viv_flat_segment *hold(struct viv_log *log, uint64_t seq)
{
    VIV_ASSERT(seq >= log->segments[0]->header.seq);
    struct viv_flat_segment *segment = log->segments[seq - log->segments[0]->header.seq];
    VIV_ASSERT(segment->header.seq == seq);
    segment->references++;
    return segment;
}

static void let_go(struct viv_log *log, struct viv_flat_segment *segment)
{
    pthread_mutex_lock(&log->mutex);
    viv_flat_segment_unref(log, segment);
    pthread_mutex_unlock(&log->mutex);
}

viv_status viv_flat_repair(struct viv_log *log, viv_gid gid, uint64_t zxid, struct viv_bytes body)
{
    pthread_mutex_lock(&log->mutex);
    viv_status status = log->failed;
    const struct viv_flat_fault *found = viv_flat_faults_find(&log->faults, gid, zxid);
    struct viv_flat_fault fault = found != NULL ? *found : (struct viv_flat_fault){0};
    struct viv_flat_segment *segment = found != NULL ? hold(log, fault.seq) : NULL;
    pthread_mutex_unlock(&log->mutex);
    if (segment == NULL) {
        return status == VIV_OK ? VIV_ERR_NOT_FOUND : status;
    }
    bool fits = body.size == fault.entry.bytes && viv_crc32c(0, body.data, body.size) == fault.entry.body_crc;
    if (status == VIV_OK && !fits) {
        status = VIV_ERR_INVALID;
    } else if (status == VIV_OK) {
        status = viv_file_write(&log->disk, &segment->file, body.data, body.size, fault.offset);
        if (status == VIV_OK && log->is_durable) {
            status = viv_file_sync(&log->disk, &segment->file);
        }
        status = status == VIV_OK ? VIV_OK : viv_flat_fail(log, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
    }
    if (status == VIV_OK) {
        pthread_mutex_lock(&log->mutex);
        viv_flat_faults_forget(&log->faults, gid, zxid - 1, zxid);
        pthread_mutex_unlock(&log->mutex);
        viv_log(VIV_LOG_INFO, "flat", "an entry of the log is whole again",
                "file=%s offset=%" PRIu64 " gid=%u zxid=0x%" PRIx64, segment->file.path, fault.offset, gid, zxid);
    }
    let_go(log, segment);
    return status;
}

/* ---- the slow look ---- */

struct look {
    struct viv_log *log;
    struct viv_scrub *scrub;
    struct viv_flat_segment *segment; /* held; NULL: the log is done */
    uint64_t end;                     /* of its durable batches */
    struct viv_flat_window window;
};

/* The segment to look at next, or the first one again. What is being written is not looked at. */
static void choose(struct look *look)
{
    struct viv_log *log = look->log;
    struct viv_scrub *scrub = look->scrub;
    pthread_mutex_lock(&log->mutex);
    uint64_t oldest = log->segments[0]->header.seq, newest = log->segments[log->active]->header.seq;
    if (scrub->segment < oldest || scrub->segment > newest) {
        scrub->rounds += scrub->segment > newest;
        scrub->segment = oldest;
        scrub->offset = VIV_FLAT_BLOCK_BYTES;
    }
    bool is_settled = scrub->segment < newest || !log->is_durable || log->durable_ordinal == log->ordinal;
    look->segment = is_settled ? hold(log, scrub->segment) : NULL;
    look->end = is_settled ? look->segment->end : 0;
    pthread_mutex_unlock(&log->mutex);
}

static void check_bodies(struct look *look, struct viv_flat_batch_cursor *cursor)
{
    const struct viv_flat_batch_header *header = cursor->header;
    struct viv_flat_run run;
    while (viv_flat_batch_next_run(cursor, &run)) {
        struct viv_entry entry;
        while (viv_flat_batch_next_entry(cursor, &entry)) {
            if (viv_crc32c(0, entry.body.data, entry.body.size) != entry.body_crc) {
                uint64_t offset =
                    header->offset + VIV_FLAT_BATCH_HEADER_BYTES + (uint64_t)(entry.body.data - cursor->body);
                look->scrub->faults++;
                viv_flat_note_fault(
                    look->log, look->segment,
                    &(struct viv_flat_fault){run.gid,
                                             {entry.zxid, (uint32_t)entry.body.size, entry.body_crc, false},
                                             header->seq,
                                             header->offset,
                                             offset,
                                             header->ordinal});
            }
        }
    }
}

static viv_status read_batch(struct look *look, uint64_t offset, struct viv_flat_batch_header *header,
                             struct viv_flat_batch_cursor *cursor, bool *is_good)
{
    const struct viv_flat_segment *segment = look->segment;
    const uint8_t *bytes;
    *is_good = false;
    VIV_TRY(viv_flat_window_get(&look->window, &look->log->disk, &segment->file, offset, VIV_FLAT_BATCH_HEADER_BYTES,
                                &bytes));
    if (bytes == NULL || !viv_flat_batch_header_decode(bytes, &segment->header, offset, header)) {
        return VIV_OK;
    }
    VIV_TRY(viv_flat_window_get(&look->window, &look->log->disk, &segment->file, offset,
                                (size_t)viv_flat_batch_bytes_of(header), &bytes));
    *is_good =
        bytes != NULL && viv_flat_batch_open(cursor, header, bytes + VIV_FLAT_BATCH_HEADER_BYTES, segment->header.salt);
    return VIV_OK;
}

/* A batch that cannot be read, even after a try to mend it, is passed over a sector at a time. */
static viv_status look_at_batch(struct look *look)
{
    struct viv_scrub *scrub = look->scrub;
    struct viv_flat_batch_header header;
    struct viv_flat_batch_cursor cursor;
    bool is_good;
    VIV_TRY(read_batch(look, scrub->offset, &header, &cursor, &is_good));
    if (!is_good) {
        viv_status status = viv_flat_mend(look->log, look->segment, scrub->offset);
        if (status != VIV_OK && status != VIV_ERR_CORRUPT) {
            return viv_flat_fail(look->log, status);
        }
        scrub->mended += status == VIV_OK;
        look->window.file = NULL;
        VIV_TRY(read_batch(look, scrub->offset, &header, &cursor, &is_good));
    }
    uint64_t bytes = is_good ? viv_flat_batch_bytes_of(&header) : VIV_FLAT_SECTOR_BYTES;
    if (is_good) {
        check_bodies(look, &cursor);
    }
    scrub->offset += bytes;
    scrub->bytes += bytes;
    return VIV_OK;
}

/* All batches of a finished segment were looked at: are their identifiers what they should be? */
static viv_status check_identifiers(struct look *look)
{
    struct viv_flat_segment *segment = look->segment;
    struct viv_flat_identifiers all = {0};
    bool is_good = true, is_changed = false;
    for (uint64_t offset = VIV_FLAT_BLOCK_BYTES; offset < look->end && is_good;) {
        struct viv_flat_batch_header header;
        struct viv_flat_batch_cursor cursor;
        VIV_TRY(read_batch(look, offset, &header, &cursor, &is_good));
        if (is_good) {
            viv_flat_identifiers_add(&all, &header, cursor.body - VIV_FLAT_BATCH_HEADER_BYTES);
            offset += viv_flat_batch_bytes_of(&header);
        }
    }
    viv_status status = VIV_OK;
    if (is_good && all.size == segment->identifier_bytes && all.size > 0) {
        status = viv_flat_identifiers_settle(&all, &look->log->disk, segment, &is_changed);
        if (status == VIV_OK && is_changed && look->log->is_durable) {
            status = viv_file_sync(&look->log->disk, &segment->file);
        }
    }
    if (status == VIV_OK && is_changed) {
        look->scrub->mended++;
        viv_log(VIV_LOG_WARN, "flat", "identifiers of a log segment were damaged; they are written again", "file=%s",
                segment->file.path);
    }
    viv_flat_identifiers_fini(&all);
    return status == VIV_OK ? VIV_OK : viv_flat_fail(look->log, status);
}

static viv_status check_rest(struct look *look)
{
    bool is_there, is_mended;
    viv_status status =
        viv_flat_segment_check_header(look->log, look->segment, look->segment->header.seq, &is_there, &is_mended);
    if (status != VIV_OK) {
        return status == VIV_ERR_VERSION ? VIV_ERR_CORRUPT : viv_flat_fail(look->log, status);
    }
    look->scrub->mended += is_mended;
    return check_identifiers(look);
}

viv_status viv_flat_scrub(struct viv_log *log, struct viv_scrub *scrub, size_t bytes_max)
{
    struct look look = {.log = log, .scrub = scrub};
    uint64_t upto = scrub->bytes + bytes_max;
    viv_status status = VIV_OK;
    choose(&look);
    if (look.segment == NULL) {
        return VIV_OK;
    }
    while (status == VIV_OK && scrub->offset < look.end && scrub->bytes < upto) {
        status = look_at_batch(&look);
    }
    if (status == VIV_OK && scrub->offset >= look.end) {
        bool is_whole = look.segment->is_finished && viv_flat_segment_has_identifiers(look.segment);
        status = is_whole ? check_rest(&look) : VIV_OK;
        scrub->segment++;
        scrub->offset = VIV_FLAT_BLOCK_BYTES;
    }
    let_go(log, look.segment);
    viv_flat_window_fini(&look.window);
    return status;
}
