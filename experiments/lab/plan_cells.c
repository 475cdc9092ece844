#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "datasets/namespace.h"
#include "experiments/lab/files.h"
#include "experiments/lab/plan_internal.h"
#include "experiments/lab/system.h"
#include "partition/partition.h"

enum { CELLS_MAX = 200, SERVERS_MAX = 13, KEYS_MAX = 10000000, VALUE_BYTES_MAX = 1000000 };

/* One point of the grid while it is put together: the text of every field, and where it stands. */
struct draft {
    const char *text[VIV_CELL_FIELD_COUNT];
    char path[VIV_CELL_FIELD_COUNT][64];
    const struct viv_source_dataset *dataset;
    char dataset_path[64];
    char **config;
    unsigned config_count;
    const char *where; /* path of the cell in the file */
};

static void overlay(struct draft *draft, const struct viv_source_cell *cell, const char *where)
{
    for (unsigned i = 0; i < VIV_CELL_FIELD_COUNT; i++) {
        if (cell->text[i] != NULL) {
            draft->text[i] = cell->text[i];
            snprintf(draft->path[i], sizeof draft->path[i], "%s.%s", where, viv_cell_field_key(i));
        }
    }
    if (cell->dataset != NULL) {
        draft->dataset = cell->dataset;
        snprintf(draft->dataset_path, sizeof draft->dataset_path, "%s.dataset", where);
    }
    if (cell->config_count > 0) {
        draft->config = cell->config;
        draft->config_count = cell->config_count;
    }
    draft->where = where;
}

/* Every field that the pattern gives has the same text in the draft. */
static bool matches(const struct draft *draft, const struct viv_source_cell *pattern)
{
    for (unsigned i = 0; i < VIV_CELL_FIELD_COUNT; i++) {
        if (pattern->text[i] != NULL && (draft->text[i] == NULL || strcmp(draft->text[i], pattern->text[i]) != 0)) {
            return false;
        }
    }
    return true;
}

static uint64_t number(struct viv_source *source, const struct draft *draft, enum viv_cell_field field,
                       enum viv_field_kind kind, uint64_t otherwise, uint64_t least, uint64_t greatest)
{
    uint64_t value = otherwise;
    if (draft->text[field] != NULL &&
        viv_plan_scalar(source, draft->path[field], viv_cell_field_key(field), kind, draft->text[field], &value)) {
        viv_plan_range(source, draft->path[field], viv_cell_field_key(field), value, least, greatest);
    }
    return value;
}

static void read_system(struct viv_source *source, const struct draft *draft, struct viv_plan *plan,
                        struct viv_cell *cell)
{
    const char *system = draft->text[VIV_CELL_system];
    const char *backend = draft->text[VIV_CELL_backend];
    const char *durability = draft->text[VIV_CELL_durability];
    cell->system = VIV_SYSTEM_VIVARIUM;
    cell->durable = true;
    if (system != NULL && !viv_system_find(system, &cell->system)) {
        viv_source_error(source, draft->path[VIV_CELL_system],
                         "system: '%s' is not vivarium, zookeeper, etcd or partition", system);
    }
    if (backend != NULL && (cell->system == VIV_SYSTEM_ZOOKEEPER || cell->system == VIV_SYSTEM_ETCD)) {
        viv_source_error(source, draft->path[VIV_CELL_backend], "%s has no backends: leave backend out", system);
    } else if (backend != NULL && cell->system == VIV_SYSTEM_VIVARIUM) {
        cell->backend = viv_plan_keep(plan, backend);
    }
    if (durability != NULL && strcmp(durability, "none") == 0) {
        cell->durable = false;
    } else if (durability != NULL && strcmp(durability, "sync") != 0) {
        viv_source_error(source, draft->path[VIV_CELL_durability], "durability: '%s' is not sync or none", durability);
    }
    if (!cell->durable && cell->system == VIV_SYSTEM_ETCD) {
        viv_source_error(source, draft->path[VIV_CELL_durability], "etcd 3.4 always syncs: leave durability out");
    }
    if (cell->system == VIV_SYSTEM_PARTITION) {
        return;
    }
    snprintf(cell->system_label, sizeof cell->system_label, "%s%s",
             cell->backend != NULL ? cell->backend : viv_system_name(cell->system),
             cell->durable || (backend != NULL && strcmp(backend, "memory") == 0) ? "" : "-unsafe");
}

