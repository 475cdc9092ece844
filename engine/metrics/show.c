#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "metrics/metrics_internal.h"

enum { NS_PER_MS = 1000000, NAME_BYTES_MAX = 192, TEXT_BYTES_MAX = 48, DECIMALS = 10000 };

static bool is_present(const struct viv_metric_row *row, const struct viv_metrics_view *view)
{
    return (row->scope != VIV_METRIC_ENSEMBLE || view->is_ensemble) &&
           (row->scope != VIV_METRIC_LEADER || (view->is_ensemble && view->is_leader));
}

static bool is_ours(const struct viv_metric_row *row)
{
    return row->scope == VIV_METRIC_SERVER || row->scope == VIV_METRIC_GROUP;
}

static void walk_row(const struct viv_metrics *metrics, enum viv_metric_id id, viv_metric_shown_fn *show, void *ctx)
{
    struct viv_metric_shown shown = {.row = &viv_metric_rows[id], .gid = -1};
    const struct viv_metric_set *set = metrics->sets[id];
    if (set != NULL) {
        for (unsigned i = 0; i < set->count; i++) {
            shown.cell = &set->cells[i];
            shown.key = set->keys[i];
            show(ctx, &shown);
        }
        return;
    }
    size_t groups = shown.row->scope == VIV_METRIC_GROUP ? metrics->group_count : 1;
    for (size_t gid = 0; gid < groups; gid++) {
        shown.gid = shown.row->scope == VIV_METRIC_GROUP ? (int)gid : -1;
        shown.cell = viv_metric_at(metrics, (viv_gid)gid, id);
        show(ctx, &shown);
    }
}

void viv_metrics_walk(const struct viv_metrics *metrics, const struct viv_metrics_view *view, viv_metric_shown_fn *show,
                      void *ctx)
{
    for (unsigned id = 0; id < VIV_METRIC_COUNT; id++) {
        if (is_present(&viv_metric_rows[id], view)) {
            walk_row(metrics, (enum viv_metric_id)id, show, ctx);
        }
    }
}

/* ---- lines of mntr ---- */

struct lines {
    viv_metric_line_fn *visit;
    void *ctx;
};

/* "avg_" before ZooKeeper's names, behind the group of ours; a key stands before the name. */
static void print_name(char *out, const struct viv_metric_shown *shown, const char *prefix)
{
    int size;
    if (shown->gid >= 0) {
        size = snprintf(out, NAME_BYTES_MAX, "viv_group_%d_%s%s", shown->gid, prefix, shown->row->name);
    } else if (shown->key != NULL && is_ours(shown->row)) {
        const char *name = shown->row->name + sizeof "viv_" - 1;
        size = snprintf(out, NAME_BYTES_MAX, "viv_%s%s_%s", prefix, shown->key, name);
    } else if (shown->key != NULL) {
        size = snprintf(out, NAME_BYTES_MAX, "%s%s_%s", prefix, shown->key, shown->row->name);
    } else if (is_ours(shown->row) && prefix[0] != '\0') {
        size = snprintf(out, NAME_BYTES_MAX, "viv_%s%s", prefix, shown->row->name + sizeof "viv_" - 1);
    } else {
        size = snprintf(out, NAME_BYTES_MAX, "%s%s", prefix, shown->row->name);
    }
    VIV_ASSERT(size > 0 && size < NAME_BYTES_MAX);
}

static void tell(const struct lines *lines, const struct viv_metric_shown *shown, const char *prefix, const char *text)
{
    char name[NAME_BYTES_MAX];
    print_name(name, shown, prefix);
    struct viv_metric_line line = {name, text, is_ours(shown->row), shown->row->kind == VIV_METRIC_INFO};
    lines->visit(lines->ctx, &line);
}

static void tell_integer(const struct lines *lines, const struct viv_metric_shown *shown, const char *prefix,
                         uint64_t value)
{
    char text[TEXT_BYTES_MAX];
    uint64_t unit = shown->row->unit == VIV_METRIC_TIME ? NS_PER_MS : 1;
    snprintf(text, sizeof text, "%" PRIu64, value / unit);
    tell(lines, shown, prefix, text);
}

