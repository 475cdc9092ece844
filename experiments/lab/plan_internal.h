#ifndef VIV_EXPERIMENTS_LAB_PLAN_INTERNAL_H
#define VIV_EXPERIMENTS_LAB_PLAN_INTERNAL_H

#include "experiments/lab/plan.h"
#include "experiments/lab/plan_source.h"

/* What plan.c, plan_cells.c and plan_steps.c share. */

/* How a scalar of the plan is read; the names are those of plan_fields.def. */
enum viv_field_kind {
    VIV_KIND_TEXT,
    VIV_KIND_COUNT,
    VIV_KIND_DURATION,
    VIV_KIND_SIZE,
    VIV_KIND_PERCENT,
    VIV_KIND_RATE
};

/* Reads a scalar of the kind; false with an error that says what would be legal. *value is a count, ns, bytes, percent
 * or requests per second. */
bool viv_plan_scalar(struct viv_source *source, const char *path, const char *key, enum viv_field_kind kind,
                     const char *text, uint64_t *value);
/* Adds an error unless least <= value <= greatest. */
void viv_plan_range(struct viv_source *source, const char *path, const char *key, uint64_t value, uint64_t least,
                    uint64_t greatest);
/* Copies a string into the plan. */
const char *viv_plan_keep(struct viv_plan *plan, const char *text);

/* cells x grid - exclude + control -> plan->cells. Errors go to the source. */
void viv_plan_make_cells(struct viv_plan *plan, struct viv_source *source);
void viv_plan_make_steps(struct viv_plan *plan, struct viv_source *source);

#endif /* VIV_EXPERIMENTS_LAB_PLAN_INTERNAL_H */
