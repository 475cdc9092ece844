#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "backends/flat/state_internal.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

/* Loading one image. With two threads one reads, verifies and decompresses ahead into a few buffers, and the caller's
 * thread hands them out; with one, the two steps alternate. */

enum { SLOT_COUNT = 4 };

/* Everything that reads the file; used by one thread. */
struct reader {
    const struct viv_disk *disk;
    const struct viv_flat_image *image;
    struct viv_file file;
    struct viv_flat_image_footer footer;
    uint64_t offset, frames_end;
    uint64_t frame_count, row_count, raw_bytes;
    struct viv_buffer stored;
    ZSTD_DCtx *zstd;
    uint64_t read_ns, verify_ns, decompress_ns;
};

/* A ring between the two threads. */
struct ring {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct viv_buffer slots[SLOT_COUNT];
    uint64_t filled, emptied;
    bool is_ended;   /* by the reader, with `status` */
    bool is_stopped; /* by the consumer */
    viv_status status;
    struct reader *reader;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static viv_status damaged(const struct reader *reader, uint64_t offset, const char *what)
{
    viv_log(VIV_LOG_ERROR, "flat", "an image is damaged", "file=%s offset=%" PRIu64 " zxid=0x%" PRIx64 " part=%s",
            reader->image->path, offset, reader->image->header.zxid_start, what);
    return VIV_ERR_CORRUPT;
}

/* Exactly `size` bytes, or damage. */
static viv_status read_exactly(struct reader *reader, void *to, size_t size, uint64_t offset, const char *what)
{
    size_t got = 0;
    viv_status status = viv_file_read(reader->disk, &reader->file, to, size, offset, &got);
    if (status != VIV_ERR_IO) {
        VIV_TRY(status);
    }
    return status == VIV_OK && got == size ? VIV_OK : damaged(reader, offset, what);
}

static viv_status reader_open(struct reader *reader, unsigned flags)
{
    uint8_t bytes[VIV_FLAT_IMAGE_HEADER_BYTES];
    struct viv_flat_image_header header;
    uint64_t file_bytes;
    viv_status status = viv_file_open(reader->disk, reader->image->path, flags, &reader->file);
    if (status == VIV_ERR_NOT_FOUND) {
        return damaged(reader, 0, "file"); /* it was there when the store was opened */
    }
    VIV_TRY(status);
    VIV_TRY(viv_file_size(reader->disk, &reader->file, &file_bytes));
    VIV_TRY(read_exactly(reader, bytes, VIV_FLAT_IMAGE_HEADER_BYTES, 0, "header"));
    if (viv_flat_image_header_decode(bytes, &header) != VIV_OK || header.seq != reader->image->header.seq) {
        return damaged(reader, 0, "header");
    }
    if (file_bytes < VIV_FLAT_IMAGE_HEADER_BYTES + VIV_FLAT_IMAGE_FOOTER_BYTES) {
        return damaged(reader, file_bytes, "footer");
    }
    reader->frames_end = file_bytes - VIV_FLAT_IMAGE_FOOTER_BYTES;
    VIV_TRY(read_exactly(reader, bytes, VIV_FLAT_IMAGE_FOOTER_BYTES, reader->frames_end, "footer"));
    if (!viv_flat_image_footer_decode(bytes, &reader->footer) || reader->footer.seq != header.seq ||
        reader->footer.mark.zxid_start != header.zxid_start) {
        return damaged(reader, reader->frames_end, "footer");
    }
    reader->offset = VIV_FLAT_IMAGE_HEADER_BYTES;
    reader->zstd = ZSTD_createDCtx();
    VIV_ASSERT(reader->zstd != NULL);
    return VIV_OK;
}

static void reader_close(struct reader *reader)
{
    viv_file_close(reader->disk, &reader->file);
    viv_buffer_fini(&reader->stored);
    ZSTD_freeDCtx(reader->zstd);
}

static viv_status read_frame(struct reader *reader, const struct viv_flat_frame_header *header, struct viv_buffer *raw)
{
    uint64_t start_ns = now_ns();
    viv_buffer_clear(&reader->stored);
    uint8_t *stored = viv_buffer_extend(&reader->stored, header->stored_bytes);
    VIV_TRY(read_exactly(reader, stored, header->stored_bytes, reader->offset + VIV_FLAT_FRAME_HEADER_BYTES, "frame"));
    uint64_t read_end_ns = now_ns();
    if (viv_crc32c(0, stored, header->stored_bytes) != header->crc) {
        return damaged(reader, reader->offset, "frame");
    }
    uint64_t verified_ns = now_ns();
    viv_buffer_clear(raw);
    size_t got = ZSTD_decompressDCtx(reader->zstd, viv_buffer_extend(raw, header->raw_bytes), header->raw_bytes, stored,
                                     header->stored_bytes);
    if (ZSTD_isError(got) || got != header->raw_bytes) {
        return damaged(reader, reader->offset, "frame");
    }
    reader->read_ns += read_end_ns - start_ns;
    reader->verify_ns += verified_ns - read_end_ns;
    reader->decompress_ns += now_ns() - verified_ns;
    return VIV_OK;
}

/* The next frame's rows; *is_end after the last one, when all totals agree. */
static viv_status reader_next(struct reader *reader, struct viv_buffer *raw, bool *is_end)
{
    uint8_t bytes[VIV_FLAT_FRAME_HEADER_BYTES];
    struct viv_flat_frame_header header;
    *is_end = reader->offset == reader->frames_end;
    if (*is_end) {
        bool is_whole = reader->frame_count == reader->footer.frame_count &&
                        reader->row_count == reader->footer.row_count && reader->raw_bytes == reader->footer.raw_bytes;
        return is_whole ? VIV_OK : damaged(reader, reader->frames_end, "totals");
    }
    VIV_TRY(read_exactly(reader, bytes, sizeof bytes, reader->offset, "frame header"));
    if (!viv_flat_frame_header_decode(bytes, &header) || header.index != reader->frame_count ||
        header.stored_bytes > reader->frames_end - reader->offset) {
        return damaged(reader, reader->offset, "frame header");
    }
    VIV_TRY(read_frame(reader, &header, raw));
    reader->offset += VIV_FLAT_FRAME_HEADER_BYTES + header.stored_bytes;
    reader->frame_count++;
    reader->row_count += header.row_count;
    reader->raw_bytes += header.raw_bytes;
    return VIV_OK;
}

/* Waits for an empty slot; NULL when the consumer has stopped. */
static struct viv_buffer *slot_to_fill(struct ring *ring)
{
    pthread_mutex_lock(&ring->mutex);
    while (ring->filled - ring->emptied == SLOT_COUNT && !ring->is_stopped) {
        pthread_cond_wait(&ring->changed, &ring->mutex);
    }
    struct viv_buffer *slot = ring->is_stopped ? NULL : &ring->slots[ring->filled % SLOT_COUNT];
    pthread_mutex_unlock(&ring->mutex);
    return slot;
}

static void *read_ahead(void *argument)
{
    struct ring *ring = argument;
    bool is_end = false;
    viv_status status = VIV_OK;
    while (!is_end && status == VIV_OK) {
        struct viv_buffer *slot = slot_to_fill(ring);
        if (slot == NULL) {
            break;
        }
        status = reader_next(ring->reader, slot, &is_end);
        pthread_mutex_lock(&ring->mutex);
        ring->filled += status == VIV_OK && !is_end;
        ring->is_ended = is_end || status != VIV_OK;
        ring->status = status;
        pthread_cond_signal(&ring->changed);
        pthread_mutex_unlock(&ring->mutex);
    }
    return NULL;
}

static viv_status consume(struct ring *ring, viv_state_rows_fn *rows, void *ctx)
{
    viv_status status = VIV_OK;
    pthread_mutex_lock(&ring->mutex);
    while (status == VIV_OK) {
        while (ring->filled == ring->emptied && !ring->is_ended) {
            pthread_cond_wait(&ring->changed, &ring->mutex);
        }
        if (ring->filled == ring->emptied) {
            status = ring->status;
            break;
        }
        struct viv_buffer *slot = &ring->slots[ring->emptied % SLOT_COUNT];
        pthread_mutex_unlock(&ring->mutex);
        status = rows(ctx, viv_buffer_bytes(slot));
        pthread_mutex_lock(&ring->mutex);
        ring->emptied++;
        pthread_cond_signal(&ring->changed);
    }
    ring->is_stopped = true;
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->mutex);
    return status;
}

