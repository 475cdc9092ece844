#ifndef VIV_SERVER_RECOVERY_H
#define VIV_SERVER_RECOVERY_H

#include "node/node.h"
#include "server/config.h"
#include "server/data_dir.h"
#include "server/trace.h"
#include "store/log_store.h"
#include "store/state_store.h"

/* From closed stores to a node that knows what this server knew: image, then log, then the check that both join. */

struct viv_stores {
    struct viv_log *log;
    struct viv_state *state;
};

struct viv_recovery {
    const struct viv_config *config;
    const struct viv_data_dir *data;
    const struct viv_log_ops *log_ops;
    const struct viv_state_ops *state_ops;
    struct viv_trace *trace;
};

/* Fills *stores and *node, and prints the times of the phases as one JSON line to stdout. On failure nothing stays
 * open, and one message has said what to do. */
viv_status viv_recovery_run(const struct viv_recovery *recovery, struct viv_stores *stores,
                            struct viv_node **node) VIV_MUST_USE;
void viv_stores_close(struct viv_stores *stores);

#endif /* VIV_SERVER_RECOVERY_H */