/* As ZooKeeper prints doubles: up to four decimals, at least one. */
static void tell_decimal(const struct lines *lines, const struct viv_metric_shown *shown, const char *prefix,
                         uint64_t tenthousands)
{
    char text[TEXT_BYTES_MAX];
    int size = snprintf(text, sizeof text, "%" PRIu64 ".%04" PRIu64, tenthousands / DECIMALS, tenthousands % DECIMALS);
    while (text[size - 1] == '0' && text[size - 2] != '.') {
        text[--size] = '\0';
    }
    tell(lines, shown, prefix, text);
}

/* sum * 10000 / count without running over: the parts first. */
static uint64_t average(const struct viv_tally *tally, enum viv_metric_unit unit)
{
    if (tally->count == 0) {
        return 0;
    }
    uint64_t whole = tally->sum / tally->count, rest = tally->sum % tally->count;
    if (unit == VIV_METRIC_TIME) {
        return whole / (NS_PER_MS / DECIMALS);
    }
    return whole * DECIMALS + (rest < UINT64_MAX / DECIMALS ? rest * DECIMALS / tally->count : 0);
}

static void tell_summary(const struct lines *lines, const struct viv_metric_shown *shown)
{
    static const struct {
        const char *prefix;
        unsigned per_mille;
    } quantiles[] = {{"p50_", 500}, {"p95_", 950}, {"p99_", 990}, {"p999_", 999}};
    const struct viv_tally *tally = shown->cell->tally;
    char text[TEXT_BYTES_MAX];
    tell_decimal(lines, shown, "avg_", average(tally, shown->row->unit));
    tell_integer(lines, shown, "min_", tally->min);
    tell_integer(lines, shown, "max_", tally->max);
    snprintf(text, sizeof text, "%" PRIu64, tally->count);
    tell(lines, shown, "cnt_", text);
    tell_integer(lines, shown, "sum_", tally->sum);
    if (shown->row->kind == VIV_METRIC_ADVANCED || shown->row->kind == VIV_METRIC_ADVANCED_SET) {
        for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
            tell_integer(lines, shown, quantiles[i].prefix, viv_tally_quantile(tally, quantiles[i].per_mille));
        }
    }
}

static void tell_gauge(const struct lines *lines, const struct viv_metric_shown *shown)
{
    char text[TEXT_BYTES_MAX];
    int64_t value = (int64_t)shown->cell->value;
    if (shown->row->unit == VIV_METRIC_DECIMAL) {
        tell_decimal(lines, shown, "", (uint64_t)value);
        return;
    }
    if (shown->row->unit == VIV_METRIC_BITS) {
        snprintf(text, sizeof text, "%" PRIu64, shown->cell->value);
    } else {
        snprintf(text, sizeof text, "%" PRId64, shown->row->unit == VIV_METRIC_TIME ? value / NS_PER_MS : value);
    }
    tell(lines, shown, "", text);
}

static void tell_lines(void *ctx, const struct viv_metric_shown *shown)
{
    const struct lines *lines = ctx;
    switch (shown->row->kind) {
    case VIV_METRIC_GAUGE:
    case VIV_METRIC_GAUGE_SET:
        tell_gauge(lines, shown);
        break;
    case VIV_METRIC_COUNTER:
    case VIV_METRIC_COUNTER_SET:
        tell_integer(lines, shown, "", shown->cell->value - shown->cell->past);
        break;
    case VIV_METRIC_INFO:
        tell(lines, shown, "", shown->cell->text != NULL ? shown->cell->text : "");
        break;
    default:
        tell_summary(lines, shown);
        break;
    }
}

void viv_metrics_visit(const struct viv_metrics *metrics, const struct viv_metrics_view *view,
                       viv_metric_line_fn *visit, void *ctx)
{
    struct lines lines = {visit, ctx};
    viv_metrics_walk(metrics, view, tell_lines, &lines);
}

static void print_line(void *ctx, const struct viv_metric_line *line)
{
    viv_buffer_printf(ctx, "%s%s\t%s\n", line->is_ours ? "" : "zk_", line->name, line->text);
}

void viv_metrics_mntr(const struct viv_metrics *metrics, const struct viv_metrics_view *view, struct viv_buffer *out)
{
    viv_metrics_visit(metrics, view, print_line, out);
}
