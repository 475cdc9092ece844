#include <stdio.h>
#include <stdlib.h>

#include "experiments/lab/chart.h"
#include "experiments/lab/fairness.h"
#include "experiments/lab/report.h"
#include "experiments/lab/report_charts.h"

static const char style[] =
    "<style>\n"
    ":root{--ink:#1e293b;--soft:#64748b;--rule:#e2e8f0;--paper:#fff;--tint:#f8fafc}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e2e8f0;--soft:#94a3b8;--rule:#334155;--paper:#0f172a;"
    "--tint:#1e293b}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1180px;"
    "margin:2rem auto;padding:0 1.2rem}\n"
    "h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.4rem;border-bottom:1px solid "
    "var(--rule);padding-bottom:.2rem}\n"
    "p.note{color:var(--soft);max-width:75ch}table{border-collapse:collapse;width:100%;font-size:14px}\n"
    "th,td{text-align:right;padding:.22rem .6rem;border-bottom:1px solid var(--rule);white-space:nowrap}\n"
    "th:first-child,td:first-child{text-align:left}tr.step td{font-weight:600;background:var(--tint);"
    "border-bottom:none;padding-top:.6rem}\n"
    "td small{color:var(--soft);display:block;line-height:1.2}td.best{font-weight:600}\n"
    "svg{width:100%;max-width:560px;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}\n"
    "svg .title{font-size:13px;font-weight:600}svg .grid{stroke:var(--rule)}svg .line{fill:none;stroke-width:1.8}\n"
    ".row,.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:1rem}\n"
    ".legend span{margin-right:1.2rem;white-space:nowrap}.legend i{display:inline-block;width:11px;height:11px;"
    "border-radius:2px;margin-right:.35rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;font-size:14px}dt{color:var(--soft)}"
    "dd{margin:0}\n"
    ".wide{overflow-x:auto}.bad{color:#dc2626}\n"
    "</style>\n";

static void number_text(double value, char *text, size_t size)
{
    snprintf(text, size, "%.*f", value >= 100 ? 0 : value >= 10 ? 1 : 2, value);
}

static void put_text(struct viv_buffer *out, const char *before, const char *text, const char *after)
{
    viv_buffer_printf(out, "%s", before);
    viv_html_text(out, text);
    viv_buffer_printf(out, "%s", after);
}

static void put_legend(const struct viv_metric_table *table, struct viv_buffer *out)
{
    viv_buffer_printf(out, "<p class=\"legend\">");
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i)) {
            viv_buffer_printf(out, "<span><i style=\"background:%s\"></i>", viv_series_colour(i));
            put_text(out, "", viv_metrics_cell_name(table, i), "</span>");
        }
    }
    viv_buffer_printf(out, "</p>\n");
}

static bool is_best(const struct viv_metric_table *table, const struct viv_metric_row *row, size_t cell)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct viv_metric_value *other = &row->values[i];
        if (!viv_metrics_is_control(table, i) && other->count > 0 && i != cell) {
            bool is_beaten = row->higher_is_better ? other->median > row->values[cell].median
                                                   : other->median < row->values[cell].median;
            if (is_beaten) {
                return false;
            }
        }
    }
    return true;
}

static void put_value(const struct viv_metric_table *table, const struct viv_metric_row *row, size_t cell,
                      struct viv_buffer *out)
{
    const struct viv_metric_value *value = &row->values[cell];
    if (value->count == 0) {
        put_text(out, "<td title=\"", viv_metrics_why(table, cell), "\">n/a</td>");
        return;
    }
    char median[32];
    char low[32];
    char high[32];
    bool is_noise;
    size_t reference = viv_metrics_reference(table);
    double ratio = viv_metrics_ratio(row, cell, reference, &is_noise);
    number_text(value->median, median, sizeof median);
    number_text(value->min, low, sizeof low);
    number_text(value->max, high, sizeof high);
    viv_buffer_printf(out, "<td%s>%s", is_best(table, row, cell) ? " class=\"best\"" : "", median);
    if (cell != reference && ratio > 0) {
        if (is_noise) {
            viv_buffer_printf(out, " (same)");
        } else {
            viv_buffer_printf(out, " (×%.2f)", ratio);
        }
    }
    viv_buffer_printf(out, "<small>%s – %s, n=%zu</small></td>", low, high, value->count);
}

