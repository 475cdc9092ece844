#include "node/fifo.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { CAPACITY_MIN = 4 };

void viv_fifo_init(struct viv_fifo *fifo, size_t item_bytes)
{
    VIV_ASSERT(item_bytes > 0);
    *fifo = (struct viv_fifo){.item_bytes = item_bytes};
}

void viv_fifo_fini(struct viv_fifo *fifo)
{
    free(fifo->items);
    viv_fifo_init(fifo, fifo->item_bytes);
}

/* The ring is unrolled into the larger block, oldest first. */
static void grow(struct viv_fifo *fifo)
{
    size_t capacity = fifo->capacity == 0 ? CAPACITY_MIN : fifo->capacity * 2;
    uint8_t *items = viv_alloc(capacity * fifo->item_bytes);
    for (size_t i = 0; i < fifo->count; i++) {
        memcpy(items + i * fifo->item_bytes, viv_fifo_at(fifo, i), fifo->item_bytes);
    }
    free(fifo->items);
    fifo->items = items;
    fifo->capacity = capacity;
    fifo->first = 0;
}

void *viv_fifo_push(struct viv_fifo *fifo)
{
    if (fifo->count == fifo->capacity) {
        grow(fifo);
    }
    fifo->count++;
    void *item = viv_fifo_at(fifo, fifo->count - 1);
    memset(item, 0, fifo->item_bytes);
    return item;
}

void *viv_fifo_at(const struct viv_fifo *fifo, size_t index)
{
    VIV_ASSERT(index < fifo->count);
    return fifo->items + (fifo->first + index) % fifo->capacity * fifo->item_bytes;
}

void *viv_fifo_front(const struct viv_fifo *fifo)
{
    return fifo->count == 0 ? NULL : viv_fifo_at(fifo, 0);
}

void viv_fifo_pop(struct viv_fifo *fifo)
{
    VIV_ASSERT(fifo->count > 0);
    fifo->first = (fifo->first + 1) % fifo->capacity;
    fifo->count--;
}

void viv_fifo_clear(struct viv_fifo *fifo)
{
    fifo->first = fifo->count = 0;
}
