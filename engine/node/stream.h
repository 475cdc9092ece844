#ifndef VIV_NODE_STREAM_H
#define VIV_NODE_STREAM_H

#include "node/group.h"

/* The state on its way to learners: slices of the tree's stream, one a turn, each after the link has drained. */

void viv_streams_init(struct viv_fifo *streams);
void viv_streams_fini(struct viv_fifo *streams);
/* ZAB output SNAP_SEND. */
void viv_stream_begin(struct viv_group *group, const struct viv_zab_output *output);
/* LINK_DRAINED. */
void viv_stream_drained(struct viv_group *group, uint32_t link);
/* End of a turn: goes on wherever a link has room. */
void viv_streams_slice(struct viv_group *group);

#endif /* VIV_NODE_STREAM_H */
