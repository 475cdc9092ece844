#ifndef VIV_EXPERIMENTS_LAB_FAIRNESS_H
#define VIV_EXPERIMENTS_LAB_FAIRNESS_H

#include "experiments/lab/metrics.h"

/* The fairness card: what every system of a run was given, so that a reader can tell whether the comparison is one. The
 * same rows stand under the table on the terminal and in the page. */

size_t viv_fairness_count(void);
const char *viv_fairness_name(size_t row);
/* What the cell was given, as text; "-" where it does not apply. */
void viv_fairness_value(const struct viv_metric_table *table, size_t row, size_t cell, char *text, size_t size);
/* What holds for all, in sentences. */
const char *viv_fairness_note(void);
/* The card for the terminal: a line a row, one value when all systems have the same. */
void viv_fairness_print(const struct viv_metric_table *table, struct viv_buffer *out);

#endif /* VIV_EXPERIMENTS_LAB_FAIRNESS_H */
