#include <inttypes.h>
#include <stdio.h>

#include "admin/command_internal.h"
#include "admin/inventory.h"
#include "base/assert.h"

/* Steps that need a list open when they begin and closed when they end say so here; an answer's frame is
 * viv_command_begin and viv_command_end. */

static void open_once(struct viv_report *report, struct viv_buffer *out, const char *key, bool is_list)
{
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        if (is_list) {
            viv_json_open_list(&report->json, out, key);
        } else {
            viv_json_open(&report->json, out, key);
        }
    }
}

/* Ends the member that is open inside the object of the step, if one is. */
static void close_member(struct viv_report *report, struct viv_buffer *out)
{
    if (report->is_member_open) {
        report->is_member_open = false;
        viv_json_close(&report->json, out);
    }
}

static bool close_when_done(struct viv_report *report, struct viv_buffer *out)
{
    if (viv_inventory_is_done(report)) {
        close_member(report, out);
        viv_json_close(&report->json, out);
        return true;
    }
    return false;
}

static void open_member(struct viv_report *report, struct viv_buffer *out, struct viv_bytes key)
{
    close_member(report, out);
    report->is_member_open = true;
    viv_json_open_list_of(&report->json, out, key);
}

static void open_member_number(struct viv_report *report, struct viv_buffer *out, uint64_t key)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, (int64_t)key);
    open_member(report, out, viv_bytes_text(text));
}

/* ---- connections ---- */

struct connection_fields {
    struct viv_report *report;
    struct viv_server_view view;
    struct viv_buffer *out;
    bool is_brief, is_secure;
};

static void put_session(struct viv_json *json, struct viv_buffer *out, const struct viv_connection_view *connection)
{
    const struct viv_connection_stats *stats = &connection->stats;
    uint64_t average_ms = stats->latency_count > 0 ? stats->latency_ms_sum / stats->latency_count : 0;
    viv_json_integer(json, out, "session_id", connection->session_id);
    viv_json_text(json, out, "last_operation", viv_view_op_name(stats->last_op));
    viv_json_integer(json, out, "established", connection->opened_wall_ms);
    viv_json_integer(json, out, "session_timeout", connection->timeout_ms);
    viv_json_integer(json, out, "last_cxid", stats->last_cxid);
    viv_json_integer(json, out, "last_zxid", (int64_t)stats->last_zxid);
    viv_json_integer(json, out, "last_response_time", (int64_t)stats->last_reply_ms);
    viv_json_integer(json, out, "last_latency", (int64_t)stats->latency_ms_last);
    viv_json_integer(json, out, "min_latency", (int64_t)stats->latency_ms_min);
    viv_json_integer(json, out, "avg_latency", (int64_t)average_ms);
    viv_json_integer(json, out, "max_latency", (int64_t)stats->latency_ms_max);
}

static void put_connection(void *ctx, const struct viv_client_info *info)
{
    struct connection_fields *fields = ctx;
    struct viv_json *json = &fields->report->json;
    struct viv_connection_view connection = {0};
    if (info->is_secure != fields->is_secure || !viv_node_connection(fields->view.node, info->conn, &connection)) {
        return;
    }
    char address[128];
    snprintf(address, sizeof address, "%s:%d", info->address, info->port);
    viv_json_open(json, fields->out, NULL);
    viv_json_text(json, fields->out, "remote_socket_address", address);
    viv_json_integer(json, fields->out, "interest_ops", info->queued_bytes > 0 ? 5 : 1);
    viv_json_integer(json, fields->out, "outstanding_requests", (int64_t)connection.outstanding);
    viv_json_integer(json, fields->out, "packets_received", (int64_t)info->received);
    viv_json_integer(json, fields->out, "packets_sent", (int64_t)info->sent);
    if (!fields->is_brief) {
        put_session(json, fields->out, &connection);
    }
    viv_json_close(json, fields->out);
}

