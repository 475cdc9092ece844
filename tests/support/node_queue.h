#ifndef VIV_TESTS_SUPPORT_NODE_QUEUE_H
#define VIV_TESTS_SUPPORT_NODE_QUEUE_H

#include "node/action.h"
#include "node/event.h"

/* What will happen, by time; at the same time in the order in which it was asked for. */

/* To one life of one server: first to its disk, then to the node. */
struct viv_happening {
    uint64_t at_ms, sequence;
    size_t server;
    uint64_t life;
    bool has_event;
    struct viv_event event;
    struct viv_buffer bytes; /* owned; event.bytes points here when it happens */
    bool has_disk_action;
    struct viv_action disk_action; /* its rows are owned */
};

void viv_happening_fini(struct viv_happening *item);

struct viv_node_queue {
    struct viv_happening *heap;
    size_t count, capacity;
    uint64_t sequence;
};

void viv_node_queue_fini(struct viv_node_queue *queue);
/* Takes what the item owns; gives it its sequence. */
void viv_node_queue_push(struct viv_node_queue *queue, const struct viv_happening *item);
const struct viv_happening *viv_node_queue_next(const struct viv_node_queue *queue); /* NULL when empty */
struct viv_happening viv_node_queue_pop(struct viv_node_queue *queue);

#endif /* VIV_TESTS_SUPPORT_NODE_QUEUE_H */
