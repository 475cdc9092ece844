#include "experiments/lab/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/lab/fairness.h"
#include "experiments/lab/files.h"
#include "experiments/lab/plan_json.h"

enum { LABEL_COLUMNS = 40, CELL_COLUMNS = 24 };

/* Three significant digits, thousands apart: 24 500, 312, 4.53. */
static void format_number(double value, char *text, size_t size)
{
    if (value >= 10000) {
        double rounded = pow(10, floor(log10(value)) - 2);
        long long whole = llround(llround(value / rounded) * rounded);
        if (whole >= 1000000) {
            snprintf(text, size, "%lld %03lld %03lld", whole / 1000000, whole / 1000 % 1000, whole % 1000);
        } else {
            snprintf(text, size, "%lld %03lld", whole / 1000, whole % 1000);
        }
    } else {
        snprintf(text, size, "%.*f", value >= 100 ? 0 : value >= 10 ? 1 : 2, value);
    }
}

static int spread_percent(const struct viv_metric_value *value)
{
    return value->median <= 0 ? 0 : (int)lround(100 * (value->max - value->min) / value->median / 2);
}

/* Columns that a terminal shows for UTF-8 text. */
static int columns_of(const char *text)
{
    int columns = 0;
    for (; *text != '\0'; text++) {
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return columns;
}

static void put(struct viv_buffer *out, const char *text, int columns)
{
    int pad = columns - columns_of(text);
    viv_buffer_printf(out, "%s%*s", text, pad > 0 ? pad : 0, "");
}

static void put_cell(struct viv_buffer *out, const struct viv_metric_row *row, size_t cell, size_t reference)
{
    const struct viv_metric_value *value = &row->values[cell];
    char text[80] = "n/a";
    if (value->count > 0) {
        char number[40];
        char ratio_text[24] = "";
        bool is_noise;
        double ratio = viv_metrics_ratio(row, cell, reference, &is_noise);
        format_number(value->median, number, sizeof number);
        if (cell != reference && ratio > 0) {
            snprintf(ratio_text, sizeof ratio_text, is_noise ? "  same" : "  x%.2f", ratio);
        }
        snprintf(text, sizeof text, "%s ±%d%%%s", number, spread_percent(value), ratio_text);
    }
    put(out, text, CELL_COLUMNS);
}

static void put_head(const struct viv_metric_table *table, struct viv_buffer *out)
{
    put(out, "", LABEL_COLUMNS);
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i)) {
            put(out, viv_metrics_cell_name(table, i), CELL_COLUMNS);
        }
    }
    viv_buffer_printf(out, "noise\n");
}

static void put_row(const struct viv_metric_table *table, const struct viv_metric_row *row, struct viv_buffer *out)
{
    char label[128];
    snprintf(label, sizeof label, "  %s (%s)", row->label, row->unit);
    put(out, label, LABEL_COLUMNS);
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i)) {
            put_cell(out, row, i, viv_metrics_reference(table));
        }
    }
    if (row->noise >= 0) {
        viv_buffer_printf(out, "±%.0f%%\n", 100 * row->noise);
    } else {
        viv_buffer_printf(out, "-\n");
    }
}

/* A failed trial is a line with its reason, never a missing one. */
static void put_failures(const struct viv_metric_table *table, struct viv_buffer *out)
{
    const struct viv_results *results = table->results;
    for (size_t i = 0; i < results->trial_count; i++) {
        const struct viv_result_trial *trial = &results->trials[i];
        if (trial->valid) {
            continue;
        }
        json_t *reasons = json_object_get(trial->summary, "invalid_why");
        const char *why = viv_result_text(trial->summary, "why");
        viv_buffer_printf(out, "  %s, trial %d is %s: %s", trial->cell, trial->number,
                          viv_result_text(trial->summary, "state"), why);
        for (size_t r = 0; r < json_array_size(reasons); r++) {
            viv_buffer_printf(out, "%s%s", r > 0 || why[0] != '\0' ? "; " : "",
                              json_string_value(json_array_get(reasons, r)));
        }
        viv_buffer_printf(out, "\n");
    }
}

