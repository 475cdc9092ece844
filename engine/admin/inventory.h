#ifndef VIV_ADMIN_INVENTORY_H
#define VIV_ADMIN_INVENTORY_H

#include "admin/report.h"
#include "server/view.h"

/* The long lists that operators ask for, item by item, for the steps of a report: whoever makes text of them or JSON
 * goes through the same walks. A walk keeps its place in the report; what comes or goes while it is under way may be
 * missed. `looks` bounds one piece's work and counts down; at 0 the walk goes on in the next piece. */

/* Whether the walk of the running step has come to its end. */
bool viv_inventory_is_done(const struct viv_report *report);

struct viv_inventory_watch {
    struct viv_bytes path;
    int64_t session_id;
    bool is_first; /* of its path, or of its session */
};
bool viv_inventory_next_watch(struct viv_report *report, enum viv_watch_order order, struct viv_inventory_watch *watch,
                              size_t *looks);

bool viv_inventory_next_session(struct viv_report *report, int64_t *session_id, int32_t *timeout_ms, size_t *looks);

struct viv_inventory_ephemeral {
    int64_t session_id;
    viv_node_id node;
    bool is_first; /* of its session */
};
bool viv_inventory_next_ephemeral(struct viv_report *report, struct viv_inventory_ephemeral *item, size_t *looks);
void viv_inventory_put_path(const struct viv_report *report, viv_node_id node, struct viv_buffer *out);

/* Steps of their own: fill report->dues with the sessions whose deadlines this server keeps, and report->gathered with
 * the number of sessions that have ephemerals; or report->dues with the client connections, or with those local
 * sessions that have one. */
viv_report_step_fn viv_inventory_gather_sessions, viv_inventory_gather_connections, viv_inventory_gather_local;
struct viv_inventory_due {
    const struct viv_due_set *set;
    uint64_t number;
    bool is_first; /* of its set */
};
bool viv_inventory_next_due(struct viv_report *report, struct viv_inventory_due *due, size_t *looks);

#endif /* VIV_ADMIN_INVENTORY_H */
