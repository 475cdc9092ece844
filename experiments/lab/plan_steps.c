#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "experiments/lab/plan_internal.h"

enum { STEPS_MAX = 64, CLIENTS_MAX = 4096, PIPELINE_MAX = 1000 };

#define NS_PER_S UINT64_C(1000000000)
#define HOUR_NS  (3600 * NS_PER_S)

struct field {
    const char *key;
    enum viv_field_kind kind;
    const char *steps; /* letters of the kinds of step that take it */
};

static const struct field fields[] = {
#define VIV_CELL_FIELD(key, kind, meaning)
#define VIV_STEP_FIELD(key, kind, steps, meaning) {#key, VIV_KIND_##kind, steps},
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
};

/* In the order of enum viv_step_kind. */
static const struct {
    const char *name;
    char letter;
} kinds[] = {{"load", 'L'}, {"kill", 'K'},        {"stop", 'S'},       {"restart", 'R'},
             {"term", 'T'}, {"freeze-sync", 'F'}, {"cold-start", 'C'}, {"place", 'P'}};

static const char *const places[] = {"spread", "leader", "follower"};

const char *viv_step_kind_name(enum viv_step_kind kind)
{
    VIV_ASSERT((size_t)kind < sizeof kinds / sizeof *kinds);
    return kinds[kind].name;
}

const char *viv_place_name(enum viv_place place)
{
    VIV_ASSERT((size_t)place < sizeof places / sizeof *places);
    return places[place];
}

/* One step while it is read. */
struct reading {
    struct viv_source *source;
    const struct viv_source_step *from;
    char where[24];
};

static const char *path_of(const struct reading *reading, enum viv_step_field field, char *path, size_t path_size)
{
    snprintf(path, path_size, "%s.%s", reading->where, viv_step_field_key(field));
    return path;
}

static uint64_t number(struct reading *reading, enum viv_step_field field, uint64_t otherwise, uint64_t least,
                       uint64_t greatest)
{
    char path[64];
    uint64_t value = otherwise;
    const char *text = reading->from->text[field];
    path_of(reading, field, path, sizeof path);
    if (text != NULL && viv_plan_scalar(reading->source, path, fields[field].key, fields[field].kind, text, &value)) {
        viv_plan_range(reading->source, path, fields[field].key, value, least, greatest);
    }
    return value;
}

/* Index of the text among the names, or `otherwise` when it is not given. */
static unsigned choice(struct reading *reading, enum viv_step_field field, const char *const *names, unsigned count,
                       unsigned otherwise)
{
    char path[64];
    char legal[128] = "";
    const char *text = reading->from->text[field];
    for (unsigned i = 0; i < count; i++) {
        if (text != NULL && strcmp(text, names[i]) == 0) {
            return i;
        }
        size_t size = strlen(legal);
        snprintf(legal + size, sizeof legal - size, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    if (text != NULL) {
        viv_source_error(reading->source, path_of(reading, field, path, sizeof path), "%s: '%s' is not one of %s",
                         fields[field].key, text, legal);
    }
    return otherwise;
}

static bool read_kind(struct reading *reading, struct viv_step *step)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, reading->from->kind) == 0) {
            step->kind = (enum viv_step_kind)i;
            return true;
        }
    }
    char path[64];
    snprintf(path, sizeof path, "%s.do", reading->where);
    viv_source_error(reading->source, path,
                     "do: '%s' is not one of load, kill, stop, restart, term, freeze-sync, cold-start, place",
                     reading->from->kind);
    return false;
}

static void refuse_strangers(struct reading *reading, const struct viv_step *step)
{
    for (unsigned i = 0; i < VIV_STEP_FIELD_COUNT; i++) {
        char path[64];
        if (reading->from->text[i] != NULL && strchr(fields[i].steps, kinds[step->kind].letter) == NULL) {
            viv_source_error(reading->source, path_of(reading, i, path, sizeof path), "%s has no meaning in a %s step",
                             fields[i].key, kinds[step->kind].name);
        }
    }
}

