#ifndef VIV_EXPERIMENTS_LAB_REPORT_H
#define VIV_EXPERIMENTS_LAB_REPORT_H

#include "experiments/lab/metrics.h"

/* A run for people: a table for the terminal and one HTML page that needs nothing else. */

/* The table: a line a figure, a column a cell, medians with their spread, ratios to the reference, the noise floor;
 * then failed trials with their reasons and the fairness card. */
void viv_report_table(const struct viv_metric_table *table, struct viv_buffer *out);
/* The page: the table, charts of throughput, latency, the time round each fault, recovery in parts, provenance. */
void viv_report_html(const struct viv_metric_table *table, struct viv_buffer *out);

/* Reads the run in `dir`, prints the table to standard output, writes dir/report.html and dir/summary.json and names
 * the page. Exit code: 0; 2 when the folder is not a run or cannot be written. */
int viv_report(const char *dir);

/* Compares two runs of the same plan, cell by cell, figure by figure, and prints a table, or JSON. A figure is worse
 * when its median is, by more than both runs' noise and spread. Exit code 0: nothing is worse; 1: something is; 2: it
 * cannot be told (different plans, no common valid cells, unreadable). */
int viv_compare(const char *before_dir, const char *after_dir, bool as_json);

#endif /* VIV_EXPERIMENTS_LAB_REPORT_H */
