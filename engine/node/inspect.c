#include "node/inspect.h"

#include "base/assert.h"
#include "node/identity.h"
#include "node/node_internal.h"
#include "tree/acl.h"

bool viv_node_connection(const struct viv_node *node, viv_conn conn, struct viv_connection_view *view)
{
    const struct viv_connection *connection = viv_connections_find(&node->connections, conn);
    if (connection == NULL) {
        return false;
    }
    *view = (struct viv_connection_view){
        .session_id = connection->session != NULL ? connection->session_id : 0,
        .timeout_ms = connection->timeout_ms,
        .opened_wall_ms = connection->opened_wall_ms,
        .outstanding = connection->pending.count,
        .stats = connection->stats,
    };
    return true;
}

void viv_node_reset_connection_stats(struct viv_node *node)
{
    for (struct viv_connection *connection = node->connections.first; connection != NULL;
         connection = connection->next) {
        viv_connection_stats_reset(&connection->stats);
    }
}

void viv_node_reset_stats(struct viv_node *node)
{
    node->frames_received = node->connections.frames_sent = 0;
    node->connections.reply_bytes_last = node->connections.reply_bytes_min = node->connections.reply_bytes_max = 0;
    viv_group_measure_reset(&node->group.measure);
    viv_metrics_reset(node->metrics);
    viv_request_measure_set_usual(&node->measure);
}

size_t viv_node_synced_voters(const struct viv_node *node, viv_sid *sids)
{
    return viv_zab_synced_voters(node->group.zab, sids);
}

bool viv_node_may_decide(const struct viv_node *node, const viv_sid *sids, size_t count)
{
    return viv_zab_may_decide(node->group.zab, sids, count);
}

enum viv_authority viv_node_authority(const struct viv_node *node, struct viv_bytes address, struct viv_bytes scheme,
                                      struct viv_bytes auth)
{
    static const int32_t perms[] = {VIV_PERM_READ, VIV_PERM_WRITE, VIV_PERM_CREATE, VIV_PERM_DELETE, VIV_PERM_ADMIN};
    struct viv_buffer authinfo = {0};
    struct viv_znode root;
    VIV_ASSERT(viv_tree_find(node->group.tree, VIV_BYTES_LITERAL("/"), &root));
    struct viv_bytes acl = viv_tree_acl(node->group.tree, root.acl_id);
    viv_identity_init(&authinfo, address);
    enum viv_authority authority = VIV_AUTHORITY_UNKNOWN;
    bool is_shown = auth.size > 0 || viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ip"));
    if (is_shown && viv_identity_add(&authinfo, &node->identity, scheme, auth)) {
        authority = VIV_AUTHORITY_FULL;
        for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++) {
            bool may = node->group.rules.skips_acl || viv_acl_allows(acl, perms[i], viv_buffer_bytes(&authinfo));
            authority = may ? authority : VIV_AUTHORITY_LESS;
        }
    }
    viv_buffer_fini(&authinfo);
    return authority;
}

struct viv_tree *viv_node_tree_to_walk(struct viv_node *node)
{
    return node->group.tree;
}

void viv_node_image(const struct viv_node *node, struct viv_image_view *view)
{
    *view = (struct viv_image_view){node->group.image_exists, node->group.image_zxid, node->group.image_wall_ms};
}

const struct viv_watches *viv_node_watches(const struct viv_node *node)
{
    return node->watches;
}

const struct viv_digests *viv_node_digests(const struct viv_node *node)
{
    return &node->group.digests;
}

uint64_t viv_node_session_deadline_ms(const struct viv_node *node, int64_t session_id)
{
    return viv_expiry_deadline_ms(&node->group.expiry, session_id);
}

uint64_t viv_node_local_deadline_ms(const struct viv_node *node, int64_t session_id)
{
    return viv_expiry_deadline_ms(&node->local, session_id);
}

bool viv_node_keeps_deadlines(const struct viv_node *node)
{
    return viv_zab_is_broadcasting_leader(node->group.zab);
}