static void put_promises(const struct viv_metric_table *table, struct viv_buffer *out)
{
    double checked = 0;
    double lost = 0;
    double violations = 0;
    for (size_t i = 0; i < table->results->trial_count; i++) {
        checked += viv_result_number(table->results->trials[i].summary, "checked");
        lost += viv_result_number(table->results->trials[i].summary, "lost_acked");
        violations += viv_result_number(table->results->trials[i].summary, "violations");
    }
    viv_buffer_printf(out, "\n%.0f acknowledged writes checked after faults: %.0f lost, %.0f read back wrongly.\n",
                      checked, lost, violations);
}

void viv_report_table(const struct viv_metric_table *table, struct viv_buffer *out)
{
    const json_t *step = NULL;
    viv_buffer_printf(out, "\n%s\n\n", viv_result_text(table->results->plan, "question"));
    put_head(table, out);
    for (size_t i = 0; i < table->row_count; i++) {
        if (table->rows[i].step != step) {
            step = table->rows[i].step;
            char words[160];
            viv_metrics_describe(step, words, sizeof words);
            viv_buffer_printf(out, "%s: %s\n", viv_result_text(step, "name"), words);
        }
        put_row(table, &table->rows[i], out);
    }
    viv_buffer_printf(out,
                      "\nMedians over valid trials, ± half the spread; x = ratio to %s; noise = difference of two "
                      "identical cells;\nsame = the difference is below it.\n",
                      viv_metrics_cell_name(table, viv_metrics_reference(table)));
    put_promises(table, out);
    put_failures(table, out);
    viv_fairness_print(table, out);
}

static json_t *value_json(const struct viv_metric_value *value)
{
    return value->count == 0 ? json_null()
                             : json_pack("{s:I,s:f,s:f,s:f}", "n", (json_int_t)value->count, "median", value->median,
                                         "min", value->min, "max", value->max);
}

/* The same numbers for machines: what analysis and paper read. */
static json_t *summary_json(const struct viv_metric_table *table)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < table->row_count; i++) {
        const struct viv_metric_row *row = &table->rows[i];
        json_t *values = json_object();
        for (size_t c = 0; c < table->cell_count; c++) {
            json_object_set_new(values, viv_metrics_cell_name(table, c), value_json(&row->values[c]));
        }
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s,s:b,s:o,s:o}", "step", viv_result_text(row->step, "name"),
                                              "figure", row->label, "unit", row->unit, "higher_is_better",
                                              row->higher_is_better, "noise",
                                              row->noise < 0 ? json_null() : json_real(row->noise), "cells", values));
    }
    return json_pack("{s:s,s:s,s:o}", "plan", viv_result_text(table->results->plan, "name"), "reference",
                     viv_metrics_cell_name(table, viv_metrics_reference(table)), "rows", rows);
}

static viv_status write_beside(const char *dir, const char *name, const struct viv_buffer *content, char **path)
{
    *path = viv_text("%s/%s", dir, name);
    return viv_file_write_whole(*path, viv_buffer_bytes(content));
}

static int write_files(const struct viv_metric_table *table, const char *dir)
{
    struct viv_buffer html = {0};
    struct viv_buffer json = {0};
    char *html_path;
    char *json_path;
    json_t *summary = summary_json(table);
    viv_report_html(table, &html);
    viv_json_append(&json, summary, true);
    json_decref(summary);
    viv_status status = write_beside(dir, "report.html", &html, &html_path);
    viv_status other = write_beside(dir, "summary.json", &json, &json_path);
    if (status == VIV_OK && other == VIV_OK) {
        printf("\nThe report: %s\n", html_path);
    }
    free(html_path);
    free(json_path);
    viv_buffer_fini(&html);
    viv_buffer_fini(&json);
    return status == VIV_OK && other == VIV_OK ? 0 : 2;
}

int viv_report(const char *dir)
{
    struct viv_results results;
    struct viv_metric_table table;
    struct viv_buffer text = {0};
    if (viv_results_load(dir, &results) != VIV_OK) {
        return 2;
    }
    viv_metrics_make(&results, &table);
    viv_report_table(&table, &text);
    fwrite(text.data, 1, text.size, stdout);
    int code = write_files(&table, dir);
    viv_buffer_fini(&text);
    viv_metrics_fini(&table);
    viv_results_fini(&results);
    return code;
}
