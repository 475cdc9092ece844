#include "base/log.h"
#include "node/node_internal.h"

/* Read-only mode (client-protocol.md §15): a server that has looked for a leader for some time serves what it has to
 * those who say that they can do with that. It stands on what was committed when the quorum was lost. As soon as there
 * is a leader again, every connection is closed, before anything of the tree changes. */

/* Shorter losses of the quorum are an election. */
enum { PATIENCE_MS_MIN = 2000 };

static bool is_due(const struct viv_node *node)
{
    uint64_t patience_ms = node->tick_ms > PATIENCE_MS_MIN ? node->tick_ms : PATIENCE_MS_MIN;
    return node->policy.read_only_mode && node->is_looking && !node->is_read_only &&
           node->turn.now_ms - node->looking_since_ms >= patience_ms;
}

void viv_read_only_tick(struct viv_node *node)
{
    if (is_due(node)) {
        node->is_read_only = true;
        viv_log(VIV_LOG_WARN, "node", "there is no quorum: reads are served to clients that ask for read-only mode",
                "zxid=0x%llx", (unsigned long long)viv_group_zxid(&node->group));
    }
}

void viv_read_only_looking(struct viv_node *node, bool is_looking)
{
    if (is_looking && !node->is_looking) {
        node->looking_since_ms = node->turn.now_ms;
    }
    node->is_looking = is_looking;
    if (is_looking || !node->is_read_only) {
        return;
    }
    viv_log(VIV_LOG_INFO, "node", "read-only mode ends: a leader was found", "connections=%zu",
            node->connections.by_id.count);
    node->is_read_only = false;
    viv_request_close_all(node);
    if (!node->policy.local_sessions) {
        viv_expiry_clear(&node->local);
    }
}

bool viv_read_only_refuses(int32_t op)
{
    return op == VIV_OP_SYNC || op == VIV_OP_CHECK || (viv_prepare_is_write(op) && op != VIV_OP_CLOSE_SESSION);
}
