#ifndef VIV_BACKENDS_FLAT_IMAGE_H
#define VIV_BACKENDS_FLAT_IMAGE_H

#include "backends/flat/format.h"
#include "store/state_store.h"

/* The bytes of an image file: header, frames, footer. Pure encoding and checking; it opens no file and does not
 * compress. Little-endian; backends/flat/README.md draws it. */

enum {
    VIV_FLAT_IMAGE_HEADER_BYTES = 96,
    VIV_FLAT_FRAME_HEADER_BYTES = 32,
    VIV_FLAT_IMAGE_FOOTER_BYTES = 72,
    VIV_FLAT_FRAME_RAW_BYTES = 1 << 20,      /* a frame is closed when it holds this much */
    VIV_FLAT_FRAME_RAW_BYTES_MAX = 64 << 20, /* a single row may be 32 MiB */
};

struct viv_flat_image_header {
    struct viv_flat_owner owner;
    viv_gid gid;
    bool is_install; /* older images are useless */
    uint64_t seq;    /* +1 per image of the group */
    uint64_t zxid_start;
};

struct viv_flat_frame_header {
    uint64_t index; /* from 0 */
    uint32_t raw_bytes;
    uint32_t stored_bytes;
    uint32_t row_count;
    uint32_t crc; /* of the stored bytes */
};

struct viv_flat_image_footer {
    struct viv_state_mark mark;
    uint64_t frame_count, row_count, raw_bytes;
    uint64_t seq;
};

void viv_flat_image_header_encode(const struct viv_flat_image_header *header, uint8_t *to);
/* VIV_ERR_CORRUPT, VIV_ERR_VERSION. */
viv_status viv_flat_image_header_decode(const uint8_t *from, struct viv_flat_image_header *header) VIV_MUST_USE;
void viv_flat_frame_header_encode(const struct viv_flat_frame_header *header, uint8_t *to);
bool viv_flat_frame_header_decode(const uint8_t *from, struct viv_flat_frame_header *header);
void viv_flat_image_footer_encode(const struct viv_flat_image_footer *footer, uint8_t *to);
bool viv_flat_image_footer_decode(const uint8_t *from, struct viv_flat_image_footer *footer);

#endif /* VIV_BACKENDS_FLAT_IMAGE_H */
