#ifndef VIV_EXPERIMENTS_LAB_INTERRUPT_H
#define VIV_EXPERIMENTS_LAB_INTERRUPT_H

#include <stdint.h>

#include "base/status.h"

/* Waiting that a SIGINT, SIGTERM or SIGHUP ends. The signals are blocked and read from a descriptor, so that no handler
 * runs and whoever waits unwinds in order: the lab removes what it started. Knows nothing of what is waited for. */

struct viv_interrupt {
    int fd;
    int signal; /* the one that came, 0: none yet */
};

/* Call before the first thread is started. VIV_ERR_SYSTEM: no descriptor. */
viv_status viv_interrupt_open(struct viv_interrupt *interrupt) VIV_MUST_USE;
void viv_interrupt_close(struct viv_interrupt *interrupt);
/* Returns at `until_ns` (CLOCK_MONOTONIC) with VIV_OK, or at once with VIV_ERR_INTERRUPTED, then and ever after. */
viv_status viv_interrupt_wait(struct viv_interrupt *interrupt, uint64_t until_ns) VIV_MUST_USE;

#endif /* VIV_EXPERIMENTS_LAB_INTERRUPT_H */
