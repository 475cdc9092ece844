#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/flat/flat_internal.h"
#include "backends/flat/window.h"
#include "base/assert.h"
#include "base/log.h"

static bool parse_name(const char *name, const char *prefix, uint64_t *number)
{
    size_t prefix_size = strlen(prefix);
    if (strncmp(name, prefix, prefix_size) != 0 || strlen(name) != prefix_size + 16) {
        return false;
    }
    char *end;
    *number = strtoull(name + prefix_size, &end, 16);
    return *end == '\0';
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    return size >= strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0;
}

/* Takes the segment into the list, as the newest. */
static void add_segment(struct viv_log *log, struct viv_flat_segment *segment)
{
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity > 0 ? log->segment_capacity * 2 : 8;
        log->segments = viv_realloc(log->segments, log->segment_capacity * sizeof *log->segments);
    }
    VIV_ASSERT(log->segment_count == 0 || log->segments[log->segment_count - 1]->header.seq + 1 == segment->header.seq);
    log->segments[log->segment_count++] = segment;
}

static void add_spare(struct viv_log *log, char *path)
{
    log->spares = viv_realloc(log->spares, (log->spare_count + 1) * sizeof *log->spares);
    log->spares[log->spare_count++] = path;
}

static viv_status refuse_header(const struct viv_file *file, viv_status status, const char *text)
{
    viv_log(VIV_LOG_ERROR, "flat", text, "file=%s offset=0 zxid=unknown", file->path);
    return status;
}

bool viv_flat_segment_has_identifiers(const struct viv_flat_segment *segment)
{
    return segment->header.version >= VIV_FLAT_VERSION_IDENTIFIERS;
}

uint64_t viv_flat_segment_top(const struct viv_flat_segment *segment)
{
    bool has_copy = viv_flat_segment_has_identifiers(segment) && segment->file_bytes > VIV_FLAT_BLOCK_BYTES;
    return segment->file_bytes - (has_copy ? VIV_FLAT_BLOCK_BYTES : 0);
}

viv_status viv_flat_segment_write_header(struct viv_log *log, const struct viv_flat_segment *segment)
{
    uint8_t block[VIV_FLAT_BLOCK_BYTES];
    VIV_ASSERT(viv_flat_segment_has_identifiers(segment));
    viv_flat_segment_header_encode(&segment->header, block);
    VIV_TRY(viv_file_write(&log->disk, &segment->file, block, sizeof block, 0));
    return viv_file_write(&log->disk, &segment->file, block, sizeof block, segment->file_bytes - sizeof block);
}

static viv_status read_header(struct viv_log *log, const struct viv_flat_segment *segment, uint64_t offset,
                              struct viv_flat_segment_header *header, bool *is_sound)
{
    struct viv_buffer block = {0};
    viv_status status = viv_flat_read_around(&log->disk, &segment->file, VIV_FLAT_BLOCK_BYTES, offset, &block, NULL);
    *is_sound = false;
    if (status == VIV_OK && block.size == VIV_FLAT_BLOCK_BYTES) {
        status = viv_flat_segment_header_decode(block.data, header);
        *is_sound = status == VIV_OK;
        status = status == VIV_ERR_CORRUPT ? VIV_OK : status;
    }
    viv_buffer_fini(&block);
    return status;
}

viv_status viv_flat_segment_check_header(struct viv_log *log, struct viv_flat_segment *segment, uint64_t seq,
                                         bool *is_there, bool *is_mended)
{
    struct viv_flat_segment_header first, second;
    uint64_t size = 0;
    bool is_first = false, is_second = false;
    *is_mended = false;
    VIV_TRY(viv_file_size(&log->disk, &segment->file, &size));
    VIV_TRY(read_header(log, segment, 0, &first, &is_first));
    is_first = is_first && first.seq == seq;
    if ((!is_first || first.version >= VIV_FLAT_VERSION_IDENTIFIERS) && size >= (uint64_t)2 * VIV_FLAT_BLOCK_BYTES) {
        VIV_TRY(read_header(log, segment, size - VIV_FLAT_BLOCK_BYTES, &second, &is_second));
        is_second = is_second && second.seq == seq && second.file_bytes == size;
        is_second = is_second && (!is_first || (second.salt == first.salt && first.file_bytes == size));
    }
    *is_there = is_first || is_second;
    if (!*is_there) {
        return VIV_OK;
    }
    segment->header = is_first ? first : second;
    segment->file_bytes = viv_flat_segment_has_identifiers(segment) ? segment->header.file_bytes : size;
    if (!viv_flat_segment_has_identifiers(segment) || (is_first && is_second)) {
        return VIV_OK;
    }
    *is_mended = true;
    viv_log(VIV_LOG_WARN, "flat", "one copy of the header of a log segment was damaged and is written again",
            "file=%s offset=%llu", segment->file.path,
            is_first ? (unsigned long long)(segment->file_bytes - VIV_FLAT_BLOCK_BYTES) : 0);
    if (size < segment->file_bytes) {
        VIV_TRY(viv_file_reserve(&log->disk, &segment->file, segment->file_bytes));
    }
    VIV_TRY(viv_flat_segment_write_header(log, segment));
    return log->is_durable ? viv_file_sync(&log->disk, &segment->file) : VIV_OK;
}

