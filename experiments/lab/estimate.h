#ifndef VIV_EXPERIMENTS_LAB_ESTIMATE_H
#define VIV_EXPERIMENTS_LAB_ESTIMATE_H

#include "experiments/lab/plan.h"

/* What a plan will need, from round numbers measured once (baseline.md): generous on disk and memory, so that what
 * passes the check fits. */

struct viv_estimate {
    double trial_s;
    uint64_t znodes;
    uint64_t disk_bytes;   /* of all servers of one trial, at the worst moment */
    uint64_t memory_bytes; /* likewise */
};

void viv_estimate_cell(const struct viv_plan *plan, const struct viv_cell *cell, struct viv_estimate *estimate);

/* Prints the table. False when a cell does not fit into the free disk at `dir` or the available memory; the lines say
 * which and by how much. */
bool viv_estimate_print(const struct viv_plan *plan, const char *dir, struct viv_buffer *out);

#endif /* VIV_EXPERIMENTS_LAB_ESTIMATE_H */
