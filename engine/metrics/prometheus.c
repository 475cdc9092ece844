#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "metrics/metrics.h"
#include "metrics/metrics_internal.h"

/* Text exposition 0.0.4 in the shape of the Java client library that ZooKeeper uses: every value a float, label lists
 * end with a comma, counters without _total, HELP repeats the name where there is no better text. */

enum { LABEL_BYTES_MAX = 2 * VIV_METRIC_KEY_BYTES_MAX + 96, NAME_BYTES_MAX = 96 };

struct exposition {
    const struct viv_bytes *names;
    size_t name_count;
    struct viv_buffer *out;
    char family[NAME_BYTES_MAX]; /* whose head was written last */
};

/* Of one family: what is written in its head. */
struct family {
    const char *name, *help, *type;
};

static bool is_wanted(const struct exposition *exposition, const char *name)
{
    for (size_t i = 0; i < exposition->name_count; i++) {
        if (viv_bytes_equal(exposition->names[i], viv_bytes_text(name))) {
            return true;
        }
    }
    return exposition->name_count == 0;
}

static void write_head(struct exposition *exposition, const struct family *family)
{
    if (strcmp(exposition->family, family->name) != 0) {
        snprintf(exposition->family, sizeof exposition->family, "%s", family->name);
        viv_buffer_printf(exposition->out, "# HELP %s %s\n# TYPE %s %s\n", family->name,
                          family->help[0] != '\0' ? family->help : family->name, family->name, family->type);
    }
}

static void write_value(struct viv_buffer *out, uint64_t value, enum viv_metric_unit unit)
{
    static const struct {
        uint64_t divisor;
        int digits;
    } scales[] = {
        [VIV_METRIC_NUMBER] = {1, 1},
        [VIV_METRIC_BITS] = {1, 1},
        [VIV_METRIC_DECIMAL] = {10000, 4},
        [VIV_METRIC_TIME] = {1000000, 6},
    };
    uint64_t divisor = scales[unit].divisor;
    viv_buffer_printf(out, "%" PRIu64 ".%0*" PRIu64, value / divisor, scales[unit].digits, value % divisor);
    while (out->data[out->size - 1] == '0' && out->data[out->size - 2] != '.') {
        out->size--;
    }
}

/* `labels` is "" or ends with a comma. */
static bool begin_sample(struct exposition *exposition, const struct family *family, const char *suffix,
                         const char *labels)
{
    char name[NAME_BYTES_MAX];
    int size = snprintf(name, sizeof name, "%s%s", family->name, suffix);
    VIV_ASSERT(size > 0 && size < NAME_BYTES_MAX);
    if (!is_wanted(exposition, name)) {
        return false;
    }
    write_head(exposition, family);
    viv_buffer_printf(exposition->out, labels[0] != '\0' ? "%s{%s} " : "%s%s ", name, labels);
    return true;
}

static void write_sample(struct exposition *exposition, const struct family *family, const char *suffix,
                         const char *labels, uint64_t value, enum viv_metric_unit unit)
{
    if (begin_sample(exposition, family, suffix, labels)) {
        write_value(exposition->out, value, unit);
        viv_buffer_printf(exposition->out, "\n");
    }
}

static void write_quantile(struct exposition *exposition, const struct family *family, const char *labels,
                           unsigned per_mille, const struct viv_tally *tally, enum viv_metric_unit unit)
{
    char quantiled[LABEL_BYTES_MAX];
    unsigned hundredths = per_mille / 10;
    int size =
        snprintf(quantiled, sizeof quantiled, hundredths % 10 == 0 ? "%squantile=\"0.%u\"," : "%squantile=\"0.%02u\",",
                 labels, hundredths % 10 == 0 ? hundredths / 10 : hundredths);
    VIV_ASSERT(size > 0 && size < LABEL_BYTES_MAX);
    if (tally->count > 0) {
        write_sample(exposition, family, "", quantiled, viv_tally_quantile(tally, per_mille), unit);
    } else if (begin_sample(exposition, family, "", quantiled)) {
        viv_buffer_printf(exposition->out, "NaN\n");
    }
}

static void write_summary(struct exposition *exposition, const struct family *family, const char *labels,
                          const struct viv_tally *tally, bool is_advanced, uint64_t count, uint64_t sum,
                          enum viv_metric_unit unit)
{
    static const unsigned per_milles[] = {500, 900, 990};
    for (size_t i = 0; i < (is_advanced ? sizeof per_milles / sizeof per_milles[0] : 1); i++) {
        write_quantile(exposition, family, labels, per_milles[i], tally, unit);
    }
    write_sample(exposition, family, "_count", labels, count, VIV_METRIC_NUMBER);
    write_sample(exposition, family, "_sum", labels, sum, unit);
}

/* ---- rows ---- */

