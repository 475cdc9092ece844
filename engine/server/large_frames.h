#ifndef VIV_SERVER_LARGE_FRAMES_H
#define VIV_SERVER_LARGE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "node/fifo.h"

/* Requests longer than one read are collected in memory of their own. All that are being collected share a budget: who
 * finds none left is not read from until others are whole, or gone; in the order in which they came. One is always
 * allowed, however long. */

struct viv_caller;

struct viv_large_frames {
    uint64_t bytes, bytes_max;
    uint64_t waited;         /* how often somebody had to */
    struct viv_fifo waiting; /* viv_conn; some may be gone */
};

void viv_large_frames_init(struct viv_large_frames *frames, uint64_t bytes_max);
void viv_large_frames_fini(struct viv_large_frames *frames);
/* A frame of `size` has begun, and is not whole: caller->collecting or caller->wanted says how it stands. */
void viv_large_frames_begin(struct viv_caller *caller, uint32_t size);
/* It is whole, or its connection closes. */
void viv_large_frames_end(struct viv_caller *caller);

#endif /* VIV_SERVER_LARGE_FRAMES_H */