static viv_status check_header(struct viv_log *log, struct viv_flat_segment *segment, uint64_t seq)
{
    bool is_there = false, is_mended = false;
    viv_status status = viv_flat_segment_check_header(log, segment, seq, &is_there, &is_mended);
    if (status == VIV_ERR_VERSION) {
        return refuse_header(&segment->file, status, "a log segment has another format version");
    }
    VIV_TRY(status);
    if (!is_there) {
        return refuse_header(&segment->file, VIV_ERR_CORRUPT, "the header of a log segment is damaged");
    }
    if (viv_flat_owner_check(&log->owner, &segment->header.owner) != VIV_OK) {
        return refuse_header(&segment->file, VIV_ERR_FOREIGN, "a log segment belongs to another server");
    }
    return VIV_OK;
}

static viv_status open_segment(struct viv_log *log, const char *name, uint64_t seq)
{
    if (log->segment_count > 0 && log->segments[log->segment_count - 1]->header.seq + 1 != seq) {
        viv_log(VIV_LOG_ERROR, "flat", "a log segment is missing", "file=%s/log-%016" PRIx64 " offset=0 zxid=unknown",
                log->dir, log->segments[log->segment_count - 1]->header.seq + 1);
        return VIV_ERR_CORRUPT;
    }
    struct viv_flat_segment *segment = viv_alloc_zeroed(1, sizeof *segment);
    segment->references = 1;
    segment->end = VIV_FLAT_BLOCK_BYTES;
    char *path = viv_file_path(log->dir, "%s", name);
    viv_status status = viv_file_open(&log->disk, path, VIV_FILE_WRITE, &segment->file);
    free(path);
    if (status == VIV_OK) {
        status = check_header(log, segment, seq);
    }
    if (status != VIV_OK) {
        viv_file_close(&log->disk, &segment->file);
        free(segment);
        return status;
    }
    add_segment(log, segment);
    return VIV_OK;
}

viv_status viv_flat_segments_open(struct viv_log *log, const struct viv_file_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        uint64_t number;
        if (parse_name(names->names[i], "log-", &number)) {
            VIV_TRY(open_segment(log, names->names[i], number));
        } else if (parse_name(names->names[i], "spare-", &number)) {
            add_spare(log, viv_file_path(log->dir, "%s", names->names[i]));
        } else if (strncmp(names->names[i], "log-", 4) == 0 && has_suffix(names->names[i], ".tmp")) {
            char *path = viv_file_path(log->dir, "%s", names->names[i]);
            viv_status status = viv_file_unlink(&log->disk, path);
            free(path);
            VIV_TRY(status);
        }
    }
    return VIV_OK;
}

static viv_status sync_if_durable(struct viv_log *log, const struct viv_file *file)
{
    return log->is_durable ? viv_file_sync(&log->disk, file) : VIV_OK;
}

/* Gives the open file its header, and its zeros unless it is a recycled one. */
static viv_status fill(struct viv_log *log, struct viv_flat_segment *segment, bool is_recycled)
{
    if (!is_recycled) {
        VIV_TRY(viv_file_fill_zero(&log->disk, &segment->file, 0, log->segment_bytes));
    }
    VIV_TRY(viv_flat_segment_write_header(log, segment));
    return sync_if_durable(log, &segment->file);
}

/* Opens a spare of the right size, or makes a new file. */
static viv_status open_raw(struct viv_log *log, char *spare, const char *temporary, struct viv_file *file,
                           bool *is_recycled)
{
    *is_recycled = false;
    if (spare != NULL) {
        uint64_t bytes = 0;
        VIV_TRY(viv_file_open(&log->disk, spare, VIV_FILE_WRITE, file));
        viv_status status = viv_file_size(&log->disk, file, &bytes);
        if (status == VIV_OK && bytes == log->segment_bytes) {
            *is_recycled = true;
            return VIV_OK;
        }
        viv_file_close(&log->disk, file);
        VIV_TRY(status);
        VIV_TRY(viv_file_unlink(&log->disk, spare));
    }
    return viv_file_open(&log->disk, temporary, VIV_FILE_WRITE | VIV_FILE_CREATE, file);
}

