#include "experiments/lab/report_charts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "experiments/lab/chart.h"
#include "experiments/lab/plan_json.h"

enum { TENTHS_MAX = 3000, BAR_WIDTH = 420, BAR_LEFT = 130, BAR_HEIGHT = 20, BAR_STEP = 27, PART_COLOURS = 8 };

#define SECONDS_BEFORE    1.0
#define SECONDS_AFTER_MAX 14.0

static bool does(const json_t *step, const char *kinds)
{
    char word[32];
    snprintf(word, sizeof word, " %s ", viv_result_text(step, "do"));
    return strstr(kinds, word) != NULL;
}

static json_t *plan_steps(const struct viv_metric_table *table)
{
    return json_object_get(table->results->plan, "steps");
}

/* ---- latency ---- */

static void merge_histograms(const struct viv_metric_table *table, size_t cell, const char *step,
                             struct viv_histogram *merged)
{
    for (size_t i = 0; i < table->results->trial_count; i++) {
        const struct viv_result_trial *trial = &table->results->trials[i];
        size_t index;
        json_t *record;
        if (!trial->valid || strcmp(trial->cell, viv_metrics_cell_name(table, cell)) != 0) {
            continue;
        }
        json_array_foreach(trial->hists, index, record)
        {
            if (strcmp(viv_result_text(record, "step"), step) == 0) {
                struct viv_buffer text = {0};
                viv_json_append(&text, json_object_get(record, "counts"), false);
                while (text.size > 0 && text.data[text.size - 1] == '\n') {
                    text.size--;
                }
                viv_histogram_decode(merged, viv_buffer_bytes(&text));
                viv_buffer_fini(&text);
            }
        }
    }
}

/* Percentiles are spread by how rare the slower ones are: 1 / (1 - quantile) on a logarithmic axis. */
static const struct viv_tick latency_ticks[] = {{1, "0"},    {2, "50"},      {10, "90"},
                                                {100, "99"}, {1000, "99.9"}, {10000, "99.99"}};

struct curve {
    double x[64], y[64];
    size_t count;
};

static void trace_curve(const struct viv_histogram *histogram, struct curve *curve)
{
    curve->count = 0;
    for (double rarity = 1; rarity <= 10000 && curve->count < 64; rarity *= 1.2) {
        uint64_t value = viv_histogram_quantile(histogram, 1 - 1 / rarity);
        if ((double)histogram->total < rarity * 10 || value == UINT64_MAX) {
            break;
        }
        curve->x[curve->count] = rarity;
        curve->y[curve->count++] = value > 0 ? (double)value : 1;
    }
}

static void latency_chart(const struct viv_metric_table *table, const json_t *step, struct viv_buffer *out)
{
    struct curve *curves = viv_alloc_zeroed(table->cell_count, sizeof *curves);
    double low = INFINITY;
    double high = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        struct viv_histogram merged;
        viv_histogram_init(&merged);
        if (!viv_metrics_is_control(table, i)) {
            merge_histograms(table, i, viv_result_text(step, "name"), &merged);
            trace_curve(&merged, &curves[i]);
        }
        viv_histogram_fini(&merged);
        for (size_t p = 0; p < curves[i].count; p++) {
            low = fmin(low, curves[i].y[p]);
            high = fmax(high, curves[i].y[p]);
        }
    }
    if (high > 0) {
        char title[96];
        snprintf(title, sizeof title, "%s", viv_result_text(step, "name"));
        struct viv_chart chart = {out,
                                  {1, 10000, true, "percentile of requests"},
                                  {pow(10, floor(log10(low))), pow(10, ceil(log10(high + 1))), true, "microseconds"}};
        viv_chart_begin(&chart, title, latency_ticks, sizeof latency_ticks / sizeof *latency_ticks);
        for (size_t i = 0; i < table->cell_count; i++) {
            if (curves[i].count > 1) {
                viv_chart_line(&chart, i, curves[i].x, curves[i].y, curves[i].count);
            }
        }
        viv_chart_end(&chart);
    }
    free(curves);
}

