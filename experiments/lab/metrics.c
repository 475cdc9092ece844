#include "experiments/lab/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* Where a figure is read. `record` is the step's record or the recovery of that kind. */
struct source {
    const char *record; /* "step", or a kind of recovery */
    const char *key;
};

struct definition {
    enum viv_metric_kind kind;
    const char *does; /* kinds of step that have it, as in the plan's `do`, between blanks */
    const char *label;
    const char *unit;
    bool higher_is_better;
    struct source source;
};

#define OUTAGES " kill stop term freeze-sync "
static const struct definition definitions[] = {
    {VIV_METRIC_THROUGHPUT, " load ", "throughput", "ops/s", true, {"step", "ops_s"}},
    {VIV_METRIC_LATENCY_P50, " load ", "latency, median", "us", false, {"step", "p50_us"}},
    {VIV_METRIC_LATENCY_P99, " load ", "latency, 99th percentile", "us", false, {"step", "p99_us"}},
    {VIV_METRIC_SERVER_CPU, " load ", "CPU of all servers per op", "us", false, {"step", "cpu_srv_us_per_op"}},
    {VIV_METRIC_RECOVERY_WHOLE, OUTAGES, "no write acknowledged for", "ms", false, {"failover", "whole_ms"}},
    {VIV_METRIC_RECOVERY_FULL, OUTAGES, "full throughput after", "ms", false, {"failover", "full_ms"}},
    {VIV_METRIC_RECOVERY_WHOLE, " restart ", "no write acknowledged for", "ms", false, {"follower-loss", "whole_ms"}},
    {VIV_METRIC_RESTARTED,
     " kill restart term ",
     "the killed server answers after",
     "ms",
     false,
     {"restart", "whole_ms"}},
    {VIV_METRIC_WARM, " restart ", "the killed server is warm after", "ms", false, {"restart", "full_ms"}},
    {VIV_METRIC_RECOVERY_WHOLE, " cold-start ", "first answer after", "ms", false, {"cold", "whole_ms"}},
    {VIV_METRIC_MEMORY, " cold-start ", "resident memory per server", "MB", false, {"step", "rss_mb"}},
    {VIV_METRIC_DISK, " cold-start ", "disk per server", "MB", false, {"step", "disk_mb"}},
};

enum { DEFINITION_COUNT = sizeof definitions / sizeof *definitions };

const char *viv_metrics_cell_name(const struct viv_metric_table *table, size_t cell)
{
    return viv_result_text(json_array_get(table->cells, cell), "name");
}

bool viv_metrics_is_control(const struct viv_metric_table *table, size_t cell)
{
    return json_is_true(json_object_get(json_array_get(table->cells, cell), "control"));
}

/* A list (one element a server) counts as its mean. */
static bool read_number(const json_t *record, const char *key, double *number)
{
    const json_t *value = json_object_get(record, key);
    if (json_is_array(value)) {
        double sum = 0;
        size_t count = 0;
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (json_is_number(json_array_get(value, i))) {
                sum += json_number_value(json_array_get(value, i));
                count++;
            }
        }
        *number = count == 0 ? 0 : sum / (double)count;
        return count > 0;
    }
    *number = json_number_value(value);
    return json_is_number(value);
}

static json_t *find_recovery(const struct viv_result_trial *trial, const char *step, const char *kind)
{
    size_t index;
    json_t *recovery;
    json_array_foreach(trial->recoveries, index, recovery)
    {
        if (strcmp(viv_result_text(recovery, "step"), step) == 0 &&
            strcmp(viv_result_text(recovery, "kind"), kind) == 0) {
            return recovery;
        }
    }
    return NULL;
}

