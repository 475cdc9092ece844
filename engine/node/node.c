#include "node/node.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/stage.h"
#include "node/identity.h"
#include "node/install.h"
#include "node/node_internal.h"
#include "node/stream.h"

/* What a reply holds beside the data of a node. */
enum { REPLY_BESIDE_DATA_BYTES_MAX = 4096, NS_PER_MS = 1000000 };

/* ---- notes from the group side ---- */

static void serve_or_close(struct viv_node *node, bool serving)
{
    viv_fifo_clear(&node->revalidating);
    viv_fresh_forget(node);
    if (serving) {
        return;
    }
    viv_request_close_all(node);
}

static void take_note(void *ctx, const struct viv_group_note *note)
{
    struct viv_node *node = ctx;
    switch (note->kind) {
    case VIV_GROUP_LOOKING:
        viv_read_only_looking(node, note->flag);
        break;
    case VIV_GROUP_SERVING:
        serve_or_close(node, note->flag);
        break;
    case VIV_GROUP_APPLIED:
        viv_write_applied(node, note->applied, note->mark);
        break;
    case VIV_GROUP_REFUSED:
        viv_request_refused(node, note->session_id, note->cxid, note->err);
        break;
    case VIV_GROUP_SYNCED:
        if (note->who == 0) {
            viv_fresh_reached(node);
        } else {
            viv_request_synced(node, note->who);
        }
        break;
    case VIV_GROUP_ATTACHED:
        viv_handshake_attached(node, note->session_id, note->flag);
        break;
    case VIV_GROUP_TOUCHED_ASK:
        viv_attachments_take_touched(&node->sessions, note->touched);
        break;
    }
}

/* ---- life ---- */

static void take_policy(struct viv_node *node, const struct viv_node_config *config)
{
    struct viv_node_policy *policy = &node->policy;
    *policy = config->policy;
    viv_node_policy_complete(policy);
    viv_node_policy_keep_texts(policy, &node->policy_texts);
    policy->local_sessions = policy->local_sessions && !config->zab.standalone;
    policy->read_only_mode = policy->read_only_mode && !config->zab.standalone;
    node->read_bounds.watches_max = policy->watches_count;
    node->read_bounds.watches_per_connection_max = policy->watches_per_connection_count;
    node->read_bounds.reply_bytes_max = policy->reply_bytes > config->frame_bytes_max + REPLY_BESIDE_DATA_BYTES_MAX
                                            ? policy->reply_bytes
                                            : config->frame_bytes_max + REPLY_BESIDE_DATA_BYTES_MAX;
    node->connections.pending_count_max = policy->outstanding_count;
    node->connections.pending_bytes_max = policy->outstanding_bytes;
    node->connections.pending_per_connection_max = policy->outstanding_per_connection_count;
    viv_rate_init(&node->new_sessions, (uint32_t)policy->new_sessions_per_second,
                  (uint32_t)policy->new_sessions_burst_count, 0);
    viv_expiry_init(&node->local, config->tick_ms);
}

struct viv_node *viv_node_new(const struct viv_node_config *config)
{
    VIV_ASSERT(config->tick_ms > 0 && config->session_timeout_min_ms <= config->session_timeout_max_ms);
    struct viv_node *node = viv_alloc_zeroed(1, sizeof *node);
    node->session_timeout_min_ms = config->session_timeout_min_ms;
    node->session_timeout_max_ms = config->session_timeout_max_ms;
    node->tick_ms = config->tick_ms;
    take_policy(node, config);
    node->watches = viv_watches_new();
    node->identity = config->identity;
    node->identity.super_digest = node->policy.super_digest;
    viv_attachments_init(&node->sessions, config->zab.sid, config->start_wall_ms);
    viv_fifo_init(&node->handshaking, sizeof(viv_conn));
    viv_fifo_init(&node->revalidating, sizeof(struct viv_revalidation));
    viv_fresh_init(node, config->policy.reads_are_current && !config->zab.standalone);
    viv_buffer_append_bytes(&node->config_text, config->config_text);
    node->audits = config->audit_user.size > 0;
    viv_buffer_append_bytes(&node->audit_user, config->audit_user);
    node->metrics = viv_metrics_new(1);
    viv_request_measure_init(&node->measure, node->metrics);
    struct viv_node_config group_config = *config;
    group_config.policy = node->policy;
    group_config.rules.reply_bytes_max = node->read_bounds.reply_bytes_max;
    viv_group_init(&node->group, &group_config, &node->links, &node->turn, node->metrics, take_note, node);
    return node;
}

