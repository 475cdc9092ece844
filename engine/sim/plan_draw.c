#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/plan.h"

/* A world from a seed: each kind of fault is in it or not by lot, and how often is drawn over orders of magnitude,
 * since a run in which everything happens all the time explores less than many in which little does. One seed in five
 * is nearly healthy and under high load. */

enum {
    US_PER_MS = 1000,
    QUIET_MS = 300,    /* nothing befalls anybody before */
    GAP_MS_MIN = 1000, /* mean time between two faults of one kind */
    GAP_MS_MAX = 100000,
    LASTS_MS_MIN = 1,
    LASTS_MS_MAX = 8000,
    FAULTS_MAX = 300,
    OPS_MAX = 4000,
    RECONFIGURATIONS_MAX = 40,
    ROT_GAP_MS_MIN = 300,
    ROT_GAP_MS_MAX = 10000,
    /* What goes over to the next epoch without an election begins halfway, and takes some round trips and syncs. In
     * less than that nobody gets on. */
    EPOCH_ENTRIES_MIN = 16,
};

static void set(struct viv_sim_plan *plan, enum viv_sim_setting setting, int64_t value)
{
    plan->settings[setting] = value;
}
#define SET(plan, name, value) set((plan), VIV_SIM_SET_##name, (value))
#define GET(plan, name)        ((plan)->settings[VIV_SIM_SET_##name])

/* ---- the world ---- */

static void draw_members(struct viv_sim_plan *plan, struct viv_rng *rng)
{
    static const int64_t voters[] = {1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7, 7};
    SET(plan, voters, voters[viv_rng_below(rng, sizeof voters / sizeof voters[0])]);
    bool has_observers = GET(plan, voters) > 1 && viv_sim_draw_chance(rng, 1, 3);
    SET(plan, observers, has_observers ? viv_sim_draw(rng, 1, 2) : 0);
    SET(plan, clients, viv_sim_draw(rng, 1, 8));
    uint64_t core = 0;
    int64_t needed = GET(plan, voters) / 2 + 1;
    int64_t wanted = viv_sim_draw_chance(rng, 2, 3) ? needed : viv_sim_draw(rng, needed, GET(plan, voters));
    while (__builtin_popcountll(core) < wanted) {
        core |= UINT64_C(1) << viv_rng_below(rng, (uint64_t)GET(plan, voters));
    }
    SET(plan, core, (int64_t)core);
}

/* From numbers of its own: another election policy in one seed of three. */
static void draw_elections(struct viv_sim_plan *plan)
{
    static const int64_t slacks[] = {0, 0, 3, 100, -1};
    struct viv_rng rng;
    viv_rng_init(&rng, viv_mix64(plan->seed ^ UINT64_C(0x656c656374))); /* "elect" */
    SET(plan, policy, viv_sim_draw_chance(&rng, 1, 3) ? viv_sim_draw(&rng, 1, 3) : 0);
    SET(plan, slack, GET(plan, policy) > 0 ? slacks[viv_rng_below(&rng, sizeof slacks / sizeof slacks[0])] : 0);
}

