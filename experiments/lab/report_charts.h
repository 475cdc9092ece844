#ifndef VIV_EXPERIMENTS_LAB_REPORT_CHARTS_H
#define VIV_EXPERIMENTS_LAB_REPORT_CHARTS_H

#include "experiments/lab/metrics.h"

/* The charts of the HTML page. Each appends nothing when the run has no figures for it. */

/* For each load step: latency at every percentile, all trials of a cell merged. */
void viv_charts_latency(const struct viv_metric_table *table, struct viv_buffer *out);
/* For each fault step: acknowledged writes in tenths of a second round the fault, one row a cell, with marks. */
void viv_charts_timeline(const struct viv_metric_table *table, struct viv_buffer *out);
/* For each fault step: the recovery of the median trial of each cell, in its parts. */
void viv_charts_recovery(const struct viv_metric_table *table, struct viv_buffer *out);
/* For each load step: throughput as bars. */
void viv_charts_throughput(const struct viv_metric_table *table, struct viv_buffer *out);

#endif /* VIV_EXPERIMENTS_LAB_REPORT_CHARTS_H */
