#ifndef VIV_EXPERIMENTS_LAB_RUN_H
#define VIV_EXPERIMENTS_LAB_RUN_H

#include "experiments/lab/plan.h"
#include "experiments/lab/system.h"

/* A whole plan: the results folder, the trials in their order, resumption. Knows nothing of what a trial does. */

struct viv_run_options {
    const char *results_dir; /* root of all results; NULL: `results` beside the plan */
    const char *resume_dir;  /* a run's folder to go on with; NULL: a new one */
    struct viv_system_places places;
};

/* Exit codes of the program. */
enum { VIV_EXIT_OK = 0, VIV_EXIT_WORSE = 1, VIV_EXIT_FAILED = 1, VIV_EXIT_TROUBLE = 2, VIV_EXIT_INTERRUPTED = 130 };

/* Runs what is missing and prints the folder. VIV_EXIT_OK when every trial is valid or n/a, VIV_EXIT_FAILED when some
 * failed or are invalid, VIV_EXIT_TROUBLE when the lab itself could not work, VIV_EXIT_INTERRUPTED. */
int viv_run(const struct viv_plan *plan, const struct viv_run_options *options);
/* Appends the resolved plan, every configuration file and every command line. Starts nothing. */
void viv_run_dry(const struct viv_plan *plan, const struct viv_run_options *options, struct viv_buffer *out);

#endif /* VIV_EXPERIMENTS_LAB_RUN_H */
