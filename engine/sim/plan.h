#ifndef VIV_SIM_PLAN_H
#define VIV_SIM_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/rng.h"
#include "base/status.h"

/* What one run will be, before it begins: the world's settings, every fault and every operation of every client, all
 * drawn from one seed, or read from a schedule file. A run is a function of its plan alone, so that shrinking a
 * failure is leaving lines out. What is drawn on the way (delays, latencies, ties) comes from streams of its own for
 * each thing that draws, so that a line left out does not move the others. Knows nothing of servers or stores. */

enum viv_sim_setting {
#define VIV_SIM_SETTING(name, value, text) VIV_SIM_SET_##name,
#include "sim/settings.def"
#undef VIV_SIM_SETTING
    VIV_SIM_SETTINGS,
};

enum viv_sim_fault_kind {
#define VIV_SIM_FAULT(name, text) VIV_SIM_FAULT_##name,
#include "sim/faults.def"
#undef VIV_SIM_FAULT
    VIV_SIM_FAULT_KINDS,
};

enum viv_sim_op_kind {
#define VIV_SIM_OP(name, text, share) VIV_SIM_OP_##name,
#include "sim/ops.def"
#undef VIV_SIM_OP
    VIV_SIM_OP_KINDS,
};

enum {
    VIV_SIM_MACHINES_MAX = 9,
    VIV_SIM_CALLERS_MAX = 12,
    VIV_SIM_OPERATOR = VIV_SIM_CALLERS_MAX - 1, /* the client that changes the ensemble; others have lower numbers */
    VIV_SIM_PATH_BYTES_MAX = 40,
    VIV_SIM_LEADER = -1, /* as a server of a fault: whoever leads then, else the first one */
};

/* Of the setting `stores`; from MIXED on each server has another one. */
enum { VIV_SIM_STORES_FLAT, VIV_SIM_STORES_LMDB, VIV_SIM_STORES_ROCKSDB, VIV_SIM_STORES_MIXED };

struct viv_sim_fault {
    enum viv_sim_fault_kind kind;
    int64_t at_us, duration_us;
    int32_t a, b;
    int64_t amount;
};

struct viv_sim_op {
    int32_t client;
    enum viv_sim_op_kind kind;
    int64_t after_us; /* the client's operation before */
    uint32_t salt;    /* what is not said here follows from it */
    char path[VIV_SIM_PATH_BYTES_MAX];
};

struct viv_sim_plan {
    uint64_t seed;
    int64_t settings[VIV_SIM_SETTINGS];
    struct viv_sim_fault *faults; /* by time */
    size_t fault_count, fault_capacity;
    struct viv_sim_op *ops; /* of each client in its order */
    size_t op_count, op_capacity;
};

void viv_sim_plan_init(struct viv_sim_plan *plan, uint64_t seed); /* usual settings, nothing happens */
void viv_sim_plan_fini(struct viv_sim_plan *plan);
void viv_sim_plan_copy(struct viv_sim_plan *to, const struct viv_sim_plan *from); /* into one that is not initialised */
void viv_sim_plan_add_fault(struct viv_sim_plan *plan, const struct viv_sim_fault *fault);
void viv_sim_plan_add_op(struct viv_sim_plan *plan, const struct viv_sim_op *op);

/* Everything from the seed (plan_draw.c). */
void viv_sim_plan_draw(struct viv_sim_plan *plan, uint64_t seed);

/* As lines of text, and back. read: VIV_ERR_MALFORMED (logged with its line) or VIV_ERR_IO; `plan` is to be released in
 * any case. */
void viv_sim_plan_write(const struct viv_sim_plan *plan, FILE *file);
viv_status viv_sim_plan_read(struct viv_sim_plan *plan, FILE *file) VIV_MUST_USE;

const char *viv_sim_setting_text(enum viv_sim_setting setting);
const char *viv_sim_fault_text(enum viv_sim_fault_kind kind);
const char *viv_sim_op_text(enum viv_sim_op_kind kind);

/* Generators that do not disturb each other. */
enum viv_sim_plane {
    VIV_SIM_TOPOLOGY,
    VIV_SIM_FAULTS,
    VIV_SIM_WORKLOAD,
    VIV_SIM_TIES,
    VIV_SIM_NETWORK,
    VIV_SIM_DISK,
    VIV_SIM_PROCESS,
    VIV_SIM_CLIENT,
};
void viv_sim_stream(struct viv_rng *rng, uint64_t seed, enum viv_sim_plane plane, uint64_t index);
/* Exponential, of that mean, at most 40 times it; without floating point, so that every compiler draws the same. */
int64_t viv_sim_draw_exponential(struct viv_rng *rng, int64_t mean);
/* Uniform in [low, high]; and uniform in the logarithm (1 <= low). */
int64_t viv_sim_draw(struct viv_rng *rng, int64_t low, int64_t high);
int64_t viv_sim_draw_log(struct viv_rng *rng, int64_t low, int64_t high);
bool viv_sim_draw_chance(struct viv_rng *rng, uint64_t part, uint64_t whole);

#endif /* VIV_SIM_PLAN_H */