static void draw_settings(struct viv_sim_plan *plan, struct viv_rng *rng)
{
    if (viv_sim_draw_chance(rng, 1, 2)) {
        SET(plan, tick_ms, viv_sim_draw(rng, 50, 1000));
        SET(plan, init_limit, viv_sim_draw(rng, 5, 15));
        SET(plan, sync_limit, viv_sim_draw(rng, 3, 8));
    }
    SET(plan, load_ms, viv_sim_draw(rng, 4000, 40000));
    int64_t epoch_entries = viv_sim_draw_chance(rng, 1, 4) ? viv_sim_draw_log(rng, 2, 200) : 0;
    SET(plan, epoch_entries,
        epoch_entries > 0 && epoch_entries < EPOCH_ENTRIES_MIN ? EPOCH_ENTRIES_MIN : epoch_entries);
    SET(plan, first_zxid, viv_sim_draw_chance(rng, 1, 4) ? INT64_C(0x3ffffff00) + viv_sim_draw(rng, 0, 255) : 0);
    SET(plan, snapshot_entries, viv_sim_draw_log(rng, 4, 2000));
    SET(plan, segment_bytes, viv_sim_draw_log(rng, 16, 256) << 10);
    SET(plan, read_entries, viv_sim_draw_log(rng, 1, 200));
    SET(plan, outstanding_max, viv_sim_draw_chance(rng, 1, 4) ? viv_sim_draw(rng, 1, 20) : 1000);
    SET(plan, data_bytes_max, viv_sim_draw_log(rng, 8, viv_sim_draw_chance(rng, 1, 8) ? 16384 : 512));
    SET(plan, window, viv_sim_draw_log(rng, 1, 32));
    SET(plan, session_ms, GET(plan, tick_ms) * viv_sim_draw(rng, 2, 20));
    SET(plan, turn_us, viv_sim_draw_log(rng, 5, 200));
    SET(plan, delay_us, viv_sim_draw_log(rng, 20, viv_sim_draw_chance(rng, 1, 4) ? 30000 : 1000));
    SET(plan, jitter_us, viv_sim_draw_log(rng, 10, viv_sim_draw_chance(rng, 1, 4) ? 30000 : 2000));
    SET(plan, client_delay_us, viv_sim_draw_log(rng, 20, 5000));
    SET(plan, pieces, viv_sim_draw_chance(rng, 1, 2) ? viv_sim_draw_log(rng, 1, 500) : 0);
    SET(plan, write_us, viv_sim_draw_log(rng, 2, 100));
    SET(plan, sync_us, viv_sim_draw_log(rng, 50, viv_sim_draw_chance(rng, 1, 4) ? 30000 : 3000));
    SET(plan, strict, viv_sim_draw(rng, 0, 1));
    SET(plan, torn, viv_sim_draw_chance(rng, 1, 3));
    SET(plan, disk_kib,
        viv_sim_draw_chance(rng, 1, 10) ? viv_sim_draw(rng, 8, 64) * GET(plan, segment_bytes) >> 10 : 0);
}

/* From numbers of its own: an operator in one ensemble of four. */
static void draw_reconfigurations(struct viv_sim_plan *plan)
{
    struct viv_rng rng;
    viv_rng_init(&rng, viv_mix64(plan->seed ^ UINT64_C(0x6d656d62657273))); /* "members" */
    if (GET(plan, voters) < 2 || GET(plan, voters) + GET(plan, observers) < 3 || !viv_sim_draw_chance(&rng, 1, 4)) {
        return;
    }
    SET(plan, reconfigures, 1);
    int64_t count = viv_sim_draw_log(&rng, 2, RECONFIGURATIONS_MAX);
    for (int64_t i = 0; i < count; i++) {
        struct viv_sim_op op = {.client = VIV_SIM_OPERATOR,
                                .kind = VIV_SIM_OP_RECONFIG,
                                .after_us = viv_sim_draw_exponential(&rng, GET(plan, load_ms) * US_PER_MS / count),
                                .salt = (uint32_t)viv_rng_next(&rng),
                                .path = "/"};
        viv_sim_plan_add_op(plan, &op);
    }
}

/* ---- faults ---- */

/* Kinds that a run may have, and how long they last; those that take one part of a machine away for good are rare. */
static int64_t draw_duration_us(enum viv_sim_fault_kind kind, struct viv_rng *rng)
{
    int64_t ms = viv_sim_draw_log(rng, LASTS_MS_MIN, LASTS_MS_MAX);
    if (kind == VIV_SIM_FAULT_CLOCK_RATE) {
        ms *= 4;
    }
    return ms * US_PER_MS + viv_sim_draw(rng, 0, US_PER_MS - 1);
}

static int64_t draw_amount(const struct viv_sim_plan *plan, enum viv_sim_fault_kind kind, struct viv_rng *rng)
{
    int64_t servers = GET(plan, voters) + GET(plan, observers);
    switch (kind) {
    case VIV_SIM_FAULT_SLOW:
        return viv_sim_draw_log(rng, 2, 500);
    case VIV_SIM_FAULT_HALVES:
    case VIV_SIM_FAULT_BRIDGE:
        return viv_sim_draw(rng, 1, (INT64_C(1) << servers) - 1);
    case VIV_SIM_FAULT_FLAP:
        return viv_sim_draw_log(rng, 1, 1000) * US_PER_MS;
    case VIV_SIM_FAULT_SLOW_LINK:
        return viv_sim_draw_log(rng, 1, 3000) * US_PER_MS;
    case VIV_SIM_FAULT_DISK_SLOW:
        return viv_sim_draw_log(rng, 2, 200);
    case VIV_SIM_FAULT_SYNC_FAILS:
        return viv_sim_draw(rng, 0, 2);
    case VIV_SIM_FAULT_CLOCK_RATE:
        return viv_sim_draw(rng, 512, 2048);
    case VIV_SIM_FAULT_ROT:
        return viv_sim_draw(rng, 0, INT32_MAX);
    case VIV_SIM_FAULT_CLOCK_STEP:
        return viv_sim_draw(rng, -1000000, 1000000) * viv_sim_draw_log(rng, 1, 1000000);
    default:
        return 0;
    }
}

