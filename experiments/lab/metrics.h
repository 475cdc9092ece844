#ifndef VIV_EXPERIMENTS_LAB_METRICS_H
#define VIV_EXPERIMENTS_LAB_METRICS_H

#include "experiments/lab/results.h"

/* What a run says, as a table of numbers: a row is one figure of one step ("set 16x100: throughput"), a column one cell
 * of the plan, a value the median over the cell's valid trials with its extremes. The control cell is a column too; its
 * difference from its twin is each row's noise floor. */

enum viv_metric_kind {
    VIV_METRIC_THROUGHPUT,
    VIV_METRIC_LATENCY_P50,
    VIV_METRIC_LATENCY_P99,
    VIV_METRIC_SERVER_CPU,
    VIV_METRIC_RECOVERY_WHOLE, /* fault or start until the first answer */
    VIV_METRIC_RECOVERY_FULL,  /* until the throughput of before is back */
    VIV_METRIC_RESTARTED,      /* start of the killed server until it answers itself */
    VIV_METRIC_WARM,           /* the same until it reads as fast as before */
    VIV_METRIC_MEMORY,
    VIV_METRIC_DISK,
};

struct viv_metric_value {
    size_t count; /* valid trials that have the figure; 0: not available */
    double median, min, max;
};

struct viv_metric_row {
    const json_t *step; /* of the resolved plan */
    char label[96];
    const char *unit;
    enum viv_metric_kind kind;
    bool higher_is_better;
    struct viv_metric_value *values; /* one a cell */
    double noise;                    /* distance of the pair of identical cells; negative: there is no pair */
};

struct viv_metric_table {
    const struct viv_results *results;
    json_t *cells; /* of the resolved plan, borrowed */
    size_t cell_count;
    struct viv_metric_row *rows;
    size_t row_count;
};

void viv_metrics_make(const struct viv_results *results, struct viv_metric_table *table);
void viv_metrics_fini(struct viv_metric_table *table);

/* Index of the cell whose twin the control is, and of the control; false when the run has none. */
bool viv_metrics_control(const struct viv_metric_table *table, size_t *twin, size_t *control);
/* The cell that others are shown against: the first with system zookeeper, else the first. */
size_t viv_metrics_reference(const struct viv_metric_table *table);
/* other / reference of one row, or 0 when one of them is missing. *is_noise: the difference is below the noise floor.
 */
double viv_metrics_ratio(const struct viv_metric_row *row, size_t cell, size_t reference, bool *is_noise);
/* How far a ratio is from 1, the same for twice as much and half as much: max(r, 1/r) - 1. ratio > 0. */
double viv_metrics_distance(double ratio);
/* What a step of the plan does, in words. */
void viv_metrics_describe(const json_t *step, char *text, size_t size);
/* Why a cell has no valid trial: the reason of the first that has one. */
const char *viv_metrics_why(const struct viv_metric_table *table, size_t cell);
/* The valid trial of the cell whose `kind` recovery in `step` is the median one; NULL when there is none. */
const struct viv_result_trial *viv_metrics_median_trial(const struct viv_metric_table *table, size_t cell,
                                                        const char *step, const char *kind, json_t **recovery);
const char *viv_metrics_cell_name(const struct viv_metric_table *table, size_t cell);
bool viv_metrics_is_control(const struct viv_metric_table *table, size_t cell);

#endif /* VIV_EXPERIMENTS_LAB_METRICS_H */