void viv_node_free(struct viv_node *node)
{
    if (node == NULL) {
        return;
    }
    serve_or_close(node, false);
    viv_connections_fini(&node->connections);
    viv_attachments_fini(&node->sessions);
    viv_expiry_fini(&node->local);
    viv_buffer_fini(&node->policy_texts);
    viv_watches_free(node->watches);
    viv_listings_fini(&node->listings);
    viv_group_fini(&node->group);
    viv_metrics_free(node->metrics);
    viv_links_fini(&node->links);
    viv_fifo_fini(&node->handshaking);
    viv_fifo_fini(&node->revalidating);
    viv_fifo_fini(&node->freshness.waiting);
    viv_buffer_fini(&node->record);
    viv_buffer_fini(&node->events);
    viv_buffer_fini(&node->config_text);
    viv_buffer_fini(&node->audit_user);
    free(node);
}

viv_status viv_node_recover_rows(void *ctx, struct viv_bytes rows)
{
    struct viv_node *node = ctx;
    return viv_tree_load_rows(node->group.tree, rows);
}

void viv_node_recover_restart(void *ctx)
{
    struct viv_node *node = ctx;
    viv_group_recover_restart(&node->group);
}

viv_status viv_node_recover_image_end(struct viv_node *node, const struct viv_state_mark *mark,
                                      const struct viv_hard_state *hard)
{
    return viv_group_recover_image_end(&node->group, mark, hard, viv_buffer_bytes(&node->config_text));
}

viv_status viv_node_recover_entry(struct viv_node *node, const struct viv_entry *entry, bool committed)
{
    return viv_group_recover_entry(&node->group, entry, committed);
}

void viv_node_recover_baseless(struct viv_node *node, const struct viv_log_bounds *bounds,
                               const struct viv_hard_state *hard)
{
    viv_group_recover_baseless(&node->group, bounds, hard, viv_buffer_bytes(&node->config_text));
}

viv_status viv_node_recover_end(struct viv_node *node, const struct viv_log_bounds *bounds)
{
    return viv_group_recover_end(&node->group, bounds);
}

/* ---- events ---- */

static void on_start(struct viv_node *node, const struct viv_event *event)
{
    (void)event;
    viv_read_only_looking(node, !node->group.standalone);
    viv_group_start(&node->group);
}

static void on_tick(struct viv_node *node, const struct viv_event *event)
{
    (void)event;
    viv_request_measure_tick(&node->measure, node->turn.now_ns);
    viv_group_tick(&node->group);
    viv_local_tick(node);
    viv_read_only_tick(node);
    viv_handshake_tick(node);
}

static void on_client_open(struct viv_node *node, const struct viv_event *event)
{
    struct viv_connection *connection = viv_connections_add(&node->connections, event->conn, &node->turn);
    viv_identity_init(&connection->authinfo, event->bytes);
    connection->is_secure = event->flag;
    viv_handshake_expect(node, connection);
    if (!viv_identity_add_proved(&connection->authinfo, event->identities)) {
        viv_log(VIV_LOG_WARN, "node", "closed: its certificate names more than a connection may be", "conn=%llu",
                (unsigned long long)connection->id);
        viv_request_close(node, connection);
    }
    if (!node->traced_connection) {
        node->traced_connection = true;
        viv_actions_add(node->turn.out, VIV_ACTION_TRACE)->trace = VIV_TRACE_FIRST_CONN;
    }
}

static void on_client_frame(struct viv_node *node, const struct viv_event *event)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, event->conn);
    if (connection != NULL) {
        viv_request_take(node, connection, event->bytes);
    }
}

static void on_client_drained(struct viv_node *node, const struct viv_event *event)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, event->conn);
    if (connection != NULL && connection->state != VIV_CONNECTION_CLOSING) {
        viv_request_drained(node, connection);
    }
}

static void on_client_closed(struct viv_node *node, const struct viv_event *event)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, event->conn);
    if (connection != NULL) {
        viv_request_close(node, connection);
        viv_connections_remove(&node->connections, connection);
    }
}

static void on_client_sasl_done(struct viv_node *node, const struct viv_event *event)
{
    struct viv_connection *connection = viv_connections_find(&node->connections, event->conn);
    if (connection != NULL) {
        viv_authenticate_sasl_done(node, connection, event);
    }
}

static void on_vote(struct viv_node *node, const struct viv_event *event)
{
    struct viv_zab_input input = {.kind = VIV_ZAB_VOTE, .sid = event->sid};
    if (viv_vote_decode(event->bytes, &input.vote) != VIV_OK) {
        viv_strange_tell(&node->strangeness, VIV_STRANGE_VOTE, event->now_ms, (uint64_t)event->sid,
                         (int64_t)event->bytes.size);
        return;
    }
    viv_group_input(&node->group, &input);
}

