#include "sim/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

static const char *const setting_texts[] = {
#define VIV_SIM_SETTING(name, value, text) #name,
#include "sim/settings.def"
#undef VIV_SIM_SETTING
};

static const int64_t setting_values[] = {
#define VIV_SIM_SETTING(name, value, text) value,
#include "sim/settings.def"
#undef VIV_SIM_SETTING
};

static const char *const fault_texts[] = {
#define VIV_SIM_FAULT(name, text) text,
#include "sim/faults.def"
#undef VIV_SIM_FAULT
};

static const char *const op_texts[] = {
#define VIV_SIM_OP(name, text, share) text,
#include "sim/ops.def"
#undef VIV_SIM_OP
};

void viv_sim_plan_init(struct viv_sim_plan *plan, uint64_t seed)
{
    *plan = (struct viv_sim_plan){.seed = seed};
    memcpy(plan->settings, setting_values, sizeof setting_values);
}

void viv_sim_plan_fini(struct viv_sim_plan *plan)
{
    free(plan->faults);
    free(plan->ops);
    *plan = (struct viv_sim_plan){0};
}

void viv_sim_plan_add_fault(struct viv_sim_plan *plan, const struct viv_sim_fault *fault)
{
    if (plan->fault_count == plan->fault_capacity) {
        plan->fault_capacity = plan->fault_capacity == 0 ? 16 : plan->fault_capacity * 2;
        plan->faults = viv_realloc(plan->faults, plan->fault_capacity * sizeof *fault);
    }
    plan->faults[plan->fault_count++] = *fault;
}

void viv_sim_plan_add_op(struct viv_sim_plan *plan, const struct viv_sim_op *op)
{
    if (plan->op_count == plan->op_capacity) {
        plan->op_capacity = plan->op_capacity == 0 ? 256 : plan->op_capacity * 2;
        plan->ops = viv_realloc(plan->ops, plan->op_capacity * sizeof *op);
    }
    plan->ops[plan->op_count++] = *op;
}

void viv_sim_plan_copy(struct viv_sim_plan *to, const struct viv_sim_plan *from)
{
    viv_sim_plan_init(to, from->seed);
    memcpy(to->settings, from->settings, sizeof to->settings);
    for (size_t i = 0; i < from->fault_count; i++) {
        viv_sim_plan_add_fault(to, &from->faults[i]);
    }
    for (size_t i = 0; i < from->op_count; i++) {
        viv_sim_plan_add_op(to, &from->ops[i]);
    }
}

const char *viv_sim_setting_text(enum viv_sim_setting setting)
{
    return setting_texts[setting];
}

const char *viv_sim_fault_text(enum viv_sim_fault_kind kind)
{
    return fault_texts[kind];
}

const char *viv_sim_op_text(enum viv_sim_op_kind kind)
{
    return op_texts[kind];
}

/* ---- draws ---- */

void viv_sim_stream(struct viv_rng *rng, uint64_t seed, enum viv_sim_plane plane, uint64_t index)
{
    viv_rng_init(rng, viv_mix64(viv_mix64(seed + 1) ^ ((uint64_t)plane << 32 | index)));
}

int64_t viv_sim_draw(struct viv_rng *rng, int64_t low, int64_t high)
{
    VIV_ASSERT(low <= high);
    return low + (int64_t)viv_rng_below(rng, (uint64_t)(high - low) + 1);
}

bool viv_sim_draw_chance(struct viv_rng *rng, uint64_t part, uint64_t whole)
{
    return viv_rng_below(rng, whole) < part;
}

/* -log2 of a uniform draw, in 1/65536: the leading zeros, and a straight line between two powers. */
static uint64_t draw_log2(struct viv_rng *rng)
{
    uint64_t drawn = viv_rng_next(rng) >> 8 | 1;
    unsigned zeros = (unsigned)__builtin_clzll(drawn) - 8;
    uint64_t fraction = (drawn << (zeros + 8)) << 1 >> 48; /* behind the leading one */
    return (uint64_t)zeros * 65536 + (65536 - fraction);
}

int64_t viv_sim_draw_exponential(struct viv_rng *rng, int64_t mean)
{
    /* ln 2 in 1/65536 is 45426. */
    return (int64_t)((uint64_t)mean * (draw_log2(rng) * 45426 >> 16) >> 16);
}

int64_t viv_sim_draw_log(struct viv_rng *rng, int64_t low, int64_t high)
{
    VIV_ASSERT(low >= 1 && low <= high);
    unsigned low_bits = 63 - (unsigned)__builtin_clzll((uint64_t)low);
    unsigned high_bits = 63 - (unsigned)__builtin_clzll((uint64_t)high);
    unsigned bits = low_bits + (unsigned)viv_rng_below(rng, high_bits - low_bits + 1);
    int64_t from = INT64_C(1) << bits, upto = (INT64_C(2) << bits) - 1;
    return viv_sim_draw(rng, from < low ? low : from, upto > high ? high : upto);
}