static viv_status make_segment(struct viv_log *log, uint64_t seq, char *spare, struct viv_flat_segment *segment,
                               bool *is_recycled)
{
    char *path = viv_file_path(log->dir, "log-%016" PRIx64, seq);
    char *temporary = viv_file_path(log->dir, "log-%016" PRIx64 ".tmp", seq);
    segment->header = (struct viv_flat_segment_header){log->owner, seq, log->disk.ops->random(log->disk.ctx),
                                                       log->segment_bytes, VIV_FLAT_VERSION_IDENTIFIERS};
    segment->end = VIV_FLAT_BLOCK_BYTES;
    segment->file_bytes = log->segment_bytes;
    segment->references = 1;
    viv_status status = open_raw(log, spare, temporary, &segment->file, is_recycled);
    if (status == VIV_OK) {
        status = fill(log, segment, *is_recycled);
        if (status == VIV_OK) {
            status = viv_file_rename(&log->disk, *is_recycled ? spare : temporary, path);
        }
        if (status == VIV_OK && log->is_durable) {
            status = viv_file_sync_dir(&log->disk, log->dir);
        }
        viv_file_close(&log->disk, &segment->file);
        if (status == VIV_ERR_NOSPACE && !*is_recycled) {
            viv_status removed = viv_file_unlink(&log->disk, temporary);
            status = removed == VIV_OK ? status : removed;
        }
    }
    if (status == VIV_OK) {
        status = viv_file_open(&log->disk, path, VIV_FILE_WRITE, &segment->file);
    }
    free(temporary);
    free(path);
    return status;
}

viv_status viv_flat_segment_prepare(struct viv_log *log)
{
    pthread_mutex_lock(&log->mutex);
    uint64_t seq = log->segment_count > 0 ? log->segments[log->segment_count - 1]->header.seq + 1 : 1;
    char *spare = log->spare_count > 0 ? log->spares[--log->spare_count] : NULL;
    pthread_mutex_unlock(&log->mutex);

    struct viv_flat_segment *segment = viv_alloc_zeroed(1, sizeof *segment);
    bool is_recycled = false;
    viv_status status = make_segment(log, seq, spare, segment, &is_recycled);
    free(spare);

    pthread_mutex_lock(&log->mutex);
    if (status == VIV_OK) {
        add_segment(log, segment);
        log->measure.segments_made += !is_recycled;
        log->measure.segments_recycled += is_recycled;
    } else {
        free(segment);
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

void viv_flat_segment_unref(struct viv_log *log, struct viv_flat_segment *segment)
{
    VIV_ASSERT(segment->references > 0);
    if (--segment->references == 0) {
        viv_file_close(&log->disk, &segment->file);
        free(segment);
    }
}

/* With the mutex held: takes the oldest segment out of the list when its entries are not needed and what follows it,
 * which says where each group stands, is durable. */
static struct viv_flat_segment *take_oldest(struct viv_log *log)
{
    if (log->active == 0 || viv_flat_index_needs(&log->index, log->segments[0]->header.seq)) {
        return NULL;
    }
    uint64_t next_ordinal = log->segments[1]->first_ordinal;
    if (next_ordinal == 0 || (log->is_durable && next_ordinal > log->durable_ordinal)) {
        return NULL;
    }
    struct viv_flat_segment *oldest = log->segments[0];
    viv_flat_index_release(&log->index, oldest->header.seq);
    viv_flat_faults_release(&log->faults, oldest->header.seq);
    log->segment_count--;
    log->active--;
    memmove(log->segments, log->segments + 1, log->segment_count * sizeof *log->segments);
    return oldest;
}

/* A segment that a reader still holds, or of another size, or more than are wanted, is removed instead of recycled. */
static viv_status retire(struct viv_log *log, struct viv_flat_segment *oldest, bool may_recycle)
{
    viv_status status;
    char *spare = NULL;
    if (may_recycle) {
        spare = viv_file_path(log->dir, "spare-%016" PRIx64, oldest->header.seq);
        status = viv_file_rename(&log->disk, oldest->file.path, spare);
    } else {
        status = viv_file_unlink(&log->disk, oldest->file.path);
    }
    /* Each before the next older one goes: at any crash what is left has no gap. */
    if (status == VIV_OK && log->is_durable) {
        status = viv_file_sync_dir(&log->disk, log->dir);
    }
    pthread_mutex_lock(&log->mutex);
    if (status == VIV_OK && may_recycle) {
        add_spare(log, spare);
        spare = NULL;
    }
    viv_flat_segment_unref(log, oldest);
    pthread_mutex_unlock(&log->mutex);
    free(spare);
    return status;
}

/* Takes the oldest segment for retirement, if it may go; NULL ends the release. */
static struct viv_flat_segment *next_to_retire(struct viv_log *log, bool *may_recycle)
{
    pthread_mutex_lock(&log->mutex);
    struct viv_flat_segment *oldest = take_oldest(log);
    *may_recycle = oldest != NULL && oldest->references == 1 && oldest->file_bytes == log->segment_bytes &&
                   log->spare_count < VIV_FLAT_SPARES_MAX;
    log->is_releasing = oldest != NULL;
    pthread_mutex_unlock(&log->mutex);
    return oldest;
}

viv_status viv_flat_segments_release(struct viv_log *log)
{
    /* One at a time, so that segments go in order; whoever is at it takes what has become free meanwhile. */
    pthread_mutex_lock(&log->mutex);
    bool is_mine = !log->is_releasing;
    log->is_releasing = true;
    pthread_mutex_unlock(&log->mutex);
    bool may_recycle;
    struct viv_flat_segment *oldest;
    while (is_mine && (oldest = next_to_retire(log, &may_recycle)) != NULL) {
        VIV_TRY(retire(log, oldest, may_recycle));
    }
    return VIV_OK;
}
