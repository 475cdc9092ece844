#include "admin/inventory.h"

/* Connections expire in steps of this, as ZooKeeper's do: its sessionlessCnxnTimeout. */
enum { CONNECTION_STEP_MS = 10000 };

bool viv_inventory_is_done(const struct viv_report *report)
{
    return report->place.is_done;
}

/* ---- watches ---- */

bool viv_inventory_next_watch(struct viv_report *report, enum viv_watch_order order, struct viv_inventory_watch *watch,
                              size_t *looks)
{
    const struct viv_node *node = viv_server_node(report->server);
    struct viv_watch_item item;
    if (!viv_watches_next(viv_node_watches(node), order, &report->place.watch, &item, looks)) {
        report->place.is_done = *looks > 0;
        return false;
    }
    struct viv_connection_view connection = {0};
    (void)viv_node_connection(node, item.conn, &connection);
    *watch = (struct viv_inventory_watch){item.path, connection.session_id, item.is_first};
    return true;
}

/* ---- sessions ---- */

static const struct viv_tree *tree_of(const struct viv_report *report)
{
    return viv_node_tree(viv_server_node(report->server));
}

bool viv_inventory_next_session(struct viv_report *report, int64_t *session_id, int32_t *timeout_ms, size_t *looks)
{
    if (*looks == 0) {
        return false;
    }
    --*looks;
    uint32_t cursor = (uint32_t)report->place.at;
    report->place.is_done = !viv_tree_next_session(tree_of(report), &cursor, session_id, timeout_ms);
    report->place.at = cursor;
    return !report->place.is_done;
}

bool viv_inventory_next_ephemeral(struct viv_report *report, struct viv_inventory_ephemeral *item, size_t *looks)
{
    struct viv_report_place *place = &report->place;
    const struct viv_tree *tree = tree_of(report);
    for (; *looks > 0; --*looks) {
        viv_node_id id = (viv_node_id)place->inside;
        struct viv_znode node;
        if (id == VIV_NODE_NONE) {
            int32_t timeout_ms;
            if (!viv_inventory_next_session(report, &place->session_id, &timeout_ms, looks)) {
                return false;
            }
            place->inside = viv_tree_next_ephemeral(tree, place->session_id, VIV_NODE_NONE);
            place->is_named = false;
            ++*looks;
            continue;
        }
        if (!viv_tree_get(tree, id, &node) || node.owner != place->session_id) {
            place->inside = VIV_NODE_NONE; /* it went while nobody looked, and with it the way to the others */
            continue;
        }
        *item = (struct viv_inventory_ephemeral){place->session_id, id, !place->is_named};
        place->is_named = true;
        place->inside = viv_tree_next_ephemeral(tree, place->session_id, id);
        --*looks;
        return true;
    }
    return false;
}

void viv_inventory_put_path(const struct viv_report *report, viv_node_id node, struct viv_buffer *out)
{
    viv_tree_path(tree_of(report), node, out);
}

/* ---- what falls due ---- */

bool viv_inventory_gather_sessions(struct viv_report *report, struct viv_buffer *out)
{
    (void)out;
    const struct viv_node *node = viv_server_node(report->server);
    int64_t session_id;
    int32_t timeout_ms;
    size_t looks = VIV_REPORT_LOOKS;
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        viv_dues_fini(&report->dues);
    }
    while (viv_inventory_next_session(report, &session_id, &timeout_ms, &looks)) {
        report->gathered += viv_tree_next_ephemeral(tree_of(report), session_id, VIV_NODE_NONE) != VIV_NODE_NONE;
        uint64_t deadline_ms = viv_node_session_deadline_ms(node, session_id);
        if (deadline_ms > 0) {
            viv_dues_add(&report->dues, deadline_ms, (uint64_t)session_id);
        }
    }
    return viv_inventory_is_done(report);
}

struct gathering {
    struct viv_report *report;
    struct viv_server_view view;
};

/* As if every connection had a deadline, which ZooKeeper's have: so long after it was heard of last. */
static void gather_connection(void *ctx, const struct viv_client_info *info)
{
    struct gathering *gathering = ctx;
    struct viv_connection_view connection;
    if (!viv_node_connection(gathering->view.node, info->conn, &connection)) {
        return;
    }
    uint64_t opened_ms = gathering->view.now_ms - (uint64_t)(gathering->view.wall_ms - connection.opened_wall_ms);
    uint64_t heard_ms = connection.stats.latency_count > 0 ? connection.stats.last_reply_ms : opened_ms;
    uint64_t patience_ms = connection.session_id != 0 ? (uint64_t)connection.timeout_ms : CONNECTION_STEP_MS;
    uint64_t deadline_ms = ((heard_ms + patience_ms) / CONNECTION_STEP_MS + 1) * CONNECTION_STEP_MS;
    viv_dues_add(&gathering->report->dues, deadline_ms, info->conn);
}

static void gather_local(void *ctx, const struct viv_client_info *info)
{
    struct gathering *gathering = ctx;
    struct viv_connection_view connection;
    if (viv_node_connection(gathering->view.node, info->conn, &connection)) {
        uint64_t deadline_ms = viv_node_local_deadline_ms(gathering->view.node, connection.session_id);
        if (deadline_ms > 0) {
            viv_dues_add(&gathering->report->dues, deadline_ms, (uint64_t)connection.session_id);
        }
    }
}

static bool gather(struct viv_report *report, viv_client_info_fn *visit)
{
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        viv_dues_fini(&report->dues);
    }
    struct gathering gathering = {.report = report};
    viv_server_view(report->server, &gathering.view);
    report->place.at =
        viv_client_port_visit(gathering.view.clients, report->place.at, VIV_REPORT_LOOKS, visit, &gathering);
    return report->place.at == 0;
}

bool viv_inventory_gather_connections(struct viv_report *report, struct viv_buffer *out)
{
    (void)out;
    return gather(report, gather_connection);
}

bool viv_inventory_gather_local(struct viv_report *report, struct viv_buffer *out)
{
    (void)out;
    return gather(report, gather_local);
}

bool viv_inventory_next_due(struct viv_report *report, struct viv_inventory_due *due, size_t *looks)
{
    struct viv_report_place *place = &report->place;
    if (*looks == 0) {
        return false;
    }
    --*looks;
    bool is_first = place->inside == 0;
    if (is_first && place->at == viv_dues_set_count(&report->dues)) {
        place->is_done = true;
        return false;
    }
    place->at += is_first;
    const struct viv_due_set *set = viv_dues_set(&report->dues, place->at - 1);
    const struct viv_due_item *item = viv_dues_item(&report->dues, is_first ? set->first : (uint32_t)place->inside);
    place->inside = item->next;
    *due = (struct viv_inventory_due){set, item->number, is_first};
    return true;
}