static void read_load(struct reading *reading, struct viv_step *step)
{
    static const char *const ops[] = {"create", "set", "get", "mixed"};
    static const char *const arrivals[] = {"constant", "poisson"};
    bool fault = step->kind != VIV_STEP_LOAD;
    struct viv_load_spec *load = &step->load;
    load->op = choice(reading, VIV_STEP_op, ops, 4, VIV_LOAD_SET);
    load->read_percent = (uint32_t)number(reading, VIV_STEP_reads, 90, 0, 100);
    load->clients = (uint32_t)number(reading, VIV_STEP_clients, 16, 1, CLIENTS_MAX);
    load->rate_per_s = (double)number(reading, VIV_STEP_rate, fault ? 1000 : 0, 1, 100000000);
    bool open = load->rate_per_s > 0;
    load->pipeline = (uint32_t)number(reading, VIV_STEP_pipeline, open ? PIPELINE_MAX : 100, 1, PIPELINE_MAX);
    load->arrivals = choice(reading, VIV_STEP_arrivals, arrivals, 2, VIV_LOAD_CONSTANT);
    load->warmup_ns = number(reading, VIV_STEP_warmup, fault ? 0 : NS_PER_S, 0, HOUR_NS);
    load->measure_ns = fault ? 0 : number(reading, VIV_STEP_measure, 5 * NS_PER_S, NS_PER_S / 10, HOUR_NS);
    load->ops_max = number(reading, VIV_STEP_count, 0, 1, UINT64_C(1000000000));
    step->attach = choice(reading, VIV_STEP_attach, places, 3, VIV_PLACE_SPREAD);
    char path[64];
    if (!open && reading->from->text[VIV_STEP_arrivals] != NULL) {
        viv_source_error(reading->source, path_of(reading, VIV_STEP_arrivals, path, sizeof path),
                         "arrivals: a closed loop plans none; give a rate such as 1000/s");
    }
    if (fault && load->op != VIV_LOAD_SET && load->op != VIV_LOAD_MIXED) {
        viv_source_error(reading->source, path_of(reading, VIV_STEP_op, path, sizeof path),
                         "op: under a fault set or mixed, whose acknowledged writes are looked for afterwards");
    }
}

static void read_fault(struct reading *reading, struct viv_step *step)
{
    static const char *const targets[] = {"leader", "follower"};
    unsigned otherwise = step->kind == VIV_STEP_RESTART ? 1 : 0;
    step->target = choice(reading, VIV_STEP_target, targets, 2, otherwise) == 0 ? VIV_PLACE_LEADER : VIV_PLACE_FOLLOWER;
    step->before_ns = number(reading, VIV_STEP_before, 2 * NS_PER_S, NS_PER_S, HOUR_NS);
    step->after_ns = number(reading, VIV_STEP_after, 4 * NS_PER_S, 0, HOUR_NS);
    step->steady_ns = number(reading, VIV_STEP_steady, 3 * NS_PER_S, NS_PER_S, HOUR_NS);
}

static void name_step(const struct reading *reading, struct viv_step *step)
{
    const struct viv_load_spec *load = &step->load;
    if (reading->from->text[VIV_STEP_name] != NULL) {
        snprintf(step->name, sizeof step->name, "%s", reading->from->text[VIV_STEP_name]);
    } else if (step->kind == VIV_STEP_LOAD && load->rate_per_s > 0) {
        snprintf(step->name, sizeof step->name, "%s-%ux%.0f", viv_load_op_name(load->op), load->clients,
                 load->rate_per_s);
    } else if (step->kind == VIV_STEP_LOAD) {
        snprintf(step->name, sizeof step->name, "%s-%ux%u", viv_load_op_name(load->op), load->clients, load->pipeline);
    } else if (step->kind == VIV_STEP_COLD_START || step->kind == VIV_STEP_PLACE) {
        snprintf(step->name, sizeof step->name, "%s", kinds[step->kind].name);
    } else {
        snprintf(step->name, sizeof step->name, "%s-%s", kinds[step->kind].name, viv_place_name(step->target));
    }
}

