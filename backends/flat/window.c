#include "backends/flat/window.h"

#include "base/assert.h"

/* Large enough that a cold disk streams, small enough to stay in the second-level cache. */
enum { READ_AHEAD_BYTES = 512 << 10 };

void viv_flat_window_fini(struct viv_flat_window *window)
{
    viv_buffer_fini(&window->buffer);
    *window = (struct viv_flat_window){0};
}

bool viv_flat_window_holds(const struct viv_flat_window *window, const struct viv_file *file, uint64_t offset,
                           size_t size)
{
    return window->file == file && offset >= window->offset && offset + size <= window->offset + window->buffer.size;
}

viv_status viv_flat_window_get(struct viv_flat_window *window, const struct viv_disk *disk, const struct viv_file *file,
                               uint64_t offset, size_t size, const uint8_t **bytes)
{
    VIV_ASSERT(size > 0);
    if (!viv_flat_window_holds(window, file, offset, size)) {
        size_t wanted = size > READ_AHEAD_BYTES ? size : READ_AHEAD_BYTES;
        size_t got = 0;
        viv_buffer_clear(&window->buffer);
        window->file = NULL;
        VIV_TRY(viv_file_read(disk, file, viv_buffer_reserve(&window->buffer, wanted), wanted, offset, &got));
        viv_buffer_extend(&window->buffer, got);
        window->file = file;
        window->offset = offset;
    }
    bool is_there = viv_flat_window_holds(window, file, offset, size);
    *bytes = is_there ? window->buffer.data + (offset - window->offset) : NULL;
    return VIV_OK;
}
