#ifndef VIV_BACKENDS_FLAT_WINDOW_H
#define VIV_BACKENDS_FLAT_WINDOW_H

#include <stdbool.h>

#include "store/file_io.h"

/* Sequential reading through one buffer that is reused. It knows no format. All-zero is a valid empty window. */

struct viv_flat_window {
    struct viv_buffer buffer;
    const struct viv_file *file; /* whose bytes these are; compared, not used */
    uint64_t offset;
    bool has_unreadable; /* the device refused part of what is in the window */
};

/* Appends up to `size` bytes at `offset`, less only at the end of the file. Blocks that the device refuses to read are
 * zeros, which no checksum takes for anything else; *is_unreadable (may be NULL) then becomes true. */
viv_status viv_flat_read_around(const struct viv_disk *disk, const struct viv_file *file, size_t size, uint64_t offset,
                                struct viv_buffer *to, bool *is_unreadable) VIV_MUST_USE;

void viv_flat_window_fini(struct viv_flat_window *window);
/* True when the bytes are in the window already. */
bool viv_flat_window_holds(const struct viv_flat_window *window, const struct viv_file *file, uint64_t offset,
                           size_t size);
/* *bytes points at `size` bytes at `offset`, valid until the next call; NULL when the file ends before. */
viv_status viv_flat_window_get(struct viv_flat_window *window, const struct viv_disk *disk, const struct viv_file *file,
                               uint64_t offset, size_t size, const uint8_t **bytes) VIV_MUST_USE;

#endif /* VIV_BACKENDS_FLAT_WINDOW_H */
