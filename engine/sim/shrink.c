#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/campaign.h"

/* Delta debugging (ddmin): of faults, then of operations; then clients, observers and voters from the last one on; then
 * delays. A smaller plan counts when it fails in the same way. */

struct shrinking {
    struct viv_sim_plan *plan; /* the smallest so far */
    const struct viv_sim_options *options;
    char kind[64];
    unsigned tries, tries_max;
};

static bool still_fails(struct shrinking *shrinking, const struct viv_sim_plan *plan)
{
    struct viv_sim_result result;
    char kind[sizeof shrinking->kind];
    if (shrinking->tries >= shrinking->tries_max) {
        return false;
    }
    shrinking->tries++;
    viv_sim_try(plan, shrinking->options, &result);
    viv_sim_failure_kind(&result, kind, sizeof kind);
    return result.failed && strcmp(kind, shrinking->kind) == 0;
}

/* Keeps the plan if it still fails; takes it over or releases it. */
static bool accept(struct shrinking *shrinking, struct viv_sim_plan *plan)
{
    if (!still_fails(shrinking, plan)) {
        viv_sim_plan_fini(plan);
        return false;
    }
    viv_sim_plan_fini(shrinking->plan);
    *shrinking->plan = *plan;
    fprintf(stderr, "%u tries: %zu faults, %zu operations, %" PRId64 " voters\n", shrinking->tries, plan->fault_count,
            plan->op_count, plan->settings[VIV_SIM_SET_voters]);
    return true;
}

static void leave_out(struct viv_sim_plan *plan, bool of_faults, size_t first, size_t count)
{
    if (of_faults) {
        memmove(plan->faults + first, plan->faults + first + count,
                (plan->fault_count - first - count) * sizeof *plan->faults);
        plan->fault_count -= count;
    } else {
        memmove(plan->ops + first, plan->ops + first + count, (plan->op_count - first - count) * sizeof *plan->ops);
        plan->op_count -= count;
    }
}

static size_t line_count(const struct viv_sim_plan *plan, bool of_faults)
{
    return of_faults ? plan->fault_count : plan->op_count;
}

/* Pieces of all, of halves, of quarters, ... until no single line can be left out. */
static void shrink_lines(struct shrinking *shrinking, bool of_faults)
{
    size_t piece = line_count(shrinking->plan, of_faults);
    while (piece > 0 && shrinking->tries < shrinking->tries_max) {
        bool has_shrunk = false;
        for (size_t first = 0; first < line_count(shrinking->plan, of_faults);) {
            size_t left = line_count(shrinking->plan, of_faults) - first;
            struct viv_sim_plan smaller;
            viv_sim_plan_copy(&smaller, shrinking->plan);
            leave_out(&smaller, of_faults, first, piece < left ? piece : left);
            if (accept(shrinking, &smaller)) {
                has_shrunk = true;
            } else {
                first += piece;
            }
        }
        piece = has_shrunk && piece == 1 ? 1 : piece / 2;
    }
}

/* Another value for one setting. */
static bool try_setting(struct shrinking *shrinking, enum viv_sim_setting setting, int64_t value)
{
    struct viv_sim_plan other;
    if (shrinking->plan->settings[setting] == value) {
        return false;
    }
    viv_sim_plan_copy(&other, shrinking->plan);
    other.settings[setting] = value;
    return accept(shrinking, &other);
}

static void lower(struct shrinking *shrinking, enum viv_sim_setting setting, int64_t least)
{
    while (shrinking->plan->settings[setting] > least &&
           try_setting(shrinking, setting, shrinking->plan->settings[setting] - 1)) {
    }
}

static void shrink_world(struct shrinking *shrinking)
{
    static const struct {
        enum viv_sim_setting setting;
        int64_t value;
    } plain[] = {
        {VIV_SIM_SET_pieces, 0},
        {VIV_SIM_SET_vote_loss, 0},
        {VIV_SIM_SET_resets, 0},
        {VIV_SIM_SET_torn, 0},
        {VIV_SIM_SET_strict, 0},
        {VIV_SIM_SET_disk_kib, 0},
        {VIV_SIM_SET_jitter_us, 0},
        {VIV_SIM_SET_delay_us, 1},
        {VIV_SIM_SET_client_delay_us, 1},
        {VIV_SIM_SET_window, 1},
        {VIV_SIM_SET_first_zxid, 0},
        {VIV_SIM_SET_outstanding_max, 1000},
        {VIV_SIM_SET_snapshot_entries, 1000000},
    };
    lower(shrinking, VIV_SIM_SET_clients, 0);
    lower(shrinking, VIV_SIM_SET_observers, 0);
    lower(shrinking, VIV_SIM_SET_voters, 1);
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        (void)try_setting(shrinking, plain[i].setting, plain[i].value);
    }
    for (int64_t ms = shrinking->plan->settings[VIV_SIM_SET_load_ms] / 2;
         ms > 100 && try_setting(shrinking, VIV_SIM_SET_load_ms, ms); ms /= 2) {
    }
}

void viv_sim_shrink(struct viv_sim_plan *plan, const struct viv_sim_options *options, unsigned tries_max)
{
    struct shrinking shrinking = {.plan = plan, .options = options, .tries_max = tries_max};
    struct viv_sim_result result;
    viv_sim_try(plan, options, &result);
    viv_sim_failure_kind(&result, shrinking.kind, sizeof shrinking.kind);
    for (size_t before = SIZE_MAX; result.failed && plan->fault_count + plan->op_count < before;) {
        before = plan->fault_count + plan->op_count;
        shrink_lines(&shrinking, true);
        shrink_lines(&shrinking, false);
        shrink_world(&shrinking);
    }
}