static viv_status load_with_two(struct reader *reader, viv_state_rows_fn *rows, void *ctx)
{
    struct ring ring = {.reader = reader};
    pthread_t thread;
    pthread_mutex_init(&ring.mutex, NULL);
    pthread_cond_init(&ring.changed, NULL);
    int failed = pthread_create(&thread, NULL, read_ahead, &ring);
    viv_status status = VIV_ERR_SYSTEM;
    if (failed == 0) {
        status = consume(&ring, rows, ctx);
        pthread_join(thread, NULL);
    } else {
        viv_log(VIV_LOG_ERROR, "flat", "no thread could be started to read an image", "errno=%d", failed);
    }
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        viv_buffer_fini(&ring.slots[i]);
    }
    pthread_cond_destroy(&ring.changed);
    pthread_mutex_destroy(&ring.mutex);
    return status;
}

static viv_status load_with_one(struct reader *reader, viv_state_rows_fn *rows, void *ctx)
{
    struct viv_buffer raw = {0};
    bool is_end = false;
    viv_status status = VIV_OK;
    while (status == VIV_OK) {
        status = reader_next(reader, &raw, &is_end);
        if (status != VIV_OK || is_end) {
            break;
        }
        status = rows(ctx, viv_buffer_bytes(&raw));
    }
    viv_buffer_fini(&raw);
    return status;
}

