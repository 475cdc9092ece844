#ifndef VIV_EXPERIMENTS_LAB_RECOVERY_H
#define VIV_EXPERIMENTS_LAB_RECOVERY_H

#include <stdbool.h>

#include "experiments/lab/load.h"
#include "experiments/lab/reader.h"
#include "experiments/lab/trace.h"

/* Recovery time cut into its components as partitioning.md §4.2 defines them, from the servers' milestones and the
 * runner's own marks, contiguous from the fault to the end. Pure; knows no files and no processes. */

enum { VIV_RECOVERY_PARTS_MAX = 8 };

struct viv_recovery_part {
    const char *name;
    double ms;
};

struct viv_recovery {
    const char *kind; /* failover, restart or cold */
    double whole_ms;  /* fault or start until the first answer */
    struct viv_recovery_part parts[VIV_RECOVERY_PARTS_MAX];
    unsigned part_count; /* 0: the whole only, see why */
    double sum_check_ms; /* sum of the parts minus the whole; over 1 ms either way the trial is invalid */
    uint32_t rounds;     /* elections won, the last included */
    bool whole_only;     /* there are no parts to be had, and that is no fault */
    char why[96];        /* why there are no parts */
};

/* A failover that began at fault_ns with the loss of server `lost_sid` among server_count, whose first write was
 * acknowledged at ack_ns. False with why when a milestone is missing: parts and sum stay empty. */
bool viv_recovery_failover(const struct viv_trace *trace, uint64_t fault_ns, uint64_t ack_ns, viv_sid lost_sid,
                           uint32_t server_count, struct viv_recovery *recovery);
/* The loss of a follower, which the others need not recover from: the whole only. */
void viv_recovery_follower_loss(uint64_t fault_ns, uint64_t ack_ns, struct viv_recovery *recovery);
/* The end of a server that was told to stop: the longest time without an acknowledged write, which has no parts. */
void viv_recovery_hand_over(const struct viv_load_result *result, struct viv_recovery *recovery);
/* The start at start_ns of server `sid`, which answered its first read at read_ns. */
bool viv_recovery_restart(const struct viv_trace *trace, uint64_t start_ns, uint64_t read_ns, viv_sid sid,
                          struct viv_recovery *recovery);
bool viv_recovery_adds_up(const struct viv_recovery *recovery);

/* Time from ack_ns until throughput is back: the first moment from which every 1-s window within steady_ns holds 95 %
 * of the median 1-s throughput before fault_ns. Resolution 100 ms. Negative when it does not come back in what was
 * recorded. */
double viv_recovery_ramp_ms(const struct viv_load_result *result, uint64_t fault_ns, uint64_t ack_ns,
                            uint64_t steady_ns);

/* Time from read_ns until a restarted server reads as before: the first moment from which in every 1-s window within
 * steady_ns the 99th percentile of the latencies is at most 1.2 times that of the second before fault_ns, or of what
 * there is of it. Samples by due time. Resolution 100 ms. Negative when that is not reached before end_ns. */
double viv_recovery_warm_ms(const struct viv_read_sample *samples, size_t count, uint64_t fault_ns, uint64_t read_ns,
                            uint64_t end_ns, uint64_t steady_ns);

#endif /* VIV_EXPERIMENTS_LAB_RECOVERY_H */
