#ifndef VIV_METRICS_METRICS_INTERNAL_H
#define VIV_METRICS_METRICS_INTERNAL_H

#include "metrics/metrics.h"

struct viv_metric_row {
    const char *name, *help;
    enum viv_metric_kind kind;
    enum viv_metric_unit unit;
    enum viv_metric_scope scope;
};
extern const struct viv_metric_row viv_metric_rows[VIV_METRIC_COUNT];

struct viv_metric_cell {
    uint64_t value; /* GAUGE (as int64_t), COUNTER */
    /* What a reset has taken away: of the counter, or of count and sum of the tally. */
    uint64_t past, past_sum;
    const char *text;        /* INFO */
    struct viv_tally *tally; /* SUMMARY, ADVANCED */
};

struct viv_metric_set {
    unsigned count, last; /* last: the one that was used last, which is asked for again most of the time */
    uint8_t key_bytes[VIV_METRIC_KEYS_MAX + 1];
    char keys[VIV_METRIC_KEYS_MAX + 1][VIV_METRIC_KEY_BYTES_MAX + 1];
    struct viv_metric_cell cells[VIV_METRIC_KEYS_MAX + 1];
    struct viv_tally tallies[]; /* as many, of summaries */
};

struct viv_metrics {
    size_t group_count;
    struct viv_metric_cell *cells; /* by viv_metric_at */
    struct viv_metric_set *sets[VIV_METRIC_COUNT];
    struct viv_stages *stages;
    struct viv_top *top;
    struct viv_slow *slow;
    struct viv_tally *tallies;
};

#define VIV_METRIC_GROUP_FIRST VIV_METRIC_last_zxid /* rows of scope GROUP are the last */

static inline struct viv_metric_cell *viv_metric_at(const struct viv_metrics *metrics, viv_gid gid,
                                                    enum viv_metric_id id)
{
    return &metrics->cells[id + (size_t)gid * (VIV_METRIC_COUNT - VIV_METRIC_GROUP_FIRST)];
}

/* One value to be shown: a cell of a row, perhaps of a key or a group. */
struct viv_metric_shown {
    const struct viv_metric_row *row;
    const struct viv_metric_cell *cell;
    const char *key; /* NULL: not of a set */
    int gid;         /* -1: not of a group */
};
typedef void viv_metric_shown_fn(void *ctx, const struct viv_metric_shown *shown);
/* Every value that the view has, in the order of the table (show.c). */
void viv_metrics_walk(const struct viv_metrics *metrics, const struct viv_metrics_view *view, viv_metric_shown_fn *show,
                      void *ctx);

#endif /* VIV_METRICS_METRICS_INTERNAL_H */