static void on_link_up(struct viv_node *node, const struct viv_event *event)
{
    viv_links_add(&node->links, event->link, event->sid == 0);
    struct viv_zab_input input = {
        .kind = VIV_ZAB_LINK_UP,
        .link = event->link,
        .sid = event->sid,
        .barred = event->barred,
        .proved = event->proved,
    };
    viv_group_input(&node->group, &input);
}

/* ZAB hears of the loss first: what the stream that breaks off means depends on it. */
static void lose_link(struct viv_node *node, uint32_t link)
{
    viv_links_drop(&node->links, link);
    struct viv_zab_input input = {.kind = VIV_ZAB_LINK_DOWN, .link = link};
    viv_group_input(&node->group, &input);
    viv_install_link_lost(&node->group, link);
}

static void on_link_down(struct viv_node *node, const struct viv_event *event)
{
    if (event->link == 0) {
        struct viv_zab_input input = {.kind = VIV_ZAB_LINK_DOWN, .sid = event->sid};
        viv_group_input(&node->group, &input);
    } else if (viv_links_find(&node->links, event->link) != NULL) {
        lose_link(node, event->link);
    }
}

static bool take_link_item(struct viv_node *node, struct viv_link *link, const struct viv_link_item *item)
{
    if (item->kind == VIV_LINK_MALFORMED || item->gid != node->group.gid) {
        return false;
    }
    if (item->kind == VIV_LINK_SNAPSHOT) {
        size_t used = 0;
        return viv_install_feed(&node->group, link, item->bytes, &used) == VIV_OK &&
               viv_link_put_back(link, item->bytes.size - used);
    }
    if (item->packet.type == VIV_PACKET_ACK && VIV_ZXID_COUNTER(item->packet.zxid) != 0) {
        viv_group_measure_acked(&node->group.measure, link->id, item->packet.zxid, &node->turn);
    }
    struct viv_zab_input input = {.kind = VIV_ZAB_PACKET, .link = link->id, .packet = item->packet};
    viv_group_input(&node->group, &input);
    return true;
}

static void on_link_bytes(struct viv_node *node, const struct viv_event *event)
{
    struct viv_link *link = viv_links_find(&node->links, event->link);
    if (link == NULL) {
        return;
    }
    viv_link_feed(link, event->bytes);
    while (!link->gone) {
        struct viv_link_item item;
        viv_link_take(link, &item);
        if (item.kind == VIV_LINK_NOTHING) {
            break;
        }
        if (!take_link_item(node, link, &item)) {
            viv_strange_tell(&node->strangeness, VIV_STRANGE_LINK, event->now_ms, link->id, (int64_t)event->bytes.size);
            viv_links_close(&node->links, link->id, node->turn.out);
            lose_link(node, link->id);
        }
    }
    viv_link_taken(link);
}

static void on_link_drained(struct viv_node *node, const struct viv_event *event)
{
    viv_stream_drained(&node->group, event->link);
}

static void on_log_done(struct viv_node *node, const struct viv_event *event)
{
    viv_group_log_done(&node->group, event->ticket);
}

static void on_log_fault(struct viv_node *node, const struct viv_event *event)
{
    viv_group_fault(&node->group, event);
}

static void on_log_read(struct viv_node *node, const struct viv_event *event)
{
    viv_group_log_read(&node->group, event);
}

static void on_checkpoint_room(struct viv_node *node, const struct viv_event *event)
{
    (void)event;
    viv_checkpoint_room(&node->group.checkpoint);
}

static void on_checkpoint_done(struct viv_node *node, const struct viv_event *event)
{
    viv_group_checkpoint_done(&node->group, event);
}

static void on_disk_full(struct viv_node *node, const struct viv_event *event)
{
    viv_group_disk_full(&node->group, event->flag);
}

static void on_image_fault(struct viv_node *node, const struct viv_event *event)
{
    (void)event;
    viv_group_image_fault(&node->group);
}

static void on_disk_low(struct viv_node *node, const struct viv_event *event)
{
    viv_group_disk_low(&node->group, event->flag, event->zxid);
}