static bool read_source(const struct viv_result_trial *trial, const char *step, const struct source *source,
                        double *number)
{
    const json_t *record = strcmp(source->record, "step") == 0 ? viv_result_find(trial->steps, "name", step)
                                                               : find_recovery(trial, step, source->record);
    return record != NULL && read_number(record, source->key, number);
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static struct viv_metric_value summarise(double *numbers, size_t count)
{
    if (count == 0) {
        return (struct viv_metric_value){0};
    }
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    double median = count % 2 == 1 ? numbers[count / 2] : (numbers[count / 2 - 1] + numbers[count / 2]) / 2;
    return (struct viv_metric_value){count, median, numbers[0], numbers[count - 1]};
}

static struct viv_metric_value measure(const struct viv_metric_table *table, size_t cell, const char *step,
                                       const struct source *source)
{
    const struct viv_results *results = table->results;
    double *numbers = viv_alloc(results->trial_count * sizeof *numbers);
    size_t count = 0;
    for (size_t i = 0; i < results->trial_count; i++) {
        const struct viv_result_trial *trial = &results->trials[i];
        if (trial->valid && strcmp(trial->cell, viv_metrics_cell_name(table, cell)) == 0 &&
            read_source(trial, step, source, &numbers[count])) {
            count++;
        }
    }
    struct viv_metric_value value = summarise(numbers, count);
    free(numbers);
    return value;
}

bool viv_metrics_control(const struct viv_metric_table *table, size_t *twin, size_t *control)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i)) {
            continue;
        }
        const char *name = viv_metrics_cell_name(table, i);
        for (size_t j = 0; j < table->cell_count; j++) {
            const char *other = viv_metrics_cell_name(table, j);
            size_t size = strlen(other);
            if (j != i && strncmp(name, other, size) == 0 && strcmp(name + size, ".control") == 0) {
                *twin = j;
                *control = i;
                return true;
            }
        }
    }
    return false;
}

double viv_metrics_distance(double ratio)
{
    VIV_ASSERT(ratio > 0);
    return fmax(ratio, 1 / ratio) - 1;
}

static void add_row(struct viv_metric_table *table, const json_t *step, const struct definition *definition)
{
    table->rows = viv_realloc(table->rows, (table->row_count + 1) * sizeof *table->rows);
    struct viv_metric_row *row = &table->rows[table->row_count];
    *row = (struct viv_metric_row){.step = step,
                                   .unit = definition->unit,
                                   .kind = definition->kind,
                                   .higher_is_better = definition->higher_is_better,
                                   .values = viv_alloc_zeroed(table->cell_count, sizeof *row->values),
                                   .noise = -1};
    snprintf(row->label, sizeof row->label, "%s", definition->label);
    size_t present = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        row->values[i] = measure(table, i, viv_result_text(step, "name"), &definition->source);
        present += row->values[i].count;
    }
    size_t twin;
    size_t control;
    if (viv_metrics_control(table, &twin, &control) && row->values[twin].count > 0 && row->values[control].count > 0 &&
        row->values[twin].median > 0 && row->values[control].median > 0) {
        row->noise = viv_metrics_distance(row->values[control].median / row->values[twin].median);
    }
    if (present > 0) {
        table->row_count++;
    } else {
        free(row->values);
    }
}

static bool has_definition(const json_t *step, const struct definition *definition)
{
    char does[32];
    snprintf(does, sizeof does, " %s ", viv_result_text(step, "do"));
    bool is_lone = viv_result_number(step, "clients") * viv_result_number(step, "pipeline") == 1;
    bool is_repeated = definition->kind == VIV_METRIC_THROUGHPUT && is_lone; /* one over the latency */
    return strstr(definition->does, does) != NULL && !is_repeated;
}

void viv_metrics_make(const struct viv_results *results, struct viv_metric_table *table)
{
    *table = (struct viv_metric_table){.results = results, .cells = json_object_get(results->plan, "cells")};
    table->cell_count = json_array_size(table->cells);
    size_t index;
    json_t *step;
    json_array_foreach(json_object_get(results->plan, "steps"), index, step)
    {
        for (size_t i = 0; i < DEFINITION_COUNT; i++) {
            if (has_definition(step, &definitions[i])) {
                add_row(table, step, &definitions[i]);
            }
        }
    }
}

