#include "backends/flat/state_internal.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"

enum {
    ZSTD_LEVEL = 1, /* level 3 costs twice the time for a tenth of the size (backends.md 6.5) */
    /* Dirty pages are handed to the device in steps, so that the last sync does not delay the log's by seconds. */
    SYNC_STEP_BYTES = 32 << 20,
};

viv_status viv_flat_image_start(struct viv_state *state, const char *path)
{
    struct viv_flat_image_writer *writer = &state->writer;
    VIV_ASSERT(!writer->is_open);
    VIV_TRY(viv_file_open(&state->disk, path, VIV_FILE_WRITE | VIV_FILE_CREATE, &writer->file));
    writer->is_open = true;
    writer->totals = (struct viv_flat_image_footer){.seq = writer->header.seq};
    writer->offset = 0;
    writer->unsynced_bytes = 0;
    writer->row_count = 0;
    writer->zstd = ZSTD_createCCtx();
    VIV_ASSERT(writer->zstd != NULL);
    uint8_t header[VIV_FLAT_IMAGE_HEADER_BYTES];
    viv_flat_image_header_encode(&writer->header, header);
    writer->offset = sizeof header;
    return viv_file_write(&state->disk, &writer->file, header, sizeof header, 0);
}

static viv_status write_stored(struct viv_state *state)
{
    struct viv_flat_image_writer *writer = &state->writer;
    VIV_TRY(viv_file_write(&state->disk, &writer->file, writer->stored.data, writer->stored.size, writer->offset));
    writer->offset += writer->stored.size;
    writer->unsynced_bytes += writer->stored.size;
    if (state->is_durable && writer->unsynced_bytes >= SYNC_STEP_BYTES) {
        VIV_TRY(viv_file_sync(&state->disk, &writer->file));
        writer->unsynced_bytes = 0;
    }
    return VIV_OK;
}

static viv_status close_frame(struct viv_state *state)
{
    struct viv_flat_image_writer *writer = &state->writer;
    if (writer->raw.size == 0) {
        return VIV_OK;
    }
    size_t bound = ZSTD_compressBound(writer->raw.size);
    viv_buffer_clear(&writer->stored);
    uint8_t *frame = viv_buffer_reserve(&writer->stored, VIV_FLAT_FRAME_HEADER_BYTES + bound);
    size_t stored_bytes = ZSTD_compressCCtx(writer->zstd, frame + VIV_FLAT_FRAME_HEADER_BYTES, bound, writer->raw.data,
                                            writer->raw.size, ZSTD_LEVEL);
    VIV_ASSERT(!ZSTD_isError(stored_bytes)); /* the output has the room it may need */
    viv_buffer_extend(&writer->stored, VIV_FLAT_FRAME_HEADER_BYTES + stored_bytes);
    struct viv_flat_frame_header header = {
        .index = writer->totals.frame_count,
        .raw_bytes = (uint32_t)writer->raw.size,
        .stored_bytes = (uint32_t)stored_bytes,
        .row_count = writer->row_count,
        .crc = viv_crc32c(0, frame + VIV_FLAT_FRAME_HEADER_BYTES, stored_bytes),
    };
    viv_flat_frame_header_encode(&header, frame);
    writer->totals.frame_count++;
    writer->totals.row_count += writer->row_count;
    writer->totals.raw_bytes += writer->raw.size;
    writer->row_count = 0;
    viv_buffer_clear(&writer->raw);
    return write_stored(state);
}

viv_status viv_flat_image_add(struct viv_state *state, struct viv_bytes rows)
{
    struct viv_flat_image_writer *writer = &state->writer;
    VIV_ASSERT(writer->is_open);
    struct viv_row row;
    while (rows.size > 0) {
        const uint8_t *start = rows.data;
        bool is_whole = viv_row_next(&rows, &row);
        VIV_ASSERT(is_whole);
        VIV_ASSERT(row.op == VIV_ROW_PUT); /* an image holds what is, not what went */
        viv_buffer_append(&writer->raw, start, (size_t)(rows.data - start));
        writer->row_count++;
        if (writer->raw.size >= VIV_FLAT_FRAME_RAW_BYTES) {
            VIV_TRY(close_frame(state));
        }
    }
    return VIV_OK;
}

viv_status viv_flat_image_finish(struct viv_state *state, const struct viv_state_mark *mark)
{
    struct viv_flat_image_writer *writer = &state->writer;
    VIV_ASSERT(writer->is_open);
    VIV_ASSERT(mark->zxid_start == writer->header.zxid_start);
    VIV_TRY(close_frame(state));
    writer->totals.mark = *mark;
    viv_buffer_clear(&writer->stored);
    viv_flat_image_footer_encode(&writer->totals, viv_buffer_extend(&writer->stored, VIV_FLAT_IMAGE_FOOTER_BYTES));
    VIV_TRY(write_stored(state));
    return state->is_durable ? viv_file_sync(&state->disk, &writer->file) : VIV_OK;
}

void viv_flat_image_drop(struct viv_state *state)
{
    struct viv_flat_image_writer *writer = &state->writer;
    viv_file_close(&state->disk, &writer->file);
    ZSTD_freeCCtx(writer->zstd);
    writer->zstd = NULL;
    viv_buffer_fini(&writer->raw);
    viv_buffer_fini(&writer->stored);
    writer->is_open = false;
}
