#ifndef VIV_SIM_RUN_H
#define VIV_SIM_RUN_H

#include "base/bytes.h"
#include "sim/check/check.h"
#include "sim/marks.h"
#include "sim/plan.h"

/* Runs one plan from end to end: an ensemble of real nodes over the real stores, on disks, a network, clocks and
 * clients that are simulated. The phases: start and load with faults; the chosen core of voters is healed and must
 * serve in time; all are healed; all lose power, come back from their disks, and are compared. */

/* What is broken on purpose, so that a checker has something to find. */
#define VIV_SIM_BREAKS(X)                                                                                              \
    X(NOTHING, "nothing")                                                                                              \
    X(EARLY_ACK, "early-ack")             /* a batch is called durable when it is handed over */                       \
    X(LYING_DISK, "lying-disk")           /* syncs of files do nothing */                                              \
    X(LYING_DIRECTORY, "lying-directory") /* syncs of the directory do nothing */                                      \
    X(TRUNCATE_LESS, "truncate-less")     /* a truncation keeps one entry too many */                                  \
    X(LOST_HARD_STATE, "lost-hard-state") /* epochs are called durable and are not written */                          \
    X(HIGH_VOTE, "high-vote")             /* a server votes with the longest history that it ever had */               \
    X(OLD_ZXID, "old-zxid")               /* a reply says an older zxid than that of what it shows */                  \
    X(FREE_WIPE, "free-wipe")             /* disks are lost whenever it comes, not only while others hold all */       \
    X(FREE_ROT, "free-rot")               /* the same for what rots */                                                 \
    X(LYING_LIBRARY, "lying-library")     /* syncs of LMDB and RocksDB do nothing */

enum viv_sim_break {
#define X(name, text) VIV_SIM_BREAK_##name,
    VIV_SIM_BREAKS(X)
#undef X
        VIV_SIM_BREAK_COUNT,
};

struct viv_sim_options {
    bool is_verbose; /* what happens, to standard error */
    bool is_chatty;  /* every event and action too */
    enum viv_sim_break breaks;
    uint64_t *marks;     /* what is logged is counted here by whoever installed the sink; traces are added */
    const char *history; /* where to write what clients saw; NULL: nowhere */
};

enum {
    VIV_SIM_PROBLEM_BYTES_MAX = 1000,
    VIV_SIM_CORE_MS = 5000, /* a healed majority takes writes again within, at default settings */
};

struct viv_sim_result {
    bool failed;
    char problem[VIV_SIM_PROBLEM_BYTES_MAX]; /* "": none */
    uint64_t trace;
    int64_t time_ns; /* virtual */
    uint64_t events, turns;
    uint64_t faults[VIV_SIM_FAULT_KINDS];
    uint64_t injuries, refusals; /* places that rotted; starts that servers refused for it */
    uint64_t asked, answered, commits, reconfigurations /* of them */, epochs;
    uint64_t checked[VIV_CHECKER_COUNT];
    uint64_t marks[VIV_SIM_MARKS];
    int64_t core_ms, all_ms; /* from healing until a write succeeded; until all were alike */
    bool core_waits;         /* not in time, rightly: see viv_sim_truth_waits_rightly */
    bool stays_down;         /* nor when all were healed */
};

void viv_sim_run(const struct viv_sim_plan *plan, const struct viv_sim_options *options, struct viv_sim_result *result);

#endif /* VIV_SIM_RUN_H */
