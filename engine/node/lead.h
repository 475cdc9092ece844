#ifndef VIV_NODE_LEAD_H
#define VIV_NODE_LEAD_H

#include "node/group.h"

/* What only the leader does for the ensemble (and a standalone server for itself): prepare and propose writes of its
 * own clients and of learners, refuse those of sessions that moved, keep every session's deadline, answer
 * re-attachments and syncs of learners. The other half is node/learn.h. */

/* Serving begins: every session gets a full fresh timeout. */
void viv_lead_begin(struct viv_group *group);
void viv_lead_tick(struct viv_group *group);
/* `server`: where the request came in. 0, or the code of a write that is refused without a transaction. */
int32_t viv_lead_propose(struct viv_group *group, const struct viv_request *request, viv_sid server);
/* A transaction is in the tree (any server; does nothing elsewhere). */
void viv_lead_applied(struct viv_group *group, const struct viv_applied *applied);
/* ZAB output PASSED: from a learner. */
void viv_lead_passed(struct viv_group *group, const struct viv_zab_output *output);
/* Before a COMMIT or INFORM goes to a learner: answers its syncs that belong before that transaction. The client of a
 * sync may have written behind it, and one COMMIT between our own servers may stand for both sides: it is split there.
 */
void viv_lead_sync_before(struct viv_group *group, struct viv_link *link, const struct viv_packet *packet);
/* Answers learners whose syncs are committed, and whoever asked for a session that is certain to be over. */
void viv_lead_release_syncs(struct viv_group *group);
/* A client re-attaches here; a note tells whether it may. Nobody hears that a session is over before its end is
 * committed, and before a quorum has confirmed that no other leader can have made it: who was replaced and does not
 * know it would tell of ends that will never be. ZooKeeper's leaders do. */
void viv_lead_attach(struct viv_group *group, int64_t session_id, int32_t timeout_ms);

#endif /* VIV_NODE_LEAD_H */
