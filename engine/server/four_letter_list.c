#include <inttypes.h>
#include <time.h>

#include "admin/inventory.h"
#include "base/assert.h"
#include "server/four_letter_internal.h"

/* ---- what several words say ---- */

void viv_four_letter_put_version(const struct viv_server_view *view, struct viv_buffer *out)
{
    viv_buffer_printf(out, "Zookeeper version: %s\n", viv_view_version());
    if (view->stats.read_only) {
        viv_buffer_printf(out, "READ-ONLY mode; serving only read-only clients\n");
    }
}

static void put_proposal_sizes(struct viv_server *server, struct viv_buffer *out)
{
    struct viv_buffer mntr = {0};
    viv_four_letter_put_mntr(server, &mntr);
    struct viv_bytes text = viv_buffer_bytes(&mntr);
    viv_buffer_printf(out, "Proposal sizes last/min/max: %" PRId64 "/%" PRId64 "/%" PRId64 "\n",
                      viv_view_number(text, "zk_last_proposal_size", -1),
                      viv_view_number(text, "zk_min_proposal_size", -1),
                      viv_view_number(text, "zk_max_proposal_size", -1));
    viv_buffer_fini(&mntr);
}

void viv_four_letter_put_summary(struct viv_server *server, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(server, &view);
    const struct viv_node_stats *stats = &view.stats;
    viv_buffer_printf(out, "Latency min/avg/max: %" PRIu64 "/", stats->latency_ms_min);
    viv_view_print_average(out, stats->latency_ms_sum, stats->latency_count);
    viv_buffer_printf(out,
                      "/%" PRIu64 "\nReceived: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %" PRIu64
                      "\nOutstanding: %" PRIu64 "\nZxid: 0x%" PRIx64 "\nMode: %s\nNode count: %" PRIu64 "\n",
                      stats->latency_ms_max, stats->packets_received, stats->packets_sent, stats->connections,
                      stats->outstanding, stats->last_zxid, viv_view_mode(&view), stats->tree.nodes + 1);
    if (!view.config->standalone && stats->zab.state == VIV_LEADING) {
        put_proposal_sizes(server, out);
    }
}

/* ---- connections ---- */

struct connection_lines {
    const struct viv_report *report;
    const struct viv_server_view *view;
    struct viv_buffer *out;
    bool is_brief;
};

static void put_session(struct viv_buffer *out, const struct viv_connection_view *connection)
{
    const struct viv_connection_stats *stats = &connection->stats;
    viv_buffer_printf(out, ",sid=0x%" PRIx64 ",lop=%s,est=%" PRId64 ",to=%" PRId32, (uint64_t)connection->session_id,
                      viv_view_op_name(stats->last_op), connection->opened_wall_ms, connection->timeout_ms);
    if (stats->last_cxid >= 0) {
        viv_buffer_printf(out, ",lcxid=0x%" PRIx32, (uint32_t)stats->last_cxid);
    }
    viv_buffer_printf(
        out,
        ",lzxid=0x%" PRIx64 ",lresp=%" PRIu64 ",llat=%" PRIu64 ",minlat=%" PRIu64 ",avglat=%" PRIu64 ",maxlat=%" PRIu64,
        stats->last_zxid, stats->last_reply_ms, stats->latency_ms_last, stats->latency_ms_min,
        stats->latency_count > 0 ? stats->latency_ms_sum / stats->latency_count : 0, stats->latency_ms_max);
}

static void put_connection(void *ctx, const struct viv_client_info *info)
{
    struct connection_lines *lines = ctx;
    struct viv_connection_view connection = {0};
    bool is_known = viv_node_connection(lines->view->node, info->conn, &connection);
    int interest = info->conn == lines->report->asking ? 0 : info->queued_bytes > 0 ? 5 : 1;
    viv_buffer_printf(lines->out, " /%s:%d[%x](queued=%" PRIu64 ",recved=%" PRIu64 ",sent=%" PRIu64, info->address,
                      info->port, interest, connection.outstanding, info->received, info->sent);
    if (!lines->is_brief && is_known && connection.session_id != 0) {
        put_session(lines->out, &connection);
    }
    viv_buffer_printf(lines->out, ")\n");
}