static bool put_connections(struct viv_report *report, struct viv_buffer *out, bool is_brief, bool is_secure)
{
    open_once(report, out, is_secure ? "secure_connections" : "connections", true);
    struct connection_fields fields = {.report = report, .out = out, .is_brief = is_brief, .is_secure = is_secure};
    viv_server_view(report->server, &fields.view);
    report->place.at =
        viv_client_port_visit(fields.view.clients, report->place.at, VIV_REPORT_LOOKS, put_connection, &fields);
    report->place.is_done = report->place.at == 0;
    return close_when_done(report, out);
}

static bool plain_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, false, false);
}

static bool secure_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, false, true);
}

static bool brief_plain_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, true, false);
}

static bool brief_secure_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, true, true);
}

static bool stats_begin(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    struct viv_command_context context = {report, &view, &report->json, out};
    viv_command_begin(report, out);
    viv_command_put_server_stats(&context);
    return true;
}

/* ---- watches ---- */

static bool watches_by_path(struct viv_report *report, struct viv_buffer *out)
{
    open_once(report, out, "path_to_session_ids", false);
    struct viv_inventory_watch watch;
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_watch(report, VIV_WATCHES_BY_PATH, &watch, &looks);) {
        if (watch.is_first) {
            open_member(report, out, watch.path);
        }
        viv_json_integer(&report->json, out, NULL, watch.session_id);
    }
    return close_when_done(report, out);
}

static bool watches_by_session(struct viv_report *report, struct viv_buffer *out)
{
    open_once(report, out, "session_id_to_watched_paths", false);
    struct viv_inventory_watch watch;
    for (size_t looks = VIV_REPORT_LOOKS;
         viv_inventory_next_watch(report, VIV_WATCHES_BY_CONNECTION, &watch, &looks);) {
        if (watch.is_first) {
            open_member_number(report, out, (uint64_t)watch.session_id);
        }
        viv_json_bytes(&report->json, out, NULL, watch.path);
    }
    return close_when_done(report, out);
}

/* ---- dump ---- */

static bool dump_sessions(struct viv_report *report, struct viv_buffer *out)
{
    open_once(report, out, "expiry_time_to_session_ids", false);
    struct viv_inventory_due due;
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_due(report, &due, &looks);) {
        if (due.is_first) {
            open_member_number(report, out, due.set->at_ms);
        }
        viv_json_integer(&report->json, out, NULL, (int64_t)due.number);
    }
    return close_when_done(report, out);
}

static bool dump_ephemerals(struct viv_report *report, struct viv_buffer *out)
{
    open_once(report, out, "session_id_to_ephemeral_paths", false);
    struct viv_inventory_ephemeral item;
    struct viv_buffer path = {0};
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_ephemeral(report, &item, &looks);) {
        if (item.is_first) {
            open_member_number(report, out, (uint64_t)item.session_id);
        }
        viv_buffer_clear(&path);
        viv_inventory_put_path(report, item.node, &path);
        viv_json_bytes(&report->json, out, NULL, viv_buffer_bytes(&path));
    }
    viv_buffer_fini(&path);
    return close_when_done(report, out);
}

/* ---- commands ---- */

viv_report_step_fn *const *viv_command_list(enum viv_command command)
{
    static viv_report_step_fn *const connections[] = {viv_command_begin, plain_connections, secure_connections,
                                                      viv_command_end, NULL};
    static viv_report_step_fn *const stats[] = {stats_begin, brief_plain_connections, brief_secure_connections,
                                                viv_command_end, NULL};
    static viv_report_step_fn *const watches[] = {viv_command_begin, watches_by_session, viv_command_end, NULL};
    static viv_report_step_fn *const by_path[] = {viv_command_begin, watches_by_path, viv_command_end, NULL};
    static viv_report_step_fn *const dump[] = {
        viv_inventory_gather_sessions, viv_command_begin, dump_sessions, dump_ephemerals, viv_command_end, NULL};
    switch (command) {
    case VIV_COMMAND_connections:
        return connections;
    case VIV_COMMAND_stats:
        return stats;
    case VIV_COMMAND_watches:
        return watches;
    case VIV_COMMAND_watches_by_path:
        return by_path;
    default:
        VIV_ASSERT(command == VIV_COMMAND_dump);
        return dump;
    }
}