static void read_scheme(struct viv_source *source, const struct draft *draft, struct viv_plan *plan,
                        struct viv_cell *cell)
{
    const char *name = draft->text[VIV_CELL_scheme];
    if (cell->system != VIV_SYSTEM_PARTITION) {
        for (unsigned i = VIV_CELL_scheme; i < VIV_CELL_FIELD_COUNT; i++) {
            if (draft->text[i] != NULL) {
                viv_source_error(source, draft->path[i], "%s has a meaning for system: partition only",
                                 viv_cell_field_key(i));
            }
        }
        return;
    }
    if (name == NULL || viv_partition_find(name) == NULL) {
        viv_source_error(source, name == NULL ? draft->where : draft->path[VIV_CELL_scheme],
                         "scheme: '%s' is not one of engine/partition/schemes.def", name == NULL ? "" : name);
        return;
    }
    snprintf(cell->system_label, sizeof cell->system_label, "%s", name);
    cell->scheme = (struct viv_cell_scheme){
        .name = viv_plan_keep(plan, name),
        .bins = (uint32_t)number(source, draft, VIV_CELL_bins, VIV_KIND_COUNT, 3, 1, 10000),
        .vnodes = (uint32_t)number(source, draft, VIV_CELL_vnodes, VIV_KIND_COUNT, 128, 1, 100000),
        .slots = (uint32_t)number(source, draft, VIV_CELL_slots, VIV_KIND_COUNT, 256, 1, 1 << 20),
        .table_size = (uint32_t)number(source, draft, VIV_CELL_table_size, VIV_KIND_COUNT, 65537, 1, 1 << 24),
        .epsilon = (double)number(source, draft, VIV_CELL_epsilon, VIV_KIND_PERCENT, 5, 0, 100) / 100,
    };
}

