#include "server/large_frames.h"

#include "server/caller.h"

void viv_large_frames_init(struct viv_large_frames *frames, uint64_t bytes_max)
{
    *frames = (struct viv_large_frames){.bytes_max = bytes_max};
    viv_fifo_init(&frames->waiting, sizeof(viv_conn));
}

void viv_large_frames_fini(struct viv_large_frames *frames)
{
    viv_fifo_fini(&frames->waiting);
}

static bool take(struct viv_large_frames *frames, struct viv_caller *caller, uint32_t size)
{
    if (frames->bytes > 0 && frames->bytes + size > frames->bytes_max) {
        return false;
    }
    frames->bytes += size;
    caller->collecting = size;
    caller->wanted = 0;
    return true;
}

void viv_large_frames_begin(struct viv_caller *caller, uint32_t size)
{
    struct viv_large_frames *frames = &caller->port->large;
    if (size <= VIV_CALLER_READ_BYTES || caller->collecting > 0 || caller->wanted > 0) {
        return;
    }
    if (frames->waiting.count > 0 || !take(frames, caller, size)) {
        frames->waited++;
        caller->wanted = size;
        *(viv_conn *)viv_fifo_push(&frames->waiting) = caller->id;
    }
}

static void let_in(struct viv_client_port *port)
{
    struct viv_large_frames *frames = &port->large;
    for (; frames->waiting.count > 0; viv_fifo_pop(&frames->waiting)) {
        struct viv_caller *caller = viv_caller_find(port, *(viv_conn *)viv_fifo_front(&frames->waiting));
        if (caller != NULL && caller->wanted > 0) {
            if (!take(frames, caller, caller->wanted)) {
                return;
            }
            viv_caller_update_reading(caller);
        }
    }
}

void viv_large_frames_end(struct viv_caller *caller)
{
    struct viv_large_frames *frames = &caller->port->large;
    caller->wanted = 0;
    if (caller->collecting > 0) {
        frames->bytes -= caller->collecting;
        caller->collecting = 0;
        let_in(caller->port);
    }
}