static bool is_about_client(enum viv_sim_fault_kind kind)
{
    return kind == VIV_SIM_FAULT_CUT_CLIENT || kind == VIV_SIM_FAULT_RESET_CLIENT;
}

static void draw_faults_of(struct viv_sim_plan *plan, enum viv_sim_fault_kind kind, int64_t gap_ms, struct viv_rng *rng)
{
    int64_t servers = GET(plan, voters) + GET(plan, observers);
    int64_t end_us = GET(plan, load_ms) * US_PER_MS;
    int64_t at_us = QUIET_MS * US_PER_MS;
    for (;;) {
        at_us += viv_sim_draw_exponential(rng, gap_ms * US_PER_MS) + 1;
        if (at_us >= end_us || plan->fault_count >= FAULTS_MAX) {
            return;
        }
        struct viv_sim_fault fault = {
            .kind = kind,
            .at_us = at_us,
            .duration_us = draw_duration_us(kind, rng),
            .a = viv_sim_draw_chance(rng, 1, 3) ? VIV_SIM_LEADER : (int32_t)viv_sim_draw(rng, 0, servers - 1),
            .amount = draw_amount(plan, kind, rng),
        };
        fault.b = (int32_t)viv_sim_draw(rng, 0, is_about_client(kind) ? GET(plan, clients) - 1 : servers - 1);
        viv_sim_plan_add_fault(plan, &fault);
    }
}

static void sort_faults(struct viv_sim_plan *plan)
{
    for (size_t i = 1; i < plan->fault_count; i++) {
        struct viv_sim_fault fault = plan->faults[i];
        size_t at = i;
        for (; at > 0 && plan->faults[at - 1].at_us > fault.at_us; at--) {
            plan->faults[at] = plan->faults[at - 1];
        }
        plan->faults[at] = fault;
    }
}

static void draw_faults(struct viv_sim_plan *plan, bool is_healthy)
{
    for (unsigned kind = 0; kind < VIV_SIM_FAULT_KINDS; kind++) {
        if (kind == VIV_SIM_FAULT_ROT) {
            continue;
        }
        struct viv_rng rng;
        viv_sim_stream(&rng, plan->seed, VIV_SIM_FAULTS, 16 + kind);
        bool is_in = viv_sim_draw_chance(&rng, 1, is_healthy ? 12 : 2);
        int64_t gap_ms = viv_sim_draw_log(&rng, is_healthy ? 10000 : GAP_MS_MIN, GAP_MS_MAX);
        if (is_in) {
            draw_faults_of(plan, (enum viv_sim_fault_kind)kind, gap_ms, &rng);
        }
    }
    sort_faults(plan);
    struct viv_rng rng;
    viv_sim_stream(&rng, plan->seed, VIV_SIM_FAULTS, 2);
    if (!is_healthy) {
        SET(plan, vote_loss, viv_sim_draw_chance(&rng, 1, 2) ? viv_sim_draw_log(&rng, 1, 400) : 0);
        SET(plan, resets, viv_sim_draw_chance(&rng, 1, 2) ? viv_sim_draw_log(&rng, 1, 1000) : 0);
    }
}

/* From numbers of its own: images in LMDB, in RocksDB, or in each server's own way, in one run of twelve. */
static void draw_stores(struct viv_sim_plan *plan)
{
    struct viv_rng rng;
    viv_rng_init(&rng, viv_mix64(plan->seed ^ UINT64_C(0x73746f726573))); /* "stores" */
    if (viv_sim_draw_chance(&rng, 1, 12)) {
        SET(plan, stores,
            viv_sim_draw_chance(&rng, 1, 2) ? viv_sim_draw(&rng, VIV_SIM_STORES_LMDB, VIV_SIM_STORES_ROCKSDB)
                                            : VIV_SIM_STORES_MIXED + viv_sim_draw(&rng, 0, 2));
    }
}

