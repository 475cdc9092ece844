#ifndef VIV_EXPERIMENTS_LAB_PLAN_H
#define VIV_EXPERIMENTS_LAB_PLAN_H

#include "base/arena.h"
#include "base/status.h"
#include "experiments/lab/cell.h"
#include "experiments/lab/step.h"

/* A plan as it will be run: defaults filled in, grid expanded, exclusions applied, the control cell added. Made from a
 * YAML file that is checked whole before anything starts. Starts nothing. */

struct viv_plan {
    char *name; /* of the file, without folder and .yaml */
    char *path;
    char *question;
    uint64_t seed;
    uint32_t trials; /* of each cell */
    struct viv_cell *cells;
    uint32_t cell_count;
    struct viv_step *steps;
    uint32_t step_count;
    struct viv_buffer text; /* the file as it was */
    struct viv_arena strings;
};

/* VIV_ERR_INVALID with lines "FILE:LINE: what is wrong and what is legal" in errors. */
viv_status viv_plan_load(const char *path, struct viv_plan *plan, struct viv_buffer *errors) VIV_MUST_USE;
/* True when a step holds up syncs: the servers then run with the library that can. */
bool viv_plan_freezes_syncs(const struct viv_plan *plan);
void viv_plan_fini(struct viv_plan *plan);

struct viv_plan_slot {
    uint32_t cell;
    uint32_t trial; /* of the cell, from 1 */
};
/* The order of all cell_count * trials trials: rounds in which every cell runs once, in an order shuffled by the seed
 * and rotated from round to round, so that no cell always runs behind the same neighbour or at the same hour. */
void viv_plan_order(const struct viv_plan *plan, struct viv_plan_slot *slots);
/* Seed of one trial: splitmix64(master ^ XXH64(cell) ^ trial). The two cells of the control pair differ only here. */
uint64_t viv_plan_seed(const struct viv_plan *plan, const struct viv_plan_slot *slot);

#endif /* VIV_EXPERIMENTS_LAB_PLAN_H */
