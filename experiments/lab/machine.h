#ifndef VIV_EXPERIMENTS_LAB_MACHINE_H
#define VIV_EXPERIMENTS_LAB_MACHINE_H

#include <jansson.h>

#include "base/status.h"
#include "experiments/lab/system.h"

/* What a run was done with and on: provenance (partitioning.md §5.4), calibration of the disk and of the loopback, and
 * the CPU time the host took away. Names no users, addresses or absolute paths. */

struct viv_machine_cpu {
    uint64_t total_ticks, steal_ticks, idle_ticks;
};

void viv_machine_cpu(struct viv_machine_cpu *cpu);
/* Share of all CPU time between the two, in tenths of a percent. */
uint64_t viv_machine_steal_tenths(const struct viv_machine_cpu *before, const struct viv_machine_cpu *after);

/* Owned. `dir` is where the servers' data will be, source_dir the folder of the plan, whose git commit is told. */
json_t *viv_machine_provenance(const char *dir, const char *source_dir, const struct viv_system_places *places);
/* Latency of synced appends in `dir`, and of a round trip over the loopback. VIV_ERR_IO when dir cannot be written. */
viv_status viv_machine_calibrate(const char *dir, json_t **out) VIV_MUST_USE;
/* Short commit hash of the folder, or "nogit"; owned. */
char *viv_machine_revision(const char *source_dir);

#endif /* VIV_EXPERIMENTS_LAB_MACHINE_H */