static void read_step(struct viv_source *source, unsigned index, struct viv_step *step)
{
    struct reading reading = {.source = source, .from = &source->plan->steps[index]};
    snprintf(reading.where, sizeof reading.where, "steps[%u]", index);
    *step = (struct viv_step){0};
    if (!read_kind(&reading, step)) {
        return;
    }
    refuse_strangers(&reading, step);
    if (step->kind == VIV_STEP_PLACE) {
        step->load.measure_ns = number(&reading, VIV_STEP_measure, NS_PER_S, NS_PER_S / 1000, HOUR_NS);
    } else if (step->kind != VIV_STEP_COLD_START) {
        read_load(&reading, step);
    }
    if (step->kind != VIV_STEP_LOAD && step->kind != VIV_STEP_PLACE) {
        read_fault(&reading, step);
    }
    step->limit_ns = number(&reading, VIV_STEP_limit, 60 * NS_PER_S, NS_PER_S, HOUR_NS);
    name_step(&reading, step);
}

/* What holds for every cell, whichever it is. */
static void check_against_cells(struct viv_plan *plan, struct viv_source *source, unsigned index)
{
    const struct viv_step *step = &plan->steps[index];
    char where[32];
    snprintf(where, sizeof where, "steps[%u]", index);
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct viv_cell *cell = &plan->cells[i];
        if ((cell->system == VIV_SYSTEM_PARTITION) != (step->kind == VIV_STEP_PLACE)) {
            viv_source_error(source, where,
                             "cell %s cannot take a %s step: schemes take place steps, servers the others", cell->name,
                             viv_step_kind_name(step->kind));
            return;
        }
        if (cell->system == VIV_SYSTEM_PARTITION) {
            continue;
        }
        if (cell->keys < step->load.clients) {
            viv_source_error(source, where, "%u clients need as many keys, but cell %s has %u", step->load.clients,
                             cell->name, cell->keys);
            return;
        }
        bool fault = step->kind != VIV_STEP_LOAD;
        if (fault && !cell->durable) {
            viv_source_error(source, where, "cell %s keeps nothing (durability none): it cannot take a %s step",
                             cell->name, viv_step_kind_name(step->kind));
            return;
        }
        bool leaves_others = step->kind == VIV_STEP_KILL || step->kind == VIV_STEP_STOP ||
                             step->kind == VIV_STEP_TERM || step->kind == VIV_STEP_FREEZE;
        if (leaves_others && cell->servers < 3) {
            viv_source_error(source, where, "cell %s has too few servers to go on after a %s", cell->name,
                             viv_step_kind_name(step->kind));
            return;
        }
        if (cell->servers < 2 && (step->target == VIV_PLACE_FOLLOWER || step->attach == VIV_PLACE_FOLLOWER)) {
            viv_source_error(source, where, "cell %s has no follower", cell->name);
            return;
        }
    }
}

void viv_plan_make_steps(struct viv_plan *plan, struct viv_source *source)
{
    unsigned count = source->plan->steps_count;
    if (count > STEPS_MAX) {
        viv_source_error(source, "steps", "more than %d steps", STEPS_MAX);
        return;
    }
    plan->steps = viv_alloc_zeroed(count, sizeof *plan->steps);
    plan->step_count = count;
    for (unsigned i = 0; i < count; i++) {
        char where[32];
        read_step(source, i, &plan->steps[i]);
        snprintf(where, sizeof where, "steps[%u]", i);
        for (unsigned k = 0; k < i && !source->failed; k++) {
            if (strcmp(plan->steps[k].name, plan->steps[i].name) == 0) {
                viv_source_error(source, where, "two steps are called %s: give one a name", plan->steps[i].name);
            }
        }
        if (!source->failed) {
            check_against_cells(plan, source, i);
        }
    }
}
