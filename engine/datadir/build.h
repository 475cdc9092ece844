#ifndef VIV_DATADIR_BUILD_H
#define VIV_DATADIR_BUILD_H

#include "datadir/datadir.h"
#include "tree/tree.h"

/* A tree becomes the contents of two empty folders, as if a server had just been given it whole: one image at the
 * tree's zxid, a log that begins behind it, and the epochs. Not safe against a crash by itself: build under another
 * name, sync, then rename. */

struct viv_datadir_plan {
    struct viv_datadir_pairing pairing;
    const char *state_path, *log_path; /* folders that exist and are empty; may be one */
    uint64_t cluster[2];
    int64_t server_id;
    bool durable;
    uint64_t segment_bytes;
    uint32_t accepted_epoch, current_epoch;
    const struct viv_disk *disk; /* as in viv_store_config */
};

/* VIV_ERR_UNSUPPORTED: the configuration keeps nothing; or those of the stores. Logged. */
viv_status viv_datadir_build(const struct viv_datadir_plan *plan, struct viv_tree *tree) VIV_MUST_USE;

/* The tree moves on to the beginning of an epoch later than its own: behind every zxid that a client can have seen, so
 * that clients come back by themselves. Whom it belongs to is for the configuration files to say again. */
void viv_datadir_begin_epoch(struct viv_tree *tree, uint32_t epoch);

#endif /* VIV_DATADIR_BUILD_H */
