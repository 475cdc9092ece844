#include "metrics/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "metrics/metrics_internal.h"

const struct viv_metric_row viv_metric_rows[VIV_METRIC_COUNT] = {
#define VIV_METRIC(name, kind, unit, scope, help)                                                                      \
    {#name, help, VIV_METRIC_##kind, VIV_METRIC_##unit, VIV_METRIC_##scope},
#include "metrics/metrics.def"
#undef VIV_METRIC
};

static bool is_summary(enum viv_metric_kind kind)
{
    return kind == VIV_METRIC_SUMMARY || kind == VIV_METRIC_ADVANCED;
}

static bool is_set(enum viv_metric_kind kind)
{
    return kind >= VIV_METRIC_GAUGE_SET;
}

static bool is_summary_set(enum viv_metric_kind kind)
{
    return kind == VIV_METRIC_SUMMARY_SET || kind == VIV_METRIC_ADVANCED_SET;
}

/* ---- life ---- */

static struct viv_metric_set *new_set(enum viv_metric_kind kind)
{
    size_t tallies = is_summary_set(kind) ? VIV_METRIC_KEYS_MAX + 1 : 0;
    struct viv_metric_set *set = viv_alloc_zeroed(1, sizeof *set + tallies * sizeof set->tallies[0]);
    for (size_t i = 0; i < tallies; i++) {
        set->cells[i].tally = &set->tallies[i];
    }
    return set;
}

struct viv_metrics *viv_metrics_new(size_t group_count)
{
    VIV_ASSERT(group_count > 0);
    struct viv_metrics *metrics = viv_alloc_zeroed(1, sizeof *metrics);
    metrics->group_count = group_count;
    metrics->cells = viv_alloc_zeroed(
        VIV_METRIC_GROUP_FIRST + group_count * (VIV_METRIC_COUNT - VIV_METRIC_GROUP_FIRST), sizeof *metrics->cells);
    metrics->tallies = viv_alloc_zeroed(VIV_METRIC_COUNT, sizeof *metrics->tallies);
    for (unsigned id = 0; id < VIV_METRIC_COUNT; id++) {
        const struct viv_metric_row *row = &viv_metric_rows[id];
        VIV_ASSERT((row->scope == VIV_METRIC_GROUP) == (id >= VIV_METRIC_GROUP_FIRST));
        VIV_ASSERT(row->scope != VIV_METRIC_GROUP || row->kind <= VIV_METRIC_COUNTER);
        if (is_set(row->kind)) {
            metrics->sets[id] = new_set(row->kind);
        } else if (is_summary(row->kind)) {
            metrics->cells[id].tally = &metrics->tallies[id];
        }
    }
    metrics->stages = viv_stages_new();
    metrics->top = viv_top_new();
    metrics->slow = viv_slow_new();
    return metrics;
}

void viv_metrics_free(struct viv_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (unsigned id = 0; id < VIV_METRIC_COUNT; id++) {
        free(metrics->sets[id]);
    }
    viv_stages_free(metrics->stages);
    viv_top_free(metrics->top);
    viv_slow_free(metrics->slow);
    free(metrics->tallies);
    free(metrics->cells);
    free(metrics);
}

void viv_metrics_tick(struct viv_metrics *metrics, uint64_t now_ns)
{
    viv_stages_tick(metrics->stages, now_ns);
    viv_top_tick(metrics->top, now_ns);
    viv_slow_tick(metrics->slow, now_ns);
}

struct viv_stages *viv_metrics_stages(const struct viv_metrics *metrics)
{
    return metrics->stages;
}

struct viv_top *viv_metrics_top(const struct viv_metrics *metrics)
{
    return metrics->top;
}

struct viv_slow *viv_metrics_slow(const struct viv_metrics *metrics)
{
    return metrics->slow;
}

/* ---- single values ---- */

static struct viv_metric_cell *cell_of(struct viv_metrics *metrics, enum viv_metric_id id, enum viv_metric_kind kind)
{
    VIV_ASSERT(id < VIV_METRIC_GROUP_FIRST && viv_metric_rows[id].kind == kind);
    return &metrics->cells[id];
}

void viv_metrics_set(struct viv_metrics *metrics, enum viv_metric_id id, int64_t value)
{
    cell_of(metrics, id, VIV_METRIC_GAUGE)->value = (uint64_t)value;
}

void viv_metrics_add(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t more)
{
    cell_of(metrics, id, VIV_METRIC_COUNTER)->value += more;
}

void viv_metrics_set_count(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t all)
{
    cell_of(metrics, id, VIV_METRIC_COUNTER)->value = all;
}

void viv_metrics_set_text(struct viv_metrics *metrics, enum viv_metric_id id, const char *text)
{
    VIV_ASSERT(strlen(text) <= VIV_METRIC_KEY_BYTES_MAX);
    cell_of(metrics, id, VIV_METRIC_INFO)->text = text;
}

void viv_metrics_observe(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t value)
{
    viv_metrics_observe_many(metrics, id, value, 1);
}

void viv_metrics_observe_many(struct viv_metrics *metrics, enum viv_metric_id id, uint64_t value, uint64_t count)
{
    VIV_ASSERT(metrics->cells[id].tally != NULL);
    viv_tally_add_many(metrics->cells[id].tally, value, count);
}

struct viv_tally *viv_metrics_tally(struct viv_metrics *metrics, enum viv_metric_id id)
{
    VIV_ASSERT(metrics->cells[id].tally != NULL);
    return metrics->cells[id].tally;
}

static struct viv_metric_cell *group_cell(struct viv_metrics *metrics, viv_gid gid, enum viv_metric_id id,
                                          enum viv_metric_kind kind)
{
    VIV_ASSERT(gid < metrics->group_count && id >= VIV_METRIC_GROUP_FIRST && viv_metric_rows[id].kind == kind);
    return viv_metric_at(metrics, gid, id);
}

void viv_metrics_group_set(struct viv_metrics *metrics, viv_gid gid, enum viv_metric_id id, int64_t value)
{
    group_cell(metrics, gid, id, VIV_METRIC_GAUGE)->value = (uint64_t)value;
}

void viv_metrics_group_set_count(struct viv_metrics *metrics, viv_gid gid, enum viv_metric_id id, uint64_t all)
{
    group_cell(metrics, gid, id, VIV_METRIC_COUNTER)->value = all;
}

/* ---- sets ---- */

static bool has_key(const struct viv_metric_set *set, unsigned index, struct viv_bytes key)
{
    return set->key_bytes[index] == key.size && memcmp(set->keys[index], key.data, key.size) == 0;
}

static unsigned add_key(struct viv_metric_set *set, struct viv_bytes key)
{
    if (set->count >= VIV_METRIC_KEYS_MAX) {
        key = viv_bytes_text("other");
        if (set->count > VIV_METRIC_KEYS_MAX) {
            return VIV_METRIC_KEYS_MAX;
        }
    }
    unsigned index = set->count++;
    memcpy(set->keys[index], key.data, key.size);
    set->keys[index][key.size] = '\0';
    set->key_bytes[index] = (uint8_t)key.size;
    return index;
}

static struct viv_metric_cell *key_cell(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key)
{
    struct viv_metric_set *set = metrics->sets[id];
    VIV_ASSERT(set != NULL && key.size > 0);
    key.size = key.size < VIV_METRIC_KEY_BYTES_MAX ? key.size : VIV_METRIC_KEY_BYTES_MAX;
    if (set->last < set->count && has_key(set, set->last, key)) {
        return &set->cells[set->last];
    }
    unsigned index = 0;
    while (index < set->count && !has_key(set, index, key)) {
        index++;
    }
    set->last = index < set->count ? index : add_key(set, key);
    return &set->cells[set->last];
}

void viv_metrics_key_set(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, int64_t value)
{
    VIV_ASSERT(viv_metric_rows[id].kind == VIV_METRIC_GAUGE_SET);
    key_cell(metrics, id, key)->value = (uint64_t)value;
}

void viv_metrics_key_add(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t more)
{
    VIV_ASSERT(viv_metric_rows[id].kind == VIV_METRIC_COUNTER_SET);
    key_cell(metrics, id, key)->value += more;
}

void viv_metrics_key_set_count(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t all)
{
    VIV_ASSERT(viv_metric_rows[id].kind == VIV_METRIC_COUNTER_SET);
    key_cell(metrics, id, key)->value = all;
}

void viv_metrics_key_observe(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes key, uint64_t value,
                             uint64_t count)
{
    VIV_ASSERT(is_summary_set(viv_metric_rows[id].kind));
    viv_tally_add_many(key_cell(metrics, id, key)->tally, value, count);
}

/* "app" of "/app/x". */
static struct viv_bytes namespace_of(struct viv_bytes path)
{
    const uint8_t *end = path.size > 1 ? memchr(path.data + 1, '/', path.size - 1) : NULL;
    size_t size = end != NULL ? (size_t)(end - path.data) : path.size;
    return size > 1 ? viv_bytes_of(path.data + 1, size - 1) : (struct viv_bytes){0};
}

void viv_metrics_namespace_observe(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path,
                                   uint64_t bytes, uint64_t count)
{
    struct viv_bytes name = namespace_of(path);
    if (name.size > 0) {
        viv_metrics_key_observe(metrics, id, name, path.size + bytes, count);
    }
}

void viv_metrics_namespace_add(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path, uint64_t more)
{
    struct viv_bytes name = namespace_of(path);
    if (name.size > 0) {
        viv_metrics_key_add(metrics, id, name, more);
    }
}

void viv_metrics_namespace_set(struct viv_metrics *metrics, enum viv_metric_id id, struct viv_bytes path, int64_t value)
{
    struct viv_bytes name = namespace_of(path);
    if (name.size > 0) {
        viv_metrics_key_set(metrics, id, name, value);
    }
}

void viv_metrics_keys_clear(struct viv_metrics *metrics, enum viv_metric_id id)
{
    VIV_ASSERT(viv_metric_rows[id].kind == VIV_METRIC_GAUGE_SET);
    metrics->sets[id]->count = 0;
}

/* ---- reset ---- */

static void reset_cell(struct viv_metric_cell *cell, enum viv_metric_kind kind)
{
    if (cell->tally != NULL) {
        cell->past += cell->tally->count;
        cell->past_sum += cell->tally->sum;
        viv_tally_clear(cell->tally);
    } else if (kind == VIV_METRIC_COUNTER || kind == VIV_METRIC_COUNTER_SET) {
        cell->past = cell->value;
    }
}

void viv_metrics_reset(struct viv_metrics *metrics)
{
    for (unsigned id = 0; id < VIV_METRIC_COUNT; id++) {
        enum viv_metric_kind kind = viv_metric_rows[id].kind;
        struct viv_metric_set *set = metrics->sets[id];
        for (unsigned i = 0; set != NULL && i < set->count; i++) {
            reset_cell(&set->cells[i], kind);
        }
        for (size_t gid = 0; gid < (id >= VIV_METRIC_GROUP_FIRST ? metrics->group_count : 1); gid++) {
            reset_cell(viv_metric_at(metrics, (viv_gid)gid, (enum viv_metric_id)id), kind);
        }
    }
}