/* From numbers of its own: disks that rot in one run of six. */
static void draw_rot(struct viv_sim_plan *plan)
{
    struct viv_rng rng;
    viv_rng_init(&rng, viv_mix64(plan->seed ^ UINT64_C(0x726f74))); /* "rot" */
    if (!viv_sim_draw_chance(&rng, 1, 6)) {
        return;
    }
    SET(plan, rots, 1);
    draw_faults_of(plan, VIV_SIM_FAULT_ROT, viv_sim_draw_log(&rng, ROT_GAP_MS_MIN, ROT_GAP_MS_MAX), &rng);
    sort_faults(plan);
}

/* ---- what clients do ---- */

static void draw_path(struct viv_rng *rng, unsigned names, char *path)
{
    char first = (char)('a' + viv_rng_below(rng, names));
    char second = (char)('a' + viv_rng_below(rng, names));
    switch (viv_rng_below(rng, 8)) {
    case 0:
        snprintf(path, VIV_SIM_PATH_BYTES_MAX, "/");
        break;
    case 1:
    case 2:
    case 3:
        snprintf(path, VIV_SIM_PATH_BYTES_MAX, "/%c", first);
        break;
    case 4:
        snprintf(path, VIV_SIM_PATH_BYTES_MAX, "/%c/%c/%c", first, second, (char)('a' + viv_rng_below(rng, names)));
        break;
    default:
        snprintf(path, VIV_SIM_PATH_BYTES_MAX, "/%c/%c", first, second);
        break;
    }
}

static const unsigned op_shares[] = {
#define VIV_SIM_OP(name, text, share) share,
#include "sim/ops.def"
#undef VIV_SIM_OP
};

/* Each kind's share is the usual one, or left out, or more. */
static uint64_t draw_mix(struct viv_rng *rng, uint64_t *shares)
{
    uint64_t total = 0;
    for (unsigned kind = 0; kind < VIV_SIM_OP_KINDS && op_shares[kind] > 0; kind++) {
        static const uint64_t factors[] = {0, 1, 1, 1, 3};
        shares[kind] = op_shares[kind] * factors[viv_rng_below(rng, sizeof factors / sizeof factors[0])];
        shares[kind] += kind == VIV_SIM_OP_CREATE || kind == VIV_SIM_OP_SET ? 3 : 0;
        total += shares[kind];
    }
    return total;
}

static void draw_ops(struct viv_sim_plan *plan, bool is_healthy)
{
    struct viv_rng rng;
    uint64_t shares[VIV_SIM_OP_KINDS] = {0};
    viv_sim_stream(&rng, plan->seed, VIV_SIM_WORKLOAD, 0);
    uint64_t total = draw_mix(&rng, shares);
    unsigned names = (unsigned)viv_sim_draw(&rng, 1, 8);
    int64_t per_client = viv_sim_draw_log(&rng, 20, OPS_MAX) / GET(plan, clients) + 1;
    int64_t gap_us = GET(plan, load_ms) * US_PER_MS / per_client;
    gap_us = is_healthy ? viv_sim_draw_log(&rng, 100, 20000) : gap_us;
    for (int32_t client = 0; client < GET(plan, clients); client++) {
        viv_sim_stream(&rng, plan->seed, VIV_SIM_WORKLOAD, 1 + (uint64_t)client);
        for (int64_t i = 0; i < per_client; i++) {
            struct viv_sim_op op = {.client = client, .after_us = viv_sim_draw_exponential(&rng, gap_us)};
            uint64_t drawn = viv_rng_below(&rng, total);
            unsigned kind = 0;
            while (drawn >= shares[kind]) {
                drawn -= shares[kind++];
            }
            op.kind = (enum viv_sim_op_kind)kind;
            op.salt = (uint32_t)viv_rng_next(&rng);
            draw_path(&rng, names, op.path);
            viv_sim_plan_add_op(plan, &op);
        }
    }
}

void viv_sim_plan_draw(struct viv_sim_plan *plan, uint64_t seed)
{
    struct viv_rng rng;
    viv_sim_plan_init(plan, seed);
    viv_sim_stream(&rng, seed, VIV_SIM_TOPOLOGY, 0);
    bool is_healthy = viv_sim_draw_chance(&rng, 1, 5);
    draw_members(plan, &rng);
    draw_settings(plan, &rng);
    draw_elections(plan);
    draw_faults(plan, is_healthy);
    draw_ops(plan, is_healthy);
    draw_reconfigurations(plan);
    draw_rot(plan);
    draw_stores(plan);
}
