#ifndef VIV_BASE_BYTES_H
#define VIV_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slices that borrow and buffers that own. Knows nothing of what the bytes mean. Allocation cannot fail: running
 * out of memory ends the process (base/assert.h). */

/* Borrows. data may be NULL only when size is 0; a jute null is told apart by the caller's own flag. */
struct viv_bytes {
    const uint8_t *data;
    size_t size;
};

/* Owns; grows by doubling. All-zero is a valid empty buffer. */
struct viv_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

#define VIV_BYTES_LITERAL(text) ((struct viv_bytes){(const uint8_t *)(text), sizeof(text) - 1})

struct viv_bytes viv_bytes_of(const void *data, size_t size);
struct viv_bytes viv_bytes_text(const char *text); /* without the terminating NUL */
bool viv_bytes_equal(struct viv_bytes a, struct viv_bytes b);
/* memcmp order, a shorter prefix first: <0, 0, >0. */
int viv_bytes_compare(struct viv_bytes a, struct viv_bytes b);
bool viv_bytes_starts_with(struct viv_bytes whole, struct viv_bytes prefix);

/* malloc family that cannot fail. */
void *viv_alloc(size_t size);
void *viv_alloc_zeroed(size_t count, size_t size);
void *viv_realloc(void *old, size_t size);

void viv_buffer_fini(struct viv_buffer *buffer);  /* frees; leaves it empty and reusable */
void viv_buffer_clear(struct viv_buffer *buffer); /* size 0, keeps the capacity */
/* Room for `more` bytes after size; the returned pointer is to data + size, valid until the next growth. */
uint8_t *viv_buffer_reserve(struct viv_buffer *buffer, size_t more);
/* Reserves and counts the bytes as present; the caller fills them. */
uint8_t *viv_buffer_extend(struct viv_buffer *buffer, size_t more);
void viv_buffer_append(struct viv_buffer *buffer, const void *data, size_t size);
void viv_buffer_append_bytes(struct viv_buffer *buffer, struct viv_bytes bytes);
void viv_buffer_printf(struct viv_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `size` bytes, moving the rest down. */
void viv_buffer_consume(struct viv_buffer *buffer, size_t size);
struct viv_bytes viv_buffer_bytes(const struct viv_buffer *buffer); /* borrows until the next change */

#endif /* VIV_BASE_BYTES_H */
