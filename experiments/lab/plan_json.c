#include "experiments/lab/plan_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "experiments/lab/system.h"

static int append_chunk(const char *data, size_t size, void *ctx)
{
    viv_buffer_append(ctx, data, size);
    return 0;
}

void viv_json_append(struct viv_buffer *out, const json_t *json, bool indented)
{
    size_t flags = JSON_REAL_PRECISION(9) | (indented ? JSON_INDENT(2) : JSON_COMPACT);
    int failed = json_dump_callback(json, append_chunk, out, flags);
    VIV_ASSERT(failed == 0);
    viv_buffer_append(out, "\n", 1);
}

/* Files are named without folders: results hold no paths of the machine. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static json_t *dataset_json(const struct viv_cell *cell)
{
    if (cell->snapshot != NULL) {
        return json_pack("{s:s}", "snapshot", base_name(cell->snapshot));
    }
    if (cell->shape != NULL) {
        return json_pack("{s:s,s:I}", "shape", cell->shape, "znodes", (json_int_t)cell->shape_znodes);
    }
    return json_null();
}

static json_t *scheme_json(const struct viv_cell *cell)
{
    const struct viv_cell_scheme *scheme = &cell->scheme;
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:i,s:i,s:f}", "name", cell->name, "label", cell->system_label,
                     "system", "partition", "scheme", scheme->name, "control", cell->control, "bins", (int)scheme->bins,
                     "keys", (int)cell->keys, "vnodes", (int)scheme->vnodes, "slots", (int)scheme->slots, "table_size",
                     (int)scheme->table_size, "epsilon", scheme->epsilon);
}

json_t *viv_cell_json(const struct viv_cell *cell)
{
    if (cell->system == VIV_SYSTEM_PARTITION) {
        return scheme_json(cell);
    }
    json_t *config = json_array();
    for (uint32_t i = 0; i < cell->config_count; i++) {
        json_array_append_new(config, json_string(cell->config[i]));
    }
    json_t *json = json_pack("{s:s,s:s,s:s,s:s?,s:s,s:b}", "name", cell->name, "label", cell->system_label, "system",
                             viv_system_name(cell->system), "backend", cell->backend, "durability",
                             cell->durable ? "sync" : "none", "control", cell->control);
    json_t *numbers = json_pack("{s:i,s:i,s:i,s:i,s:i,s:I,s:i}", "servers", (int)cell->servers, "tick_ms",
                                (int)cell->tick_ms, "init_limit_ticks", (int)cell->init_limit_ticks, "sync_limit_ticks",
                                (int)cell->sync_limit_ticks, "snapshot_entries", (int)cell->snapshot_entries,
                                "value_bytes", (json_int_t)cell->value_bytes, "keys", (int)cell->keys);
    json_object_update(json, numbers);
    json_decref(numbers);
    if (cell->system == VIV_SYSTEM_ZOOKEEPER) {
        json_object_set_new(json, "heap_bytes", json_integer((json_int_t)cell->heap_bytes));
    }
    json_object_set_new(json, "dataset", dataset_json(cell));
    json_object_set_new(json, "config", config);
    return json;
}

static json_t *ms(uint64_t ns)
{
    return json_real((double)ns / 1e6);
}

json_t *viv_step_json(const struct viv_step *step)
{
    const struct viv_load_spec *load = &step->load;
    json_t *json = json_pack("{s:s,s:s}", "name", step->name, "do", viv_step_kind_name(step->kind));
    if (step->kind == VIV_STEP_PLACE) {
        json_object_set_new(json, "measure_ms", ms(load->measure_ns));
        return json;
    }
    if (step->kind != VIV_STEP_COLD_START) {
        json_t *more = json_pack("{s:s,s:i,s:i,s:s,s:s}", "op", viv_load_op_name(load->op), "clients",
                                 (int)load->clients, "pipeline", (int)load->pipeline, "attach",
                                 viv_place_name(step->attach), "loop", load->rate_per_s > 0 ? "open" : "closed");
        json_object_update(json, more);
        json_decref(more);
        json_object_set_new(json, "warmup_ms", ms(load->warmup_ns));
    }
    if (load->rate_per_s > 0) {
        json_object_set_new(json, "rate_per_s", json_real(load->rate_per_s));
        json_object_set_new(json, "arrivals", json_string(load->arrivals == VIV_LOAD_POISSON ? "poisson" : "constant"));
    }
    if (load->op == VIV_LOAD_MIXED) {
        json_object_set_new(json, "read_percent", json_integer(load->read_percent));
    }
    if (step->kind == VIV_STEP_LOAD) {
        json_object_set_new(json, "measure_ms", ms(load->measure_ns));
        if (load->ops_max > 0) {
            json_object_set_new(json, "count", json_integer((json_int_t)load->ops_max));
        }
        return json;
    }
    json_object_set_new(json, "limit_ms", ms(step->limit_ns));
    if (step->kind != VIV_STEP_COLD_START) {
        json_object_set_new(json, "target", json_string(viv_place_name(step->target)));
        json_object_set_new(json, "before_ms", ms(step->before_ns));
        json_object_set_new(json, "after_ms", ms(step->after_ns));
        json_object_set_new(json, "steady_ms", ms(step->steady_ns));
    }
    return json;
}

json_t *viv_plan_json(const struct viv_plan *plan)
{
    json_t *cells = json_array();
    json_t *steps = json_array();
    json_t *order = json_array();
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        json_array_append_new(cells, viv_cell_json(&plan->cells[i]));
    }
    for (uint32_t i = 0; i < plan->step_count; i++) {
        json_array_append_new(steps, viv_step_json(&plan->steps[i]));
    }
    size_t slot_count = (size_t)plan->cell_count * plan->trials;
    struct viv_plan_slot *slots = viv_alloc(slot_count * sizeof *slots);
    viv_plan_order(plan, slots);
    for (size_t i = 0; i < slot_count; i++) {
        json_t *slot = json_pack("{s:s,s:i,s:I}", "cell", plan->cells[slots[i].cell].name, "trial", (int)slots[i].trial,
                                 "seed", (json_int_t)viv_plan_seed(plan, &slots[i]));
        json_array_append_new(order, slot);
    }
    free(slots);
    return json_pack("{s:s,s:s,s:s,s:I,s:i,s:o,s:o,s:o}", "schema", "vivarium-plan/1", "name", plan->name, "question",
                     plan->question, "seed", (json_int_t)plan->seed, "trials", (int)plan->trials, "cells", cells,
                     "steps", steps, "order", order);
}