void viv_charts_latency(const struct viv_metric_table *table, struct viv_buffer *out)
{
    size_t index;
    json_t *step;
    json_array_foreach(plan_steps(table), index, step)
    {
        if (does(step, " load ")) {
            latency_chart(table, step, out);
        }
    }
}

/* ---- timelines ---- */

static json_t *find_event(const struct viv_result_trial *trial, const char *step, const char *code)
{
    size_t index;
    json_t *event;
    json_array_foreach(trial->events, index, event)
    {
        if (strcmp(viv_result_text(event, "step"), step) == 0 && strcmp(viv_result_text(event, "src"), "runner") == 0 &&
            strcmp(viv_result_text(event, "code"), code) == 0) {
            return event;
        }
    }
    return NULL;
}

static double seconds_after(const json_t *event, double fault_ns)
{
    return (viv_result_number(event, "ns") - fault_ns) / 1e9;
}

static void timeline_marks(const struct viv_chart *chart, const struct viv_result_trial *trial, const char *step,
                           size_t series, double fault_ns)
{
    static const struct {
        const char *code;
        const char *word;
    } marks[] = {{"FAULT", "fault"}, {"FIRST_ACK", "first write"}, {"START", "start"}, {"CONT", "continued"}};
    double last = -INFINITY;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const json_t *event = find_event(trial, step, marks[i].code);
        double at = event == NULL ? INFINITY : seconds_after(event, fault_ns);
        if (at <= chart->x.max) {
            /* A word would be printed over the one before when they are closer than this. */
            bool is_close = fabs(at - last) < (chart->x.max - chart->x.min) / 8;
            viv_chart_mark(chart, i == 0 ? 4 : series, at, is_close ? "" : marks[i].word, i != 0);
            last = at;
        }
    }
}

static void timeline_chart(const struct viv_metric_table *table, size_t cell, const json_t *step, const char *kind,
                           double span_s, struct viv_buffer *out)
{
    json_t *recovery = NULL;
    const char *name = viv_result_text(step, "name");
    const struct viv_result_trial *trial = viv_metrics_median_trial(table, cell, name, kind, &recovery);
    const json_t *tenths = trial == NULL ? NULL : viv_result_find(trial->tenths, "step", name);
    const json_t *fault = trial == NULL ? NULL : find_event(trial, name, "FAULT");
    if (tenths == NULL || fault == NULL) {
        return;
    }
    double *x = viv_alloc(TENTHS_MAX * sizeof *x);
    double *y = viv_alloc(TENTHS_MAX * sizeof *y);
    double fault_ns = viv_result_number(fault, "ns");
    double start_s = (viv_result_number(tenths, "start_ns") - fault_ns) / 1e9;
    const json_t *acked = json_object_get(tenths, "acked");
    size_t count = 0;
    double high = 10;
    for (size_t i = 0; i + 1 < json_array_size(acked) && count < TENTHS_MAX; i++) {
        double at = start_s + ((double)i + 0.5) / 10;
        if (at >= -SECONDS_BEFORE && at <= span_s) {
            x[count] = at;
            y[count] = json_number_value(json_array_get(acked, i)) * 10;
            high = fmax(high, y[count++]);
        }
    }
    char title[128];
    snprintf(title, sizeof title, "%s: %s", name, viv_metrics_cell_name(table, cell));
    struct viv_chart chart = {out,
                              {-SECONDS_BEFORE, span_s, false, "seconds after the fault"},
                              {0, high * 1.05, false, "writes acknowledged per second"}};
    viv_chart_begin(&chart, title, NULL, 0);
    viv_chart_line(&chart, cell, x, y, count);
    timeline_marks(&chart, trial, name, cell, fault_ns);
    viv_chart_end(&chart);
    free(x);
    free(y);
}

/* The same span for every cell of a step, so that the eye can compare: the longest recovery and a little more. */
static double span_of(const struct viv_metric_table *table, const json_t *step, const char *kind)
{
    double longest_ms = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        json_t *recovery = NULL;
        if (viv_metrics_median_trial(table, i, viv_result_text(step, "name"), kind, &recovery) != NULL) {
            longest_ms =
                fmax(longest_ms, fmax(viv_result_number(recovery, "whole_ms"), viv_result_number(recovery, "full_ms")));
        }
    }
    return fmin(longest_ms / 1000 + 1.5, SECONDS_AFTER_MAX);
}

