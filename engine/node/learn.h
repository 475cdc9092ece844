#ifndef VIV_NODE_LEARN_H
#define VIV_NODE_LEARN_H

#include "node/group.h"

/* What a learner asks of its leader for its clients, and what comes back (zab-interop.md §4.5-§4.7). */

/* The zxid of a REQUEST packet says nothing between ZooKeeper's servers; between ours this one says that the session is
 * known to the learner only. */
#define VIV_LEARN_LOCAL_SESSION UINT64_C(0)
/* And this one on a sync: what is committed is enough, not what is proposed; and a quorum must confirm it. */
#define VIV_LEARN_READ_POINT UINT64_C(1)

void viv_learn_forward(struct viv_group *group, const struct viv_request *request);
void viv_learn_read_point(struct viv_group *group, const struct viv_request *request);
void viv_learn_revalidate(struct viv_group *group, int64_t session_id, int32_t timeout_ms);
/* ZAB output PASSED: from the leader. */
void viv_learn_passed(struct viv_group *group, const struct viv_zab_output *output);

#endif /* VIV_NODE_LEARN_H */
