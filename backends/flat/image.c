#include "backends/flat/image.h"

#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"

#define HEADER_MAGIC 0x31304d4956564956ULL /* "VIVVIM01" */
#define FRAME_MAGIC  0x4d415246U           /* "FRAM" */
#define FOOTER_MAGIC 0x31305446564956ULL   /* "VIVFT01" */

enum { FORMAT_VERSION = 1, FLAG_INSTALL = 1 };

/* The checksum is the last member of each of the three. */
static void seal(uint8_t *bytes, size_t size)
{
    viv_store_le32(bytes + size - 4, viv_crc32c(0, bytes, size - 4));
}

static bool is_sealed(const uint8_t *bytes, size_t size)
{
    return viv_load_le32(bytes + size - 4) == viv_crc32c(0, bytes, size - 4);
}

void viv_flat_image_header_encode(const struct viv_flat_image_header *header, uint8_t *to)
{
    memset(to, 0, VIV_FLAT_IMAGE_HEADER_BYTES);
    viv_store_le64(to, HEADER_MAGIC);
    viv_store_le32(to + 8, FORMAT_VERSION);
    viv_store_le16(to + 12, header->gid);
    viv_store_le16(to + 14, header->is_install ? FLAG_INSTALL : 0);
    viv_store_le64(to + 16, header->owner.cluster[0]);
    viv_store_le64(to + 24, header->owner.cluster[1]);
    viv_store_le64(to + 32, (uint64_t)header->owner.server_id);
    viv_store_le64(to + 40, header->seq);
    viv_store_le64(to + 48, header->zxid_start);
    seal(to, VIV_FLAT_IMAGE_HEADER_BYTES);
}

viv_status viv_flat_image_header_decode(const uint8_t *from, struct viv_flat_image_header *header)
{
    if (viv_load_le64(from) != HEADER_MAGIC || !is_sealed(from, VIV_FLAT_IMAGE_HEADER_BYTES)) {
        return VIV_ERR_CORRUPT;
    }
    if (viv_load_le32(from + 8) != FORMAT_VERSION) {
        return VIV_ERR_VERSION;
    }
    *header = (struct viv_flat_image_header){
        .owner = {{viv_load_le64(from + 16), viv_load_le64(from + 24)}, (int64_t)viv_load_le64(from + 32)},
        .gid = viv_load_le16(from + 12),
        .is_install = (viv_load_le16(from + 14) & FLAG_INSTALL) != 0,
        .seq = viv_load_le64(from + 40),
        .zxid_start = viv_load_le64(from + 48),
    };
    return VIV_OK;
}

void viv_flat_frame_header_encode(const struct viv_flat_frame_header *header, uint8_t *to)
{
    VIV_ASSERT(header->raw_bytes <= VIV_FLAT_FRAME_RAW_BYTES_MAX);
    viv_store_le32(to, FRAME_MAGIC);
    viv_store_le32(to + 4, header->raw_bytes);
    viv_store_le32(to + 8, header->stored_bytes);
    viv_store_le32(to + 12, header->row_count);
    viv_store_le64(to + 16, header->index);
    viv_store_le32(to + 24, header->crc);
    seal(to, VIV_FLAT_FRAME_HEADER_BYTES);
}

bool viv_flat_frame_header_decode(const uint8_t *from, struct viv_flat_frame_header *header)
{
    if (viv_load_le32(from) != FRAME_MAGIC || !is_sealed(from, VIV_FLAT_FRAME_HEADER_BYTES)) {
        return false;
    }
    *header = (struct viv_flat_frame_header){
        .index = viv_load_le64(from + 16),
        .raw_bytes = viv_load_le32(from + 4),
        .stored_bytes = viv_load_le32(from + 8),
        .row_count = viv_load_le32(from + 12),
        .crc = viv_load_le32(from + 24),
    };
    return header->raw_bytes <= VIV_FLAT_FRAME_RAW_BYTES_MAX &&
           header->stored_bytes <= VIV_FLAT_FRAME_RAW_BYTES_MAX * 2;
}

void viv_flat_image_footer_encode(const struct viv_flat_image_footer *footer, uint8_t *to)
{
    VIV_ASSERT(footer->mark.zxid_start <= footer->mark.zxid_end);
    memset(to, 0, VIV_FLAT_IMAGE_FOOTER_BYTES);
    viv_store_le64(to, FOOTER_MAGIC);
    viv_store_le64(to + 8, footer->mark.zxid_start);
    viv_store_le64(to + 16, footer->mark.zxid_end);
    viv_store_le64(to + 24, footer->mark.digest);
    viv_store_le64(to + 32, footer->frame_count);
    viv_store_le64(to + 40, footer->row_count);
    viv_store_le64(to + 48, footer->raw_bytes);
    viv_store_le64(to + 56, footer->seq);
    seal(to, VIV_FLAT_IMAGE_FOOTER_BYTES);
}

bool viv_flat_image_footer_decode(const uint8_t *from, struct viv_flat_image_footer *footer)
{
    if (viv_load_le64(from) != FOOTER_MAGIC || !is_sealed(from, VIV_FLAT_IMAGE_FOOTER_BYTES)) {
        return false;
    }
    *footer = (struct viv_flat_image_footer){
        .mark = {viv_load_le64(from + 8), viv_load_le64(from + 16), viv_load_le64(from + 24)},
        .frame_count = viv_load_le64(from + 32),
        .row_count = viv_load_le64(from + 40),
        .raw_bytes = viv_load_le64(from + 48),
        .seq = viv_load_le64(from + 56),
    };
    return footer->mark.zxid_start <= footer->mark.zxid_end;
}
