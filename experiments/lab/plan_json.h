#ifndef VIV_EXPERIMENTS_LAB_PLAN_JSON_H
#define VIV_EXPERIMENTS_LAB_PLAN_JSON_H

#include <jansson.h>

#include "experiments/lab/plan.h"

/* Cells, steps and plans as JSON: the resolved plan, and the head of every trial's file. Returned objects are owned. */

json_t *viv_cell_json(const struct viv_cell *cell);
json_t *viv_step_json(const struct viv_step *step);
json_t *viv_plan_json(const struct viv_plan *plan);
/* Appends as text: one line, or indented for people. */
void viv_json_append(struct viv_buffer *out, const json_t *json, bool indented);

#endif /* VIV_EXPERIMENTS_LAB_PLAN_JSON_H */
