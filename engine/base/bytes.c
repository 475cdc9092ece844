#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BUFFER_BYTES_MIN = 64 };

struct viv_bytes viv_bytes_of(const void *data, size_t size)
{
    VIV_ASSERT(data != NULL || size == 0);
    return (struct viv_bytes){data, size};
}

struct viv_bytes viv_bytes_text(const char *text)
{
    return (struct viv_bytes){(const uint8_t *)text, strlen(text)};
}

bool viv_bytes_equal(struct viv_bytes a, struct viv_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int viv_bytes_compare(struct viv_bytes a, struct viv_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

bool viv_bytes_starts_with(struct viv_bytes whole, struct viv_bytes prefix)
{
    return whole.size >= prefix.size && (prefix.size == 0 || memcmp(whole.data, prefix.data, prefix.size) == 0);
}

void *viv_alloc(size_t size)
{
    void *memory = malloc(size == 0 ? 1 : size);
    if (memory == NULL) {
        viv_out_of_memory(size);
    }
    return memory;
}

void *viv_alloc_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (memory == NULL) {
        viv_out_of_memory((unsigned long long)count * size);
    }
    return memory;
}

void *viv_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size == 0 ? 1 : size);
    if (memory == NULL) {
        viv_out_of_memory(size);
    }
    return memory;
}

void viv_buffer_fini(struct viv_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct viv_buffer){0};
}

void viv_buffer_clear(struct viv_buffer *buffer)
{
    buffer->size = 0;
}

static void grow(struct viv_buffer *buffer, size_t more)
{
    VIV_ASSERT(buffer->size <= buffer->capacity && more <= SIZE_MAX / 2 - buffer->size);
    size_t wanted = buffer->size + more;
    size_t capacity = buffer->capacity < BUFFER_BYTES_MIN ? BUFFER_BYTES_MIN : buffer->capacity;
    while (capacity < wanted) {
        capacity *= 2;
    }
    buffer->data = viv_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

/* The rare case is a call of its own: this is the most frequent function of all. */
static inline uint8_t *reserve(struct viv_buffer *buffer, size_t more)
{
    if (more > buffer->capacity - buffer->size) {
        grow(buffer, more);
    }
    return buffer->data + buffer->size;
}

uint8_t *viv_buffer_reserve(struct viv_buffer *buffer, size_t more)
{
    return reserve(buffer, more);
}

uint8_t *viv_buffer_extend(struct viv_buffer *buffer, size_t more)
{
    uint8_t *start = reserve(buffer, more);
    buffer->size += more;
    return start;
}

void viv_buffer_append(struct viv_buffer *buffer, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(viv_buffer_extend(buffer, size), data, size);
    }
}

void viv_buffer_append_bytes(struct viv_buffer *buffer, struct viv_bytes bytes)
{
    viv_buffer_append(buffer, bytes.data, bytes.size);
}

void viv_buffer_printf(struct viv_buffer *buffer, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    VIV_ASSERT(size >= 0);
    /* vsnprintf writes a terminating NUL after the text; it is reserved but not counted. */
    vsnprintf((char *)viv_buffer_reserve(buffer, (size_t)size + 1), (size_t)size + 1, format, again);
    va_end(again);
    buffer->size += (size_t)size;
}

void viv_buffer_consume(struct viv_buffer *buffer, size_t size)
{
    VIV_ASSERT(size <= buffer->size);
    if (size > 0) {
        memmove(buffer->data, buffer->data + size, buffer->size - size);
        buffer->size -= size;
    }
}

struct viv_bytes viv_buffer_bytes(const struct viv_buffer *buffer)
{
    return (struct viv_bytes){buffer->data, buffer->size};
}