viv_status viv_flat_image_load(struct viv_state *state, const struct viv_flat_image *image, viv_state_rows_fn *rows,
                               void *ctx, struct viv_state_mark *mark, struct viv_store_report *report)
{
    struct reader reader = {.disk = &state->disk, .image = image, .file = {.handle = -1}};
    viv_status status = reader_open(&reader, 0);
    if (status == VIV_OK && state->image_upto != 0 && reader.footer.mark.zxid_end > state->image_upto) {
        status = VIV_ERR_TRIMMED;
    }
    if (status == VIV_OK) {
        status = state->load_threads == 1 ? load_with_one(&reader, rows, ctx) : load_with_two(&reader, rows, ctx);
    }
    if (status == VIV_OK) {
        *mark = reader.footer.mark;
        report->bytes += image->bytes;
        report->rows += reader.row_count;
    }
    report->files++;
    report->read_ns += reader.read_ns;
    report->verify_ns += reader.verify_ns;
    report->decompress_ns += reader.decompress_ns;
    reader_close(&reader);
    return status;
}

viv_status viv_flat_image_look(const struct viv_state *state, const struct viv_flat_image *image,
                               struct viv_flat_look *look, size_t bytes_max, size_t *bytes, bool *is_end)
{
    struct reader reader = {.disk = &state->disk, .image = image, .file = {.handle = -1}};
    struct viv_buffer raw = {0};
    viv_status status = reader_open(&reader, VIV_FILE_FRESH);
    reader.offset = look->offset > 0 ? look->offset : reader.offset;
    reader.frame_count = look->frame_count;
    reader.row_count = look->row_count;
    reader.raw_bytes = look->raw_bytes;
    uint64_t begin = reader.offset;
    *is_end = false;
    while (status == VIV_OK && !*is_end && reader.offset - begin < bytes_max) {
        status = reader_next(&reader, &raw, is_end);
    }
    *look = (struct viv_flat_look){look->seq, reader.offset, reader.frame_count, reader.row_count, reader.raw_bytes};
    *bytes = (size_t)(reader.offset - begin) + VIV_FLAT_IMAGE_HEADER_BYTES + VIV_FLAT_IMAGE_FOOTER_BYTES;
    viv_buffer_fini(&raw);
    reader_close(&reader);
    return status;
}
