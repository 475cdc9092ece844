#ifndef VIV_SIM_CAMPAIGN_H
#define VIV_SIM_CAMPAIGN_H

#include <stdio.h>

#include "sim/run.h"

/* Many runs, each in a process of its own: what one leaves behind, or dies of, touches no other. Adds up what they
 * were, for the report. */

struct viv_sim_totals {
    uint64_t seeds, failures, slow_cores;
    uint64_t waiting_cores, ends; /* that waited rightly; those of them that stay down */
    int64_t time_ns;
    struct viv_sim_result sum;
    int64_t core_ms_worst, all_ms_worst;
    uint64_t worst_core_seed;
    uint64_t mark_seeds[VIV_SIM_MARKS]; /* runs that came by */
};

/* Runs the plan in a child process and fills the result, also when the child dies. */
void viv_sim_try(const struct viv_sim_plan *plan, const struct viv_sim_options *options, struct viv_sim_result *result);
/* What failed, without times and numbers: the same for the same kind of failure. */
void viv_sim_failure_kind(const struct viv_sim_result *result, char *to, size_t size);

void viv_sim_totals_add(struct viv_sim_totals *totals, uint64_t seed, const struct viv_sim_result *result);
void viv_sim_totals_print(const struct viv_sim_totals *totals, FILE *file);

/* shrink.c: leaves out lines of a plan that fails while it fails in the same way; says on standard error how far it is.
 * Ends after that many tries. */
void viv_sim_shrink(struct viv_sim_plan *plan, const struct viv_sim_options *options, unsigned tries_max);

#endif /* VIV_SIM_CAMPAIGN_H */