typedef void event_fn(struct viv_node *node, const struct viv_event *event);
static event_fn *const event_table[] = {
    [VIV_EVENT_START] = on_start,
    [VIV_EVENT_TICK] = on_tick,
    [VIV_EVENT_CLIENT_OPEN] = on_client_open,
    [VIV_EVENT_CLIENT_FRAME] = on_client_frame,
    [VIV_EVENT_CLIENT_CLOSED] = on_client_closed,
    [VIV_EVENT_CLIENT_DRAINED] = on_client_drained,
    [VIV_EVENT_CLIENT_SASL_DONE] = on_client_sasl_done,
    [VIV_EVENT_VOTE] = on_vote,
    [VIV_EVENT_LINK_UP] = on_link_up,
    [VIV_EVENT_LINK_DOWN] = on_link_down,
    [VIV_EVENT_LINK_BYTES] = on_link_bytes,
    [VIV_EVENT_LINK_DRAINED] = on_link_drained,
    [VIV_EVENT_LOG_DONE] = on_log_done,
    [VIV_EVENT_LOG_READ] = on_log_read,
    [VIV_EVENT_LOG_FAULT] = on_log_fault,
    [VIV_EVENT_CHECKPOINT_ROOM] = on_checkpoint_room,
    [VIV_EVENT_CHECKPOINT_DONE] = on_checkpoint_done,
    [VIV_EVENT_IMAGE_FAULT] = on_image_fault,
    [VIV_EVENT_DISK_LOW] = on_disk_low,
    [VIV_EVENT_DISK_FULL] = on_disk_full,
};

/* What the last turn said was borrowed until its actions were performed; it is free now. */
static void begin_turn(struct viv_node *node)
{
    if (!node->in_turn) {
        node->in_turn = true;
        node->turn_events = 0;
        viv_links_turn_begin(&node->links);
        viv_connections_turn_begin(&node->connections);
    }
}

void viv_node_step(struct viv_node *node, const struct viv_event *event, struct viv_actions *out)
{
    VIV_ASSERT((size_t)event->kind < sizeof event_table / sizeof event_table[0]);
    VIV_ASSERT(event->now_ms >= node->turn.now_ms);
    node->turn = (struct viv_turn){
        .now_ms = event->now_ms,
        .now_ns = event->now_ns != 0 ? event->now_ns : event->now_ms * NS_PER_MS,
        .wall_ms = event->wall_ms,
        .out = out,
    };
    begin_turn(node);
    node->turn_events++;
    event_table[event->kind](node, event);
}

/* Peers first, so that their disks work beside ours; then our log; clients last. */
void viv_node_turn_end(struct viv_node *node, uint64_t now_ms, struct viv_actions *out)
{
    node->turn.now_ms = now_ms;
    node->turn.out = out;
    begin_turn(node);
    viv_streams_slice(&node->group);
    viv_fresh_turn_end(node);
    viv_group_confirm(&node->group);
    viv_links_flush(&node->links, out);
    viv_group_flush_log(&node->group);
    viv_group_checkpoint_slice(&node->group, node->turn_events > 1);
    viv_connections_flush(&node->connections, out);
    node->in_turn = false;
}

/* ---- for operators (more: inspect.c) ---- */

struct viv_bytes viv_node_members(const struct viv_node *node)
{
    return viv_zab_members_text(node->group.zab);
}

uint64_t viv_node_reply_bytes(const struct viv_node *node)
{
    return node->connections.reply_bytes;
}

const struct viv_tree *viv_node_tree(const struct viv_node *node)
{
    return node->group.tree;
}

struct viv_metrics *viv_node_metrics(const struct viv_node *node)
{
    return node->metrics;
}

void viv_node_stats(const struct viv_node *node, struct viv_node_stats *stats)
{
    struct viv_watch_counts watches;
    viv_watches_counts(node->watches, &watches);
    *stats = (struct viv_node_stats){
        .last_zxid = viv_group_zxid(&node->group),
        .digest = viv_tree_digest(node->group.tree),
        .digest_extra = viv_tree_digest_extra(node->group.tree),
        .connections = node->connections.by_id.count,
        .sessions_attached = node->sessions.by_id.count,
        .watches = watches.watches,
        .watch_paths = watches.paths,
        .watch_connections = watches.connections,
        .packets_received = node->frames_received,
        .packets_sent = node->connections.frames_sent,
        .requests = node->requests,
        .outstanding = node->connections.pending_count,
        .sessions_local = node->local.by_id.count,
        .tree_used_bytes = viv_tree_used_bytes(node->group.tree),
        .tree_used_bytes_max = node->policy.tree_bytes,
        .read_only = node->is_read_only,
        .serving = node->group.serving,
        .disk_full = node->group.disk_full,
    };
    viv_zab_stats(node->group.zab, &stats->zab);
    viv_tree_counts(node->group.tree, &stats->tree);
    viv_request_measure_stats(&node->measure, stats);
}