static const char *kind_of(const json_t *step)
{
    return does(step, " cold-start ")                               ? "cold"
           : strcmp(viv_result_text(step, "target"), "leader") == 0 ? "failover"
                                                                    : "follower-loss";
}

void viv_charts_timeline(const struct viv_metric_table *table, struct viv_buffer *out)
{
    size_t index;
    json_t *step;
    json_array_foreach(plan_steps(table), index, step)
    {
        if (!does(step, " kill stop restart term ")) {
            continue;
        }
        double span_s = span_of(table, step, kind_of(step));
        viv_buffer_printf(out, "<div class=\"row\">");
        for (size_t i = 0; i < table->cell_count; i++) {
            if (!viv_metrics_is_control(table, i)) {
                timeline_chart(table, i, step, kind_of(step), span_s, out);
            }
        }
        viv_buffer_printf(out, "</div>\n");
    }
}

/* ---- bars ---- */

static const char *part_colour(size_t part)
{
    static const char *const colours[PART_COLOURS] = {"#1e3a8a", "#2563eb", "#0891b2", "#059669",
                                                      "#ca8a04", "#ea580c", "#be123c", "#7e22ce"};
    return colours[part % PART_COLOURS];
}

static void bar_label(struct viv_buffer *out, size_t line, const char *name)
{
    viv_buffer_printf(out, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", BAR_LEFT - 8, 30 + line * BAR_STEP + 14);
    viv_html_text(out, name);
    viv_buffer_printf(out, "</text>");
}

static void bar(struct viv_buffer *out, size_t line, double from, double to, const char *colour, const char *tip)
{
    viv_buffer_printf(
        out, "<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%s</title></rect>",
        BAR_LEFT + from * BAR_WIDTH, 30 + line * BAR_STEP, fmax((to - from) * BAR_WIDTH, 0.5), BAR_HEIGHT, colour, tip);
}

static void bar_value(struct viv_buffer *out, size_t line, double share, const char *text)
{
    viv_buffer_printf(out, "<text x=\"%.1f\" y=\"%zu\">%s</text>\n", BAR_LEFT + share * BAR_WIDTH + 6,
                      30 + line * BAR_STEP + 14, text);
}

static void bars_begin(struct viv_buffer *out, const char *title, size_t lines)
{
    viv_buffer_printf(out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\"><text class=\"title\" x=\"0\" y=\"16\">",
                      BAR_LEFT + BAR_WIDTH + 110, 40 + lines * BAR_STEP);
    viv_html_text(out, title);
    viv_buffer_printf(out, "</text>\n");
}

static void recovery_bar(struct viv_buffer *out, const json_t *recovery, size_t cell, size_t line, double longest_ms,
                         const char *name)
{
    const char *part;
    json_t *ms;
    double at = 0;
    size_t index = 0;
    char tip[96];
    char text[32];
    double whole_ms = viv_result_number(recovery, "whole_ms");
    json_t *parts = json_object_get(recovery, "parts_ms");
    bar_label(out, line, name);
    if (!json_is_object(parts)) {
        snprintf(tip, sizeof tip, "the whole: %.1f ms; this system does not tell its parts", whole_ms);
        bar(out, line, 0, whole_ms / longest_ms, viv_series_colour(cell), tip);
    }
    json_object_foreach(parts, part, ms)
    {
        /* The ramp follows the first write; the bar ends there. */
        if (strcmp(part, "ramp") != 0 && strcmp(part, "warm") != 0) {
            double next = at + json_number_value(ms);
            snprintf(tip, sizeof tip, "%s: %.1f ms", part, json_number_value(ms));
            bar(out, line, at / longest_ms, next / longest_ms, part_colour(index), tip);
            at = next;
        }
        index++;
    }
    snprintf(text, sizeof text, whole_ms >= 100 ? "%.0f ms" : "%.1f ms", whole_ms);
    bar_value(out, line, whole_ms / longest_ms, text);
}

static void part_legend(struct viv_buffer *out, const json_t *parts)
{
    const char *part;
    json_t *ms;
    size_t index = 0;
    viv_buffer_printf(out, "<p class=\"legend\">");
    json_object_foreach((json_t *)parts, part, ms)
    {
        if (strcmp(part, "ramp") != 0 && strcmp(part, "warm") != 0) {
            viv_buffer_printf(out, "<span><i style=\"background:%s\"></i>%s</span>", part_colour(index), part);
        }
        index++;
    }
    viv_buffer_printf(out, "</p>");
}

static void recovery_bars(const struct viv_metric_table *table, const json_t *step, const char *kind, const char *title,
                          struct viv_buffer *out)
{
    json_t **found = viv_alloc_zeroed(table->cell_count, sizeof *found);
    const json_t *parts = NULL;
    double longest_ms = 0;
    size_t lines = 0;
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i) &&
            viv_metrics_median_trial(table, i, viv_result_text(step, "name"), kind, &found[i]) != NULL) {
            longest_ms = fmax(longest_ms, viv_result_number(found[i], "whole_ms"));
            parts =
                json_is_object(json_object_get(found[i], "parts_ms")) ? json_object_get(found[i], "parts_ms") : parts;
            lines++;
        }
    }
    if (lines > 0 && longest_ms > 0) {
        viv_buffer_printf(out, "<div>");
        bars_begin(out, title, lines);
        size_t line = 0;
        for (size_t i = 0; i < table->cell_count; i++) {
            if (found[i] != NULL) {
                recovery_bar(out, found[i], i, line++, longest_ms, viv_metrics_cell_name(table, i));
            }
        }
        viv_buffer_printf(out, "</svg>");
        part_legend(out, parts);
        viv_buffer_printf(out, "</div>\n");
    }
    free(found);
}

