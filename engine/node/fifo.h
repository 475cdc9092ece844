#ifndef VIV_NODE_FIFO_H
#define VIV_NODE_FIFO_H

#include <stddef.h>
#include <stdint.h>

/* A queue of equal-sized plain values. Pointers into it are valid until the next push. */

struct viv_fifo {
    uint8_t *items;
    size_t item_bytes, first, count, capacity;
};

void viv_fifo_init(struct viv_fifo *fifo, size_t item_bytes);
void viv_fifo_fini(struct viv_fifo *fifo);
void *viv_fifo_push(struct viv_fifo *fifo);                   /* the new last item, zeroed */
void *viv_fifo_at(const struct viv_fifo *fifo, size_t index); /* 0 is the oldest */
void *viv_fifo_front(const struct viv_fifo *fifo);            /* NULL when empty */
void viv_fifo_pop(struct viv_fifo *fifo);
void viv_fifo_clear(struct viv_fifo *fifo);

#endif /* VIV_NODE_FIFO_H */