static const char *type_of(enum viv_metric_kind kind)
{
    switch (kind) {
    case VIV_METRIC_GAUGE:
    case VIV_METRIC_GAUGE_SET:
    case VIV_METRIC_INFO:
        return "gauge";
    case VIV_METRIC_COUNTER:
    case VIV_METRIC_COUNTER_SET:
        return "counter";
    default:
        return "summary";
    }
}

static void print_labels(char *out, const struct viv_metric_shown *shown)
{
    int size = 0;
    out[0] = '\0';
    if (shown->gid >= 0) {
        size = snprintf(out, LABEL_BYTES_MAX, "group=\"%d\",", shown->gid);
    } else if (shown->key != NULL) {
        size = snprintf(out, LABEL_BYTES_MAX, "key=\"");
        for (const char *c = shown->key; *c != '\0'; c++) {
            const char *escaped = *c == '"' ? "\\\"" : *c == '\\' ? "\\\\" : *c == '\n' ? "\\n" : NULL;
            size += escaped != NULL ? snprintf(out + size, 3, "%s", escaped) : snprintf(out + size, 2, "%c", *c);
        }
        size += snprintf(out + size, LABEL_BYTES_MAX - (size_t)size, "\",");
    }
    VIV_ASSERT(size >= 0 && size < LABEL_BYTES_MAX);
}

static void write_gauge(struct exposition *exposition, const struct family *family, const char *labels,
                        const struct viv_metric_shown *shown)
{
    int64_t value = (int64_t)shown->cell->value;
    if (shown->row->unit == VIV_METRIC_BITS || value >= 0) {
        write_sample(exposition, family, "", labels, shown->cell->value, shown->row->unit);
    } else if (begin_sample(exposition, family, "", labels)) {
        viv_buffer_printf(exposition->out, "-");
        write_value(exposition->out, (uint64_t)-value, shown->row->unit);
        viv_buffer_printf(exposition->out, "\n");
    }
}

static void write_info(struct exposition *exposition, const struct family *family, const char *text)
{
    char labels[LABEL_BYTES_MAX];
    print_labels(labels, &(struct viv_metric_shown){.key = text != NULL ? text : "", .gid = -1});
    write_sample(exposition, family, "", labels, 1, VIV_METRIC_NUMBER);
}

static void write_shown(void *ctx, const struct viv_metric_shown *shown)
{
    struct exposition *exposition = ctx;
    const struct viv_metric_row *row = shown->row;
    const struct viv_metric_cell *cell = shown->cell;
    char labels[LABEL_BYTES_MAX], name[NAME_BYTES_MAX];
    print_labels(labels, shown);
    snprintf(name, sizeof name, "%s%s", row->scope == VIV_METRIC_GROUP ? "viv_" : "", row->name);
    struct family family = {name, row->help, type_of(row->kind)};
    switch (row->kind) {
    case VIV_METRIC_GAUGE:
    case VIV_METRIC_GAUGE_SET:
        write_gauge(exposition, &family, labels, shown);
        break;
    case VIV_METRIC_COUNTER:
    case VIV_METRIC_COUNTER_SET:
        write_sample(exposition, &family, "", labels, cell->value, row->unit);
        break;
    case VIV_METRIC_INFO:
        write_info(exposition, &family, cell->text);
        break;
    default:
        write_summary(exposition, &family, labels, cell->tally,
                      row->kind == VIV_METRIC_ADVANCED || row->kind == VIV_METRIC_ADVANCED_SET,
                      cell->past + cell->tally->count, cell->past_sum + cell->tally->sum, row->unit);
        break;
    }
}

/* ---- stages ---- */

static void write_stage(void *ctx, const struct viv_stage_sample *sample)
{
    static const struct family family = {"viv_stage_ms", "time in each stage of a request, by kind; the last 10 s",
                                         "summary"};
    static const char *const views[] = {[VIV_STAGE_VIEW_CLIENT] = "client", [VIV_STAGE_VIEW_LEADER] = "leader"};
    char labels[LABEL_BYTES_MAX];
    snprintf(labels, sizeof labels, "seen=\"%s\",op=\"%s\",stage=\"%s\",", views[sample->view], sample->op,
             sample->stage);
    write_summary(ctx, &family, labels, sample->tally, true, sample->count_all, sample->sum_all_ns, VIV_METRIC_TIME);
}

void viv_metrics_prometheus(const struct viv_metrics *metrics, const struct viv_metrics_view *view,
                            const struct viv_bytes *names, size_t name_count, struct viv_buffer *out)
{
    struct exposition exposition = {.names = names, .name_count = name_count, .out = out};
    viv_metrics_walk(metrics, view, write_shown, &exposition);
    viv_stages_visit(metrics->stages, write_stage, &exposition);
}
