#ifndef VIV_NODE_RECONFIGURE_H
#define VIV_NODE_RECONFIGURE_H

#include "wire/records.h"

/* The ensemble as one group sees it: what a client's reconfig comes to, and telling of the members that count now.
 * Knows the order of the refusals (client-protocol.md §5) and the texts; what makes a change safe is ZAB's affair. */

struct viv_group;
struct viv_zab_output;

/* A viv_reconfigure_fn; ctx is the group, which leads. */
int32_t viv_reconfigure(void *ctx, const struct viv_reconfig_request *request, uint64_t zxid, struct viv_buffer *text);
/* ZAB output MEMBERS: the skin is told, and /zookeeper/config shows a configuration that was heard of. */
void viv_group_tell_members(struct viv_group *group, const struct viv_zab_output *output);
/* What /zookeeper/config shows. */
struct viv_bytes viv_group_shown_members(const struct viv_group *group);

#endif /* VIV_NODE_RECONFIGURE_H */