static bool put_connections(struct viv_report *report, struct viv_buffer *out, bool is_brief)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    struct connection_lines lines = {report, &view, out, is_brief};
    report->place.at = viv_client_port_visit(view.clients, report->place.at, VIV_REPORT_LOOKS, put_connection, &lines);
    return report->place.at == 0;
}

static bool stat_begin(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    viv_four_letter_put_version(&view, out);
    viv_buffer_printf(out, "Clients:\n");
    return true;
}

static bool stat_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, true);
}

static bool stat_end(struct viv_report *report, struct viv_buffer *out)
{
    viv_buffer_printf(out, "\n");
    viv_four_letter_put_summary(report->server, out);
    return true;
}

static bool cons_connections(struct viv_report *report, struct viv_buffer *out)
{
    return put_connections(report, out, false);
}

static bool empty_line(struct viv_report *report, struct viv_buffer *out)
{
    (void)report;
    viv_buffer_printf(out, "\n");
    return true;
}

/* ---- watches ---- */

static bool put_watches(struct viv_report *report, struct viv_buffer *out, enum viv_watch_order order)
{
    struct viv_inventory_watch watch;
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_watch(report, order, &watch, &looks);) {
        if (order == VIV_WATCHES_BY_PATH) {
            viv_buffer_append_bytes(out, watch.is_first ? watch.path : (struct viv_bytes){0});
            viv_buffer_printf(out, "%s\t0x%" PRIx64 "\n", watch.is_first ? "\n" : "", (uint64_t)watch.session_id);
        } else {
            if (watch.is_first) {
                viv_buffer_printf(out, "0x%" PRIx64 "\n", (uint64_t)watch.session_id);
            }
            viv_buffer_printf(out, "\t");
            viv_buffer_append_bytes(out, watch.path);
            viv_buffer_printf(out, "\n");
        }
    }
    return viv_inventory_is_done(report);
}

static bool watches_by_path(struct viv_report *report, struct viv_buffer *out)
{
    return put_watches(report, out, VIV_WATCHES_BY_PATH);
}

static bool watches_by_session(struct viv_report *report, struct viv_buffer *out)
{
    return put_watches(report, out, VIV_WATCHES_BY_CONNECTION);
}

/* ---- dump ---- */

static void put_set_line(const struct viv_report *report, struct viv_buffer *out, const struct viv_due_set *set)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    time_t second = (time_t)((view.wall_ms + (int64_t)(set->at_ms - view.now_ms)) / 1000);
    struct tm local;
    char date[64];
    localtime_r(&second, &local);
    strftime(date, sizeof date, "%a %b %d %H:%M:%S %Z %Y", &local);
    viv_buffer_printf(out, "%" PRIu32 " expire at %s:\n", set->count, date);
}

/* Sets in the order of time, each a line followed by one line an item. */
typedef void item_fn(const struct viv_report *report, uint64_t number, struct viv_buffer *out);
static bool put_dues(struct viv_report *report, struct viv_buffer *out, item_fn *put_item)
{
    struct viv_inventory_due due;
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_due(report, &due, &looks);) {
        if (due.is_first) {
            put_set_line(report, out, due.set);
        }
        put_item(report, due.number, out);
    }
    return viv_inventory_is_done(report);
}

static void put_session_line(const struct viv_report *report, uint64_t session_id, struct viv_buffer *out)
{
    (void)report;
    viv_buffer_printf(out, "\t0x%" PRIx64 "\n", session_id);
}

static bool has_local_sessions(const struct viv_server_view *view)
{
    return view->config->clients.local_sessions && !view->config->standalone;
}

static bool dump_local(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        viv_buffer_printf(out, "SessionTracker dump:\n");
        if (has_local_sessions(&view)) {
            viv_buffer_printf(out, "Local Session Sets (%zu)/(%zu):\n", viv_dues_set_count(&report->dues),
                              viv_dues_item_count(&report->dues));
        }
    }
    return put_dues(report, out, put_session_line);
}

