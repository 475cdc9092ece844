#include "base/assert.h"
#include "node/node_internal.h"

struct viv_fresh_wait {
    viv_conn conn;
    uint64_t point;
};

void viv_fresh_init(struct viv_node *node, bool is_wanted)
{
    node->freshness.is_wanted = is_wanted;
    node->freshness.next = 1;
    viv_fifo_init(&node->freshness.waiting, sizeof(struct viv_fresh_wait));
}

bool viv_fresh_is_early(const struct viv_node *node, const struct viv_pending *front)
{
    return front->read_point > node->freshness.reached;
}

/* The newest request, if it is a read that waits. */
static const struct viv_pending *last_early(const struct viv_node *node, const struct viv_connection *connection)
{
    if (!node->freshness.is_wanted || connection->pending.count == 0) {
        return NULL;
    }
    const struct viv_pending *last = viv_fifo_at(&connection->pending, connection->pending.count - 1);
    return last->kind == VIV_PENDING_READ && viv_fresh_is_early(node, last) ? last : NULL;
}

bool viv_fresh_holds(const struct viv_node *node, const struct viv_connection *connection)
{
    return last_early(node, connection) != NULL;
}

uint64_t viv_fresh_point(struct viv_node *node, const struct viv_connection *connection, int32_t op)
{
    struct viv_freshness *freshness = &node->freshness;
    if (!freshness->is_wanted || node->is_read_only) {
        return 0;
    }
    if (op == VIV_OP_PING) { /* reads nothing, but keeps its place */
        const struct viv_pending *last = last_early(node, connection);
        return last != NULL ? last->read_point : 0;
    }
    freshness->asker = freshness->asker == 0 ? connection->id : freshness->asker;
    struct viv_fresh_wait *wait = viv_fifo_push(&freshness->waiting);
    *wait = (struct viv_fresh_wait){connection->id, freshness->next};
    return freshness->next;
}

static void go_on(struct viv_node *node, struct viv_connection *connection)
{
    viv_request_advance(node, connection);
    if (connection->waits_for == VIV_CONNECTION_WAITS_READS && connection->state != VIV_CONNECTION_CLOSING &&
        !viv_fresh_holds(node, connection)) {
        connection->waits_for = VIV_CONNECTION_WAITS_NOT;
        viv_request_take_early(node, connection);
    }
}

void viv_fresh_reached(struct viv_node *node)
{
    struct viv_freshness *freshness = &node->freshness;
    const struct viv_fresh_wait *front;
    freshness->reached++;
    VIV_ASSERT(freshness->reached < freshness->next);
    while ((front = viv_fifo_front(&freshness->waiting)) != NULL && front->point <= freshness->reached) {
        struct viv_connection *connection = viv_connections_find(&node->connections, front->conn);
        viv_fifo_pop(&freshness->waiting);
        if (connection != NULL && connection->state != VIV_CONNECTION_CLOSING) {
            go_on(node, connection);
        }
    }
}

void viv_fresh_forget(struct viv_node *node)
{
    struct viv_freshness *freshness = &node->freshness;
    viv_fifo_clear(&freshness->waiting);
    freshness->asker = 0;
    freshness->reached = freshness->next - 1;
}

void viv_fresh_turn_end(struct viv_node *node)
{
    struct viv_freshness *freshness = &node->freshness;
    if (freshness->asker == 0) {
        return;
    }
    const struct viv_connection *connection = viv_connections_find(&node->connections, freshness->asker);
    struct viv_request request = {
        .session_id = connection != NULL ? connection->session_id : 0,
        .op = VIV_OP_SYNC,
    };
    freshness->asker = 0;
    freshness->next++;
    viv_group_read_point(&node->group, &request);
}
