#ifndef VIV_EXPERIMENTS_LAB_PROGRESS_H
#define VIV_EXPERIMENTS_LAB_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "experiments/lab/plan.h"

/* What people see on standard error while a plan runs: one line that is rewritten on a terminal, one line a trial
 * otherwise, with an estimate of what is left that learns from the trials already done. */

struct viv_progress {
    const struct viv_plan *plan;
    bool terminal;
    uint32_t done, total;
    uint64_t trial_start_ns;
    double *estimate_s; /* a trial of each cell, before one was seen */
    double *spent_s;    /* all trials of each cell so far */
    uint32_t *runs;
    uint32_t *left; /* trials of each cell still to run, the current one included */
    uint32_t cell;  /* of the current trial */
    uint32_t trial;
};

void viv_progress_init(struct viv_progress *progress, const struct viv_plan *plan);
void viv_progress_fini(struct viv_progress *progress);
/* A slot that is there already. */
void viv_progress_skip(struct viv_progress *progress, const struct viv_plan_slot *slot);
void viv_progress_begin(struct viv_progress *progress, const struct viv_plan_slot *slot);
/* Shows what the trial is at. */
void viv_progress_at(struct viv_progress *progress, const char *doing);
/* `outcome` is a word for people; why may be NULL. */
void viv_progress_end(struct viv_progress *progress, const char *outcome);
/* Seconds until all is done. */
double viv_progress_left_s(const struct viv_progress *progress);

#endif /* VIV_EXPERIMENTS_LAB_PROGRESS_H */