static void put_table(const struct viv_metric_table *table, struct viv_buffer *out)
{
    const json_t *step = NULL;
    viv_buffer_printf(out, "<div class=\"wide\"><table><tr><th></th>");
    for (size_t i = 0; i < table->cell_count; i++) {
        if (!viv_metrics_is_control(table, i)) {
            put_text(out, "<th>", viv_metrics_cell_name(table, i), "</th>");
        }
    }
    viv_buffer_printf(out, "<th>noise floor</th></tr>\n");
    for (size_t r = 0; r < table->row_count; r++) {
        const struct viv_metric_row *row = &table->rows[r];
        if (row->step != step) {
            step = row->step;
            char words[160];
            viv_metrics_describe(step, words, sizeof words);
            put_text(out, "<tr class=\"step\"><td colspan=\"9\">", viv_result_text(step, "name"), " <small>");
            put_text(out, "", words, "</small></td></tr>\n");
        }
        put_text(out, "<tr><td>", row->label, "");
        viv_buffer_printf(out, ", %s</td>", row->unit);
        for (size_t i = 0; i < table->cell_count; i++) {
            if (!viv_metrics_is_control(table, i)) {
                put_value(table, row, i, out);
            }
        }
        viv_buffer_printf(out, row->noise < 0 ? "<td>–</td></tr>\n" : "<td>±%.0f %%</td></tr>\n", 100 * row->noise);
    }
    viv_buffer_printf(out, "</table></div>\n");
}

static void put_failures(const struct viv_metric_table *table, struct viv_buffer *out)
{
    size_t failed = 0;
    for (size_t i = 0; i < table->results->trial_count; i++) {
        const struct viv_result_trial *trial = &table->results->trials[i];
        if (!trial->valid) {
            viv_buffer_printf(out, failed++ == 0 ? "<h2>Trials that do not count</h2><ul>\n" : "");
            put_text(out, "<li>", trial->cell, "");
            viv_buffer_printf(out, ", trial %d: ", trial->number);
            put_text(out, "", viv_result_text(trial->summary, "why"), "");
            json_t *reasons = json_object_get(trial->summary, "invalid_why");
            for (size_t r = 0; r < json_array_size(reasons); r++) {
                put_text(out, " ", json_string_value(json_array_get(reasons, r)), ";");
            }
            viv_buffer_printf(out, "</li>\n");
        }
    }
    viv_buffer_printf(out, failed > 0 ? "</ul>\n" : "");
}

/* Nested objects as "outer.inner" terms; lists in one line. */
static void put_terms(struct viv_buffer *out, const char *prefix, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        char name[96];
        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
        if (json_is_object(value)) {
            put_terms(out, name, value);
            continue;
        }
        put_text(out, "<dt>", name, "</dt>");
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        put_text(out, "<dd>", text != NULL ? text : json_string_value(value), "</dd>\n");
        free(text);
    }
}

static void put_fairness(const struct viv_metric_table *table, struct viv_buffer *out)
{
    char text[160];
    viv_buffer_printf(out, "<div class=\"wide\"><table><tr><th></th>");
    for (size_t i = 0; i < table->cell_count; i++) {
        put_text(out, "<th>", viv_metrics_cell_name(table, i), "</th>");
    }
    viv_buffer_printf(out, "</tr>\n");
    for (size_t row = 0; row < viv_fairness_count(); row++) {
        put_text(out, "<tr><td>", viv_fairness_name(row), "</td>");
        for (size_t i = 0; i < table->cell_count; i++) {
            viv_fairness_value(table, row, i, text, sizeof text);
            put_text(out, "<td style=\"white-space:normal\">", text, "</td>");
        }
        viv_buffer_printf(out, "</tr>\n");
    }
    viv_buffer_printf(out, "</table></div>\n");
    put_text(out, "<p class=\"note\">", viv_fairness_note(), "</p>\n");
}

