#include "backends/flat/window.h"

#include <string.h>

#include "base/assert.h"

/* Large enough that a cold disk streams, small enough to stay in the second-level cache. */
enum { READ_AHEAD_BYTES = 512 << 10, DEVICE_BLOCK_BYTES = 4096 };

viv_status viv_flat_read_around(const struct viv_disk *disk, const struct viv_file *file, size_t size, uint64_t offset,
                                struct viv_buffer *to, bool *is_unreadable)
{
    size_t got = 0;
    viv_status status = viv_file_read(disk, file, viv_buffer_reserve(to, size), size, offset, &got);
    if (status != VIV_ERR_IO) {
        VIV_TRY(status);
        viv_buffer_extend(to, got);
        return VIV_OK;
    }
    if (is_unreadable != NULL) {
        *is_unreadable = true;
    }
    size_t done = 0;
    bool is_end = false;
    while (done < size && !is_end) {
        size_t bytes = DEVICE_BLOCK_BYTES - (offset + done) % DEVICE_BLOCK_BYTES;
        bytes = bytes < size - done ? bytes : size - done;
        uint8_t *block = viv_buffer_extend(to, bytes);
        memset(block, 0, bytes);
        status = viv_file_read(disk, file, block, bytes, offset + done, &got);
        if (status != VIV_OK && status != VIV_ERR_IO) {
            return status;
        }
        is_end = status == VIV_OK && got < bytes;
        to->size -= is_end ? bytes - got : 0;
        done += bytes;
    }
    return VIV_OK;
}

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
        viv_buffer_clear(&window->buffer);
        window->file = NULL;
        window->has_unreadable = false;
        VIV_TRY(viv_flat_read_around(disk, file, wanted, offset, &window->buffer, &window->has_unreadable));
        window->file = file;
        window->offset = offset;
    }
    bool is_there = viv_flat_window_holds(window, file, offset, size);
    *bytes = is_there ? window->buffer.data + (offset - window->offset) : NULL;
    return VIV_OK;
}
