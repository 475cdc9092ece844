#ifndef VIV_NODE_INSTALL_H
#define VIV_NODE_INSTALL_H

#include "node/group.h"

/* A snapshot stream from the leader becomes the state, so that a crash at any moment leaves either the old state with
 * its log or the new one (backends.md §2.5): the stream is loaded into a tree of its own; the hard state notes that
 * its image is coming; the image is written; the log restarts behind it; the note is cleared; only then does the new
 * tree take the old one's place and ZAB hear of it. */

/* ZAB output SNAP_RECEIVE. */
void viv_install_begin(struct viv_group *group, const struct viv_zab_output *output);
/* Bytes of the stream. *used: how many belonged to it. VIV_ERR_MALFORMED: the link is of no use any more. */
viv_status viv_install_feed(struct viv_group *group, struct viv_link *link, struct viv_bytes bytes,
                            size_t *used) VIV_MUST_USE;
/* The link is gone: gives up what is not whole yet. */
void viv_install_link_lost(struct viv_group *group, uint32_t link);
/* Answers of the stores, in order. */
void viv_install_marked(struct viv_group *group);
void viv_install_written(struct viv_group *group, viv_status status);
void viv_install_cleared(struct viv_group *group);
void viv_install_fini(struct viv_install *install);

#endif /* VIV_NODE_INSTALL_H */
