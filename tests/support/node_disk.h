#ifndef VIV_TESTS_SUPPORT_NODE_DISK_H
#define VIV_TESTS_SUPPORT_NODE_DISK_H

#include "node/node.h"

/* The stores of one server, in memory: a log, a hard state and the newest image. Performs LOG_* and CHECKPOINT_*
 * actions and answers them with events. */

struct viv_node_disk {
    struct viv_entry *entries; /* bodies owned */
    size_t entry_count, entry_capacity;
    struct viv_log_bounds bounds;
    struct viv_hard_state hard;
    struct viv_buffer image;
    struct viv_state_mark mark;
    bool has_image;
    struct viv_buffer coming; /* the image being written */
    enum viv_checkpoint_kind coming_kind;
    uint64_t coming_start;
    bool is_coming;
    uint64_t image_count, install_count;
};

void viv_node_disk_init(struct viv_node_disk *disk);
void viv_node_disk_fini(struct viv_node_disk *disk);
/* The machine stops: an image that was not committed is gone. */
void viv_node_disk_crash(struct viv_node_disk *disk);
/* Feeds a new node with what the disk holds. */
viv_status viv_node_disk_recover(const struct viv_node_disk *disk, struct viv_node *node) VIV_MUST_USE;

typedef void viv_node_disk_event_fn(void *ctx, const struct viv_event *event);
/* Does it, for good, and calls back with the answers. read_entries: how many one LOG_READ event carries, 0 all. */
void viv_node_disk_perform(struct viv_node_disk *disk, const struct viv_action *action, size_t read_entries,
                           viv_node_disk_event_fn *answer, void *ctx);

#endif /* VIV_TESTS_SUPPORT_NODE_DISK_H */