void viv_charts_recovery(const struct viv_metric_table *table, struct viv_buffer *out)
{
    size_t index;
    json_t *step;
    char title[160];
    json_array_foreach(plan_steps(table), index, step)
    {
        if (does(step, " kill stop term ")) {
            snprintf(title, sizeof title, "%s: from the fault to the first write", viv_result_text(step, "name"));
            recovery_bars(table, step, kind_of(step), title, out);
        }
        if (does(step, " kill restart ")) {
            snprintf(title, sizeof title, "%s: start of the killed server to its first answer",
                     viv_result_text(step, "name"));
            recovery_bars(table, step, "restart", title, out);
        }
        if (does(step, " cold-start ")) {
            snprintf(title, sizeof title, "%s: start of all servers to the first answer",
                     viv_result_text(step, "name"));
            recovery_bars(table, step, "cold", title, out);
        }
    }
}

void viv_charts_throughput(const struct viv_metric_table *table, struct viv_buffer *out)
{
    for (size_t r = 0; r < table->row_count; r++) {
        const struct viv_metric_row *row = &table->rows[r];
        double high = 0;
        size_t lines = 0;
        for (size_t i = 0; i < table->cell_count; i++) {
            high = fmax(high, row->values[i].median);
            lines += !viv_metrics_is_control(table, i);
        }
        if (row->kind != VIV_METRIC_THROUGHPUT || high <= 0) {
            continue;
        }
        bars_begin(out, viv_result_text(row->step, "name"), lines);
        size_t line = 0;
        for (size_t i = 0; i < table->cell_count; i++) {
            if (!viv_metrics_is_control(table, i)) {
                char text[64];
                const struct viv_metric_value *value = &row->values[i];
                snprintf(text, sizeof text, "%.0f to %.0f %s in %zu trials", value->min, value->max, row->unit,
                         value->count);
                bar_label(out, line, viv_metrics_cell_name(table, i));
                bar(out, line, 0, value->median / high, viv_series_colour(i), text);
                snprintf(text, sizeof text, value->count > 0 ? "%.0f" : "n/a", value->median);
                bar_value(out, line++, value->median / high, text);
            }
        }
        viv_buffer_printf(out, "</svg>\n");
    }
}