static void put_section(struct viv_buffer *out, const char *title, const char *note, const struct viv_buffer *content)
{
    if (content->size > 0) {
        viv_buffer_printf(out, "<h2>%s</h2>\n<p class=\"note\">%s</p>\n", title, note);
        viv_buffer_append_bytes(out, viv_buffer_bytes(content));
    }
}

typedef void charts_fn(const struct viv_metric_table *table, struct viv_buffer *out);

static void put_charts(const struct viv_metric_table *table, struct viv_buffer *out)
{
    static const struct {
        const char *title;
        const char *note;
        charts_fn *draw;
        bool is_grid;
    } sections[] = {
        {"Throughput, saturated", "Acknowledged operations per second; the longer the better.", viv_charts_throughput,
         true},
        {"Latency at every percentile",
         "All requests of all valid trials of a cell. In saturated steps latency is what queueing makes of throughput; "
         "steps with one client show the path itself. Lower is better; both axes are logarithmic.",
         viv_charts_latency, true},
        {"Round each fault",
         "Writes acknowledged per second under a constant load that does not wait (open loop), in tenths of a second, "
         "in "
         "the trial with the median recovery. Latency counts from when a request was due, so what piled up during the "
         "outage appears as the peak after it.",
         viv_charts_timeline, false},
        {"Recovery, in parts",
         "The trial with the median recovery of each cell. Parts come from milestones that the servers record and sum "
         "to "
         "the whole; a system that records none is shown whole. Point at a part for its time.",
         viv_charts_recovery, true},
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct viv_buffer charts = {0};
        struct viv_buffer content = {0};
        sections[i].draw(table, &charts);
        if (charts.size > 0) {
            put_legend(table, &content);
            viv_buffer_printf(&content, sections[i].is_grid ? "<div class=\"charts\">" : "<div>");
            viv_buffer_append_bytes(&content, viv_buffer_bytes(&charts));
            viv_buffer_printf(&content, "</div>\n");
        }
        put_section(out, sections[i].title, sections[i].note, &content);
        viv_buffer_fini(&charts);
        viv_buffer_fini(&content);
    }
}

void viv_report_html(const struct viv_metric_table *table, struct viv_buffer *out)
{
    const struct viv_results *results = table->results;
    const char *name = viv_result_text(results->plan, "name");
    viv_buffer_printf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                           "<meta name=\"viewport\" content=\"width=device-width\">");
    put_text(out, "<title>Vivarium: ", name, "</title>");
    viv_buffer_printf(out, "%s</head><body>\n", style);
    put_text(out, "<h1>", viv_result_text(results->plan, "question"), "</h1>\n");
    put_text(out, "<p class=\"note\">Plan ", name, ", started ");
    put_text(out, "", viv_result_text(results->provenance, "started_utc"), ", commit ");
    const char *commit = viv_result_text(json_object_get(results->provenance, "build"), "commit");
    put_text(out, "", commit[0] != '\0' ? commit : "unknown", ".</p>\n");
    viv_buffer_printf(out,
                      "<h2>Results</h2>\n<p class=\"note\">Medians over valid trials with their extremes; the best "
                      "of a row is bold; × is the ratio to ");
    put_text(out, "", viv_metrics_cell_name(table, viv_metrics_reference(table)), ". ");
    viv_buffer_printf(out,
                      "The noise floor is the difference between two cells that are identical: differences below it "
                      "are shown as the same.</p>\n");
    put_table(table, out);
    put_failures(table, out);
    put_charts(table, out);
    viv_buffer_printf(out, "<h2>Fairness</h2>\n");
    put_fairness(table, out);
    viv_buffer_printf(out, "<h2>Provenance</h2>\n<dl>");
    put_terms(out, "", results->provenance);
    put_terms(out, "calibration", results->calibration);
    viv_buffer_printf(out, "</dl>\n</body></html>\n");
}