void viv_metrics_fini(struct viv_metric_table *table)
{
    for (size_t i = 0; i < table->row_count; i++) {
        free(table->rows[i].values);
    }
    free(table->rows);
    *table = (struct viv_metric_table){0};
}

void viv_metrics_describe(const json_t *step, char *text, size_t size)
{
    const char *kind = viv_result_text(step, "do");
    const char *op = viv_result_text(step, "op");
    const char *target = viv_result_text(step, "target");
    double clients = viv_result_number(step, "clients");
    double rate = viv_result_number(step, "rate_per_s");
    if (strcmp(kind, "load") == 0 && rate > 0) {
        snprintf(text, size, "%s: %.0f requests due a second over %.0f sessions", op, rate, clients);
    } else if (strcmp(kind, "load") == 0) {
        snprintf(text, size, "%s: %.0f sessions, %.0f requests in flight each", op, clients,
                 viv_result_number(step, "pipeline"));
    } else if (strcmp(kind, "cold-start") == 0) {
        snprintf(text, size, "all servers killed, then started together");
    } else if (target[0] != '\0') {
        const char *what = strcmp(kind, "stop") == 0          ? "hangs (SIGSTOP)"
                           : strcmp(kind, "restart") == 0     ? "is killed and started again at once"
                           : strcmp(kind, "term") == 0        ? "is told to stop (SIGTERM)"
                           : strcmp(kind, "freeze-sync") == 0 ? "has a disk whose syncs never end"
                                                              : "is killed (SIGKILL)";
        snprintf(text, size, "the %s %s under %.0f writes a second", target, what, rate);
    } else {
        snprintf(text, size, "%s", kind);
    }
}

size_t viv_metrics_reference(const struct viv_metric_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        if (strcmp(viv_result_text(json_array_get(table->cells, i), "system"), "zookeeper") == 0) {
            return i;
        }
    }
    return 0;
}

double viv_metrics_ratio(const struct viv_metric_row *row, size_t cell, size_t reference, bool *is_noise)
{
    const struct viv_metric_value *value = &row->values[cell];
    const struct viv_metric_value *base = &row->values[reference];
    if (value->count == 0 || base->count == 0 || base->median <= 0 || value->median <= 0) {
        *is_noise = false;
        return 0;
    }
    double ratio = value->median / base->median;
    *is_noise = row->noise >= 0 && viv_metrics_distance(ratio) <= row->noise;
    return ratio;
}

const char *viv_metrics_why(const struct viv_metric_table *table, size_t cell)
{
    for (size_t i = 0; i < table->results->trial_count; i++) {
        const struct viv_result_trial *trial = &table->results->trials[i];
        if (strcmp(trial->cell, viv_metrics_cell_name(table, cell)) == 0 && !trial->valid) {
            const char *why = viv_result_text(trial->summary, "why");
            json_t *invalid = json_array_get(json_object_get(trial->summary, "invalid_why"), 0);
            return why[0] != '\0' ? why : json_is_string(invalid) ? json_string_value(invalid) : "invalid";
        }
    }
    return "it has not been run";
}

const struct viv_result_trial *viv_metrics_median_trial(const struct viv_metric_table *table, size_t cell,
                                                        const char *step, const char *kind, json_t **recovery)
{
    const struct viv_results *results = table->results;
    const struct viv_result_trial *best = NULL;
    double best_distance = INFINITY;
    struct source source = {kind, "whole_ms"};
    struct viv_metric_value value = measure(table, cell, step, &source);
    for (size_t i = 0; i < results->trial_count; i++) {
        const struct viv_result_trial *trial = &results->trials[i];
        json_t *found = find_recovery(trial, step, kind);
        if (!trial->valid || strcmp(trial->cell, viv_metrics_cell_name(table, cell)) != 0 || found == NULL) {
            continue;
        }
        double distance = fabs(viv_result_number(found, "whole_ms") - value.median);
        if (distance < best_distance) {
            best_distance = distance;
            best = trial;
            *recovery = found;
        }
    }
    return best;
}
