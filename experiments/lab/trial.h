#ifndef VIV_EXPERIMENTS_LAB_TRIAL_H
#define VIV_EXPERIMENTS_LAB_TRIAL_H

#include "experiments/lab/interrupt.h"
#include "experiments/lab/plan.h"
#include "experiments/lab/system.h"

/* One trial: one life of an ensemble, from empty directories to the last step, recorded line by line
 * (experiments/lab/README.md lists the records). A trial that fails is a record with its reason. */

/* Told what the trial is at. */
typedef void viv_trial_progress_fn(void *ctx, const char *doing);

struct viv_trial_options {
    const struct viv_plan *plan;
    struct viv_plan_slot slot;
    const struct viv_system_places *places;
    struct viv_interrupt *interrupt;
    const char *work_dir; /* absolute; the ensemble lives below it and is removed from it */
    viv_trial_progress_fn *progress;
    void *ctx;
};

enum viv_trial_outcome {
    VIV_TRIAL_VALID,
    VIV_TRIAL_INVALID,     /* measured, but not to be relied on */
    VIV_TRIAL_BROKEN,      /* acknowledged writes were lost, or values appeared that nobody wrote */
    VIV_TRIAL_FAILED,      /* ended early */
    VIV_TRIAL_UNAVAILABLE, /* the system is not on this machine */
};

/* Appends the whole file of the trial to `out`. VIV_ERR_INTERRUPTED is the only failure: everything else is recorded,
 * and told in *outcome. */
viv_status viv_trial_run(const struct viv_trial_options *options, struct viv_buffer *out,
                         enum viv_trial_outcome *outcome) VIV_MUST_USE;

#endif /* VIV_EXPERIMENTS_LAB_TRIAL_H */
