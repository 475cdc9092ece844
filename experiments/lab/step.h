#ifndef VIV_EXPERIMENTS_LAB_STEP_H
#define VIV_EXPERIMENTS_LAB_STEP_H

#include "experiments/lab/load.h"

/* What a trial does to its ensemble, one after the other. A plain value. */

enum viv_step_kind {
    VIV_STEP_LOAD,       /* measure an operation */
    VIV_STEP_KILL,       /* kill -9 a server under load, start it again when the rest has recovered */
    VIV_STEP_STOP,       /* SIGSTOP a server under load, SIGCONT when the rest has recovered */
    VIV_STEP_RESTART,    /* kill -9 a server under load and start it again at once */
    VIV_STEP_TERM,       /* SIGTERM a server under load, start it again when the rest has recovered */
    VIV_STEP_FREEZE,     /* no sync of a server's disk ends, under load, until the rest of the step is over */
    VIV_STEP_COLD_START, /* kill -9 all, start all */
    VIV_STEP_PLACE,      /* place keys by a scheme, change the bins, time lookups; no servers */
};

enum viv_place { VIV_PLACE_SPREAD, VIV_PLACE_LEADER, VIV_PLACE_FOLLOWER };

struct viv_step {
    char name[64];
    enum viv_step_kind kind;
    struct viv_load_spec load; /* attach, session timeout and seed are filled in when the step runs */
    enum viv_place attach;
    enum viv_place target; /* of a fault: LEADER or FOLLOWER */
    uint64_t before_ns, after_ns, steady_ns, limit_ns;
};

const char *viv_step_kind_name(enum viv_step_kind kind);
const char *viv_place_name(enum viv_place place);

#endif /* VIV_EXPERIMENTS_LAB_STEP_H */