static bool is_shape(const char *name)
{
    for (const char *const *shape = viv_namespace_shapes; *shape != NULL; shape++) {
        if (strcmp(*shape, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A snapshot file is named relative to the plan. */
static const char *beside_plan(struct viv_plan *plan, const char *name)
{
    const char *slash = strrchr(plan->path, '/');
    char *text = name[0] == '/' || slash == NULL ? viv_text("%s", name)
                                                 : viv_text("%.*s/%s", (int)(slash - plan->path), plan->path, name);
    const char *kept = viv_plan_keep(plan, text);
    free(text);
    return kept;
}

static void read_dataset(struct viv_source *source, const struct draft *draft, struct viv_plan *plan,
                         struct viv_cell *cell)
{
    enum { ZNODES_MAX = 100000000 };
    const struct viv_source_dataset *dataset = draft->dataset;
    cell->shape_znodes = number(source, draft, VIV_CELL_znodes, VIV_KIND_COUNT, 0, 1, ZNODES_MAX);
    if (dataset == NULL) {
        return;
    }
    const char *where = draft->dataset_path;
    if ((dataset->snapshot != NULL) == (dataset->shape != NULL)) {
        viv_source_error(source, where, "dataset: give either a snapshot file or a shape");
        return;
    }
    if (dataset->snapshot != NULL) {
        cell->snapshot = beside_plan(plan, dataset->snapshot);
        if (!viv_path_exists(cell->snapshot)) {
            viv_source_error(source, where, "dataset: there is no file %s", cell->snapshot);
        }
        return;
    }
    if (!is_shape(dataset->shape)) {
        viv_source_error(source, where, "dataset: there is no shape '%s' (datasets/namespace.h)", dataset->shape);
    }
    cell->shape = viv_plan_keep(plan, dataset->shape);
    if (cell->shape_znodes == 0 &&
        (dataset->znodes == NULL ||
         !viv_plan_scalar(source, where, "znodes", VIV_KIND_COUNT, dataset->znodes, &cell->shape_znodes))) {
        viv_source_error(source, where, "dataset: a shape needs znodes, such as 1M");
    }
}

static void name_cell(const struct draft *draft, const struct viv_source_grid *grid, struct viv_cell *cell)
{
    size_t size = (size_t)snprintf(cell->name, sizeof cell->name, "%s", cell->system_label);
    for (unsigned i = 0; grid != NULL && i < VIV_CELL_FIELD_COUNT; i++) {
        unsigned count;
        viv_source_axis(grid, i, &count);
        if (count > 0 && draft->text[i] != NULL && i != VIV_CELL_system && i != VIV_CELL_backend &&
            i != VIV_CELL_scheme && i != VIV_CELL_durability && size < sizeof cell->name) {
            size += (size_t)snprintf(cell->name + size, sizeof cell->name - size, ".%s-%s", viv_cell_field_key(i),
                                     draft->text[i]);
        }
    }
    for (unsigned i = 0; i < draft->config_count && size < sizeof cell->name; i++) {
        size += (size_t)snprintf(cell->name + size, sizeof cell->name - size, ".%s", draft->config[i]);
    }
    for (char *c = cell->name; *c != '\0'; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '.' || *c == '-';
        *c = fine ? *c : *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : '-';
    }
}

/* The cells of the plan and, beside them, the drafts they came from. */
struct maker {
    struct viv_plan *plan;
    struct viv_source *source;
    struct draft *drafts;
    bool *exclude_used;
};

/* What each system waits for when nobody says otherwise: ZooKeeper's tickTime and syncLimit, etcd's heartbeat-interval
 * and election-timeout. */
static void read_patience(struct viv_source *source, const struct draft *draft, struct viv_cell *cell)
{
    enum { ETCD_TICKS_MIN = 5, ETCD_TIMEOUT_MS_MAX = 50000 };
    bool is_etcd = cell->system == VIV_SYSTEM_ETCD;
    uint64_t tick_ns = number(source, draft, VIV_CELL_tick, VIV_KIND_DURATION, is_etcd ? 100000000 : 2000000000,
                              10000000, UINT64_C(60000000000));
    cell->tick_ms = (uint32_t)(tick_ns / 1000000);
    cell->init_limit_ticks = (uint32_t)number(source, draft, VIV_CELL_init_limit, VIV_KIND_COUNT, 10, 1, 10000);
    cell->sync_limit_ticks =
        (uint32_t)number(source, draft, VIV_CELL_sync_limit, VIV_KIND_COUNT, is_etcd ? 10 : 5, 1, 10000);
    if (is_etcd && (cell->sync_limit_ticks < ETCD_TICKS_MIN ||
                    (uint64_t)cell->tick_ms * cell->sync_limit_ticks > ETCD_TIMEOUT_MS_MAX)) {
        viv_source_error(source, draft->where,
                         "etcd takes an election timeout (tick x sync_limit) of 5 ticks at least and 50 s at most");
    }
}

static void fill_cell(struct viv_plan *plan, struct viv_source *source, const struct draft *draft,
                      struct viv_cell *cell)
{
    *cell = (struct viv_cell){0};
    read_system(source, draft, plan, cell);
    read_scheme(source, draft, plan, cell);
    cell->servers = (uint32_t)number(source, draft, VIV_CELL_servers, VIV_KIND_COUNT, 3, 1, SERVERS_MAX);
    read_patience(source, draft, cell);
    cell->snapshot_entries =
        (uint32_t)number(source, draft, VIV_CELL_snapshot_every, VIV_KIND_COUNT, 100000, 2, 1000000000);
    cell->heap_bytes =
        number(source, draft, VIV_CELL_heap, VIV_KIND_SIZE, UINT64_C(4) << 30, 64 << 20, UINT64_C(1) << 40);
    cell->value_bytes =
        number(source, draft, VIV_CELL_value, VIV_KIND_SIZE, 100, VIV_KEYSET_VALUE_BYTES_MIN, VALUE_BYTES_MAX);
    cell->keys = (uint32_t)number(source, draft, VIV_CELL_keys, VIV_KIND_COUNT, 10000, 1, KEYS_MAX);
    read_dataset(source, draft, plan, cell);
    const char **config = viv_arena_alloc(&plan->strings, (draft->config_count + 1) * sizeof *config);
    for (unsigned i = 0; i < draft->config_count; i++) {
        config[i] = viv_plan_keep(plan, draft->config[i]);
        if (strchr(config[i], '=') == NULL || strchr(config[i], '\n') != NULL) {
            viv_source_error(source, draft->where, "config: '%s' is not key=value", config[i]);
        }
    }
    cell->config = config;
    cell->config_count = draft->config_count;
    name_cell(draft, source->plan->grid, cell);
}

static void add_cell(struct maker *maker, const struct draft *draft)
{
    struct viv_plan *plan = maker->plan;
    if (plan->cell_count == CELLS_MAX) {
        viv_source_error(maker->source, draft->where, "more than %d cells", CELLS_MAX);
        return;
    }
    plan->cells = viv_realloc(plan->cells, (plan->cell_count + 2) * sizeof *plan->cells); /* room for the control */
    maker->drafts = viv_realloc(maker->drafts, (plan->cell_count + 1) * sizeof *maker->drafts);
    maker->drafts[plan->cell_count] = *draft;
    struct viv_cell *cell = &plan->cells[plan->cell_count];
    fill_cell(plan, maker->source, draft, cell);
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        if (strcmp(plan->cells[i].name, cell->name) == 0) {
            viv_source_error(maker->source, draft->where, "two cells are called %s: what differs must be in the grid",
                             cell->name);
        }
    }
    plan->cell_count++;
}

static bool excluded(struct maker *maker, const struct draft *draft)
{
    bool out = false;
    for (unsigned i = 0; i < maker->source->plan->exclude_count; i++) {
        if (matches(draft, &maker->source->plan->exclude[i])) {
            maker->exclude_used[i] = true;
            out = true;
        }
    }
    return out;
}

/* Axis of the grid that applies to a cell: none where the cell itself gives the value. */
static char **axis_of(const struct viv_source *source, const struct viv_source_cell *cell, unsigned field,
                      unsigned *count)
{
    *count = 0;
    return source->plan->grid == NULL || cell->text[field] != NULL ? NULL
                                                                   : viv_source_axis(source->plan->grid, field, count);
}

/* The full cross product of the axes, by counting in mixed radix: the last axis turns fastest. */
static void expand(struct maker *maker, const struct draft *base, const struct viv_source_cell *cell)
{
    struct draft draft = *base;
    uint64_t points = 1;
    for (unsigned i = 0; i < VIV_CELL_FIELD_COUNT && points <= CELLS_MAX; i++) {
        unsigned count;
        axis_of(maker->source, cell, i, &count);
        points *= count > 0 ? count : 1;
    }
    for (uint64_t point = 0; point < points && !maker->source->failed; point++) {
        uint64_t rest = point;
        for (unsigned i = VIV_CELL_FIELD_COUNT; i-- > 0;) {
            unsigned count;
            char **values = axis_of(maker->source, cell, i, &count);
            if (count > 0) {
                draft.text[i] = values[rest % count];
                snprintf(draft.path[i], sizeof draft.path[i], "grid.%s[%u]", viv_cell_field_key(i),
                         (unsigned)(rest % count));
                rest /= count;
            }
        }
        if (!excluded(maker, &draft)) {
            add_cell(maker, &draft);
        }
    }
}

/* The second of a pair of identical cells: what the two differ by is the noise of the run. */
static void add_control(struct maker *maker)
{
    struct viv_plan *plan = maker->plan;
    uint32_t found = 0;
    while (found < plan->cell_count && !matches(&maker->drafts[found], maker->source->plan->control)) {
        found++;
    }
    if (found == plan->cell_count) {
        viv_source_error(maker->source, "control", "control: no cell is like this");
        return;
    }
    struct viv_cell *cell = &plan->cells[plan->cell_count];
    *cell = plan->cells[found];
    cell->control = true;
    size_t size = strlen(cell->name);
    if (size + sizeof ".control" > sizeof cell->name) {
        size = sizeof cell->name - sizeof ".control";
    }
    memcpy(cell->name + size, ".control", sizeof ".control");
    plan->cell_count++;
}

void viv_plan_make_cells(struct viv_plan *plan, struct viv_source *source)
{
    const struct viv_source_plan *from = source->plan;
    struct maker maker = {.plan = plan, .source = source};
    maker.exclude_used = viv_alloc_zeroed(from->exclude_count, sizeof *maker.exclude_used);
    for (unsigned i = 0; i < from->cells_count && !source->failed; i++) {
        struct draft draft = {0};
        char where[32];
        snprintf(where, sizeof where, "cells[%u]", i);
        if (from->defaults != NULL) {
            overlay(&draft, from->defaults, "defaults");
        }
        overlay(&draft, &from->cells[i], where);
        draft.where = viv_plan_keep(plan, where);
        expand(&maker, &draft, &from->cells[i]);
    }
    for (unsigned i = 0; i < from->exclude_count && !source->failed; i++) {
        char where[32];
        snprintf(where, sizeof where, "exclude[%u]", i);
        if (!maker.exclude_used[i]) {
            viv_source_error(source, where, "exclude: no cell is like this");
        }
    }
    if (!source->failed && plan->cell_count == 0) {
        viv_source_error(source, "cells", "every cell is excluded");
    } else if (!source->failed && from->control != NULL) {
        add_control(&maker);
    }
    free(maker.drafts);
    free(maker.exclude_used);
}
