#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/lab/plan_json.h"
#include "experiments/lab/report.h"

/* Two runs of one plan against each other. */

enum verdict { VERDICT_SAME, VERDICT_BETTER, VERDICT_WORSE, VERDICT_UNKNOWN };

static const char *const verdict_names[] = {"same", "better", "worse", "unknown"};

struct comparison {
    const struct viv_metric_table *before, *after;
    json_t *rows; /* array of objects */
    unsigned counts[4];
};

static const struct viv_metric_row *find_row(const struct viv_metric_table *table, const struct viv_metric_row *like)
{
    for (size_t i = 0; i < table->row_count; i++) {
        if (strcmp(viv_result_text(table->rows[i].step, "name"), viv_result_text(like->step, "name")) == 0 &&
            strcmp(table->rows[i].label, like->label) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

static bool find_cell(const struct viv_metric_table *table, const char *name, size_t *cell)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        if (strcmp(viv_metrics_cell_name(table, i), name) == 0) {
            *cell = i;
            return true;
        }
    }
    return false;
}

/* Worse or better only when the medians differ by more than either run's noise floor and the ranges do not overlap. */
static enum verdict judge(const struct viv_metric_row *before, const struct viv_metric_value *old,
                          const struct viv_metric_row *after, const struct viv_metric_value *new)
{
    if (old->count == 0 || new->count == 0 || old->median <= 0 || new->median <= 0) {
        return VERDICT_UNKNOWN;
    }
    double ratio = new->median / old->median;
    double noise = fmax(fmax(before->noise, after->noise), 0);
    bool overlap = new->min <= old->max && old->min <= new->max;
    if (viv_metrics_distance(ratio) <= noise || overlap) {
        return VERDICT_SAME;
    }
    return (ratio > 1) == before->higher_is_better ? VERDICT_BETTER : VERDICT_WORSE;
}

static void compare_row(struct comparison *comparison, const struct viv_metric_row *before)
{
    const struct viv_metric_row *after = find_row(comparison->after, before);
    for (size_t i = 0; after != NULL && i < comparison->before->cell_count; i++) {
        size_t other;
        const char *cell = viv_metrics_cell_name(comparison->before, i);
        if (viv_metrics_is_control(comparison->before, i) || !find_cell(comparison->after, cell, &other)) {
            continue;
        }
        const struct viv_metric_value *old = &before->values[i];
        const struct viv_metric_value *new = &after->values[other];
        enum verdict verdict = judge(before, old, after, new);
        comparison->counts[verdict]++;
        json_array_append_new(comparison->rows,
                              json_pack("{s:s,s:s,s:s,s:s,s:f,s:f,s:s}", "step", viv_result_text(before->step, "name"),
                                        "figure", before->label, "unit", before->unit, "cell", cell, "before",
                                        old->median, "after", new->median, "verdict", verdict_names[verdict]));
    }
}

static void print_table(const struct comparison *comparison)
{
    size_t index;
    json_t *row;
    printf("%-18s %-34s %-22s %12s %12s  %s\n", "step", "figure", "cell", "before", "after", "verdict");
    json_array_foreach(comparison->rows, index, row)
    {
        printf("%-18s %-34s %-22s %12.5g %12.5g  %s\n", viv_result_text(row, "step"), viv_result_text(row, "figure"),
               viv_result_text(row, "cell"), viv_result_number(row, "before"), viv_result_number(row, "after"),
               viv_result_text(row, "verdict"));
    }
    printf("\n%u same, %u better, %u worse, %u unknown\n", comparison->counts[VERDICT_SAME],
           comparison->counts[VERDICT_BETTER], comparison->counts[VERDICT_WORSE], comparison->counts[VERDICT_UNKNOWN]);
}

static void print_json(const struct comparison *comparison, int code)
{
    struct viv_buffer out = {0};
    json_t *whole = json_pack("{s:i,s:O}", "exit_code", code, "rows", comparison->rows);
    viv_json_append(&out, whole, true);
    fwrite(out.data, 1, out.size, stdout);
    json_decref(whole);
    viv_buffer_fini(&out);
}

static int compare(const struct viv_results *before, const struct viv_results *after, bool as_json)
{
    struct viv_metric_table old;
    struct viv_metric_table new;
    viv_metrics_make(before, &old);
    viv_metrics_make(after, &new);
    struct comparison comparison = {.before = &old, .after = &new, .rows = json_array()};
    for (size_t i = 0; i < old.row_count; i++) {
        compare_row(&comparison, &old.rows[i]);
    }
    const unsigned *counts = comparison.counts;
    bool is_known = counts[VERDICT_SAME] + counts[VERDICT_BETTER] + counts[VERDICT_WORSE] > 0;
    int code = counts[VERDICT_WORSE] > 0 ? 1 : is_known && counts[VERDICT_UNKNOWN] == 0 ? 0 : 2;
    if (as_json) {
        print_json(&comparison, code);
    } else {
        print_table(&comparison);
    }
    json_decref(comparison.rows);
    viv_metrics_fini(&old);
    viv_metrics_fini(&new);
    return code;
}

int viv_compare(const char *before_dir, const char *after_dir, bool as_json)
{
    struct viv_results before;
    struct viv_results after;
    if (viv_results_load(before_dir, &before) != VIV_OK) {
        return 2;
    }
    if (viv_results_load(after_dir, &after) != VIV_OK) {
        viv_results_fini(&before);
        return 2;
    }
    int code = 2;
    if (strcmp(viv_result_text(before.plan, "name"), viv_result_text(after.plan, "name")) != 0) {
        fprintf(stderr, "these are runs of different plans: %s and %s\n", viv_result_text(before.plan, "name"),
                viv_result_text(after.plan, "name"));
    } else {
        code = compare(&before, &after, as_json);
    }
    viv_results_fini(&before);
    viv_results_fini(&after);
    return code;
}