static bool dump_begin(struct viv_report *report, struct viv_buffer *out)
{
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    if (viv_node_keeps_deadlines(view.node)) {
        viv_buffer_printf(out, "%sSession Sets (%zu)/(%zu):\n", has_local_sessions(&view) ? "Global " : "",
                          viv_dues_set_count(&report->dues), viv_dues_item_count(&report->dues));
    } else {
        viv_buffer_printf(out, "Global Sessions(%" PRIu64 "):\n", view.stats.tree.sessions);
    }
    return true;
}

/* Those that lead know when sessions expire; the others only which there are. */
static bool dump_sessions(struct viv_report *report, struct viv_buffer *out)
{
    if (viv_dues_item_count(&report->dues) > 0) {
        return put_dues(report, out, put_session_line);
    }
    int64_t session_id;
    int32_t timeout_ms;
    struct viv_server_view view;
    viv_server_view(report->server, &view);
    if (viv_node_keeps_deadlines(view.node)) {
        return true;
    }
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_session(report, &session_id, &timeout_ms, &looks);) {
        viv_buffer_printf(out, "0x%" PRIx64 "\t%" PRId32 "ms\n", (uint64_t)session_id, timeout_ms);
    }
    return viv_inventory_is_done(report);
}

static bool dump_ephemerals(struct viv_report *report, struct viv_buffer *out)
{
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        viv_buffer_printf(out, "ephemeral nodes dump:\nSessions with Ephemerals (%" PRIu64 "):\n", report->gathered);
    }
    struct viv_inventory_ephemeral item;
    for (size_t looks = VIV_REPORT_LOOKS; viv_inventory_next_ephemeral(report, &item, &looks);) {
        if (item.is_first) {
            viv_buffer_printf(out, "0x%" PRIx64 ":\n", (uint64_t)item.session_id);
        }
        viv_buffer_printf(out, "\t");
        viv_inventory_put_path(report, item.node, out);
        viv_buffer_printf(out, "\n");
    }
    return viv_inventory_is_done(report);
}

static void put_connection_line(const struct viv_report *report, uint64_t conn, struct viv_buffer *out)
{
    struct viv_server_view view;
    struct viv_connection_view connection = {0};
    struct viv_client_info info;
    viv_server_view(report->server, &view);
    if (viv_client_port_find(view.clients, conn, &info)) {
        (void)viv_node_connection(view.node, conn, &connection);
        viv_buffer_printf(out, "\tip: /%s:%d sessionId: 0x%" PRIx64 "\n", info.address, info.port,
                          (uint64_t)connection.session_id);
    }
}

static bool dump_connections(struct viv_report *report, struct viv_buffer *out)
{
    if (!report->place.is_begun) {
        report->place.is_begun = true;
        viv_buffer_printf(out, "Connections dump:\nConnections Sets (%zu)/(%zu):\n", viv_dues_set_count(&report->dues),
                          viv_dues_item_count(&report->dues));
    }
    return put_dues(report, out, put_connection_line);
}

/* ---- words ---- */

viv_report_step_fn *const *viv_four_letter_list(enum viv_four_letter word)
{
    static viv_report_step_fn *const stat[] = {stat_begin, stat_connections, stat_end, NULL};
    static viv_report_step_fn *const cons[] = {cons_connections, empty_line, NULL};
    static viv_report_step_fn *const wchp[] = {watches_by_path, empty_line, NULL};
    static viv_report_step_fn *const wchc[] = {watches_by_session, empty_line, NULL};
    static viv_report_step_fn *const dump[] = {viv_inventory_gather_local,
                                               dump_local,
                                               viv_inventory_gather_sessions,
                                               dump_begin,
                                               dump_sessions,
                                               dump_ephemerals,
                                               viv_inventory_gather_connections,
                                               dump_connections,
                                               NULL};
    switch (word) {
    case VIV_FOUR_LETTER_stat:
        return stat;
    case VIV_FOUR_LETTER_cons:
        return cons;
    case VIV_FOUR_LETTER_wchp:
        return wchp;
    case VIV_FOUR_LETTER_wchc:
        return wchc;
    default:
        VIV_ASSERT(word == VIV_FOUR_LETTER_dump);
        return dump;
    }
}
