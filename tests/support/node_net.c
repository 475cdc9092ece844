#include "tests/support/node_net_internal.h"

#include <stdlib.h>

#include "base/endian.h"
#include "tests/support/node_sasl.h"
#include "tests/support/viv_test.h"

enum {
    TICK_EVENT_MS = 10,
    DISK_MS = 2,
    BACKGROUND_MS = 3,
};
static const int64_t WALL_MS_AT_START = 1700000000000;

/* ---- the queue ---- */

static struct viv_happening later(const struct viv_node_net *net, size_t server, uint64_t delay_ms)
{
    return (struct viv_happening){.at_ms = net->now_ms + delay_ms, .server = server, .life = net->servers[server].life};
}

/* An event for a server after a delay. */
void viv_node_net_expect(struct viv_node_net *net, size_t server, uint64_t delay_ms, const struct viv_event *event,
                         struct viv_bytes bytes)
{
    if (net->servers[server].node == NULL) {
        return;
    }
    struct viv_happening item = later(net, server, delay_ms);
    item.has_event = true;
    item.event = *event;
    viv_buffer_append_bytes(&item.bytes, bytes);
    viv_node_queue_push(&net->queue, &item);
}

/* ---- peers ---- */

static bool are_joined(const struct viv_node_net *net, size_t a, size_t b)
{
    const struct net_server *one = &net->servers[a], *other = &net->servers[b];
    return one->node != NULL && other->node != NULL && !one->is_isolated && !other->is_isolated;
}

static struct net_link *find_link(struct viv_node_net *net, uint32_t id)
{
    cr_assert(id > 0 && id <= net->link_count, "a link nobody opened");
    return &net->links[id - 1];
}

static size_t other_end(const struct net_link *link, size_t server)
{
    return link->dialler == server ? link->acceptor : link->dialler;
}

static void close_link(struct viv_node_net *net, struct net_link *link, size_t by)
{
    if (link->is_closed) {
        return;
    }
    link->is_closed = true;
    if (!link->is_silent) {
        struct viv_event event = {.kind = VIV_EVENT_LINK_DOWN, .link = link->id};
        viv_node_net_expect(net, other_end(link, by), NETWORK_MS, &event, (struct viv_bytes){0});
    }
}

static void dial(struct viv_node_net *net, size_t server, viv_sid sid)
{
    size_t acceptor = (size_t)sid - 1;
    if (!are_joined(net, server, acceptor) || !net->servers[acceptor].is_listening) {
        struct viv_event event = {.kind = VIV_EVENT_LINK_DOWN, .sid = sid};
        viv_node_net_expect(net, server, NETWORK_MS, &event, (struct viv_bytes){0});
        return;
    }
    if (net->link_count == net->link_capacity) {
        net->link_capacity = net->link_capacity == 0 ? 16 : net->link_capacity * 2;
        net->links = viv_realloc(net->links, net->link_capacity * sizeof *net->links);
    }
    uint32_t id = (uint32_t)++net->link_count;
    net->links[id - 1] = (struct net_link){.id = id, .dialler = server, .acceptor = acceptor};
    struct viv_event event = {.kind = VIV_EVENT_LINK_UP, .link = id};
    viv_node_net_expect(net, acceptor, NETWORK_MS, &event, (struct viv_bytes){0});
    event.sid = sid;
    viv_node_net_expect(net, server, NETWORK_MS, &event, (struct viv_bytes){0});
}

static void send_on_link(struct viv_node_net *net, size_t server, const struct viv_action *action)
{
    struct net_link *link = find_link(net, action->link);
    net->servers[server].counts.link_sends++;
    if (!link->is_closed && !link->is_silent) {
        struct viv_event event = {.kind = VIV_EVENT_LINK_BYTES, .link = link->id};
        viv_node_net_expect(net, other_end(link, server), NETWORK_MS, &event, action->bytes);
    }
    if (action->flag && !link->is_silent) {
        struct viv_event event = {.kind = VIV_EVENT_LINK_DRAINED, .link = link->id};
        viv_node_net_expect(net, server, NETWORK_MS, &event, (struct viv_bytes){0});
    }
}

static void listen_or_not(struct viv_node_net *net, size_t server, bool flag)
{
    net->servers[server].is_listening = flag;
    for (size_t i = 0; !flag && i < net->link_count; i++) {
        if (net->links[i].acceptor == server) {
            close_link(net, &net->links[i], server);
        }
    }
}

static void send_vote(struct viv_node_net *net, size_t server, const struct viv_action *action)
{
    size_t target = (size_t)action->sid - 1;
    if (are_joined(net, server, target)) {
        struct viv_event event = {.kind = VIV_EVENT_VOTE, .sid = (viv_sid)server + 1};
        viv_node_net_expect(net, target, NETWORK_MS, &event, action->bytes);
    }
}

/* ---- clients ---- */

struct net_client *viv_node_net_find_client(const struct viv_node_net *net, viv_conn conn)
{
    cr_assert(conn > 0 && conn <= net->client_count, "a connection nobody opened");
    return &net->clients[conn - 1];
}

void viv_node_net_close_client(struct viv_node_net *net, struct net_client *client)
{
    if (!client->is_closed) {
        client->is_closed = true;
        struct viv_event event = {.kind = VIV_EVENT_CLIENT_CLOSED, .conn = client->conn};
        viv_node_net_expect(net, client->server, NETWORK_MS, &event, (struct viv_bytes){0});
    }
}

static void pause_clients(struct viv_node_net *net, size_t server, const struct viv_action *action)
{
    for (size_t i = 0; i < net->client_count; i++) {
        if (net->clients[i].server == server && (action->conn == 0 || action->conn == net->clients[i].conn)) {
            net->clients[i].is_paused = action->flag;
        }
    }
}

static void send_to_client(struct viv_node_net *net, size_t server, const struct viv_action *action)
{
    net->servers[server].counts.client_sends++;
    viv_buffer_append_bytes(&viv_node_net_find_client(net, action->conn)->received, action->bytes);
    if (action->flag) {
        struct viv_event event = {.kind = VIV_EVENT_CLIENT_DRAINED, .conn = action->conn};
        viv_node_net_expect(net, server, NETWORK_MS, &event, (struct viv_bytes){0});
    }
}

/* ---- actions ---- */

static void give_to_disk(struct viv_node_net *net, size_t server, struct viv_action *action, uint64_t delay_ms)
{
    struct viv_happening item = later(net, server, delay_ms);
    item.has_disk_action = true;
    item.disk_action = *action;
    action->rows = (struct viv_buffer){0}; /* taken */
    viv_node_queue_push(&net->queue, &item);
}

static void perform(struct viv_node_net *net, size_t server, struct viv_action *action)
{
    switch (action->kind) {
    case VIV_ACTION_CLIENT_SEND:
        send_to_client(net, server, action);
        break;
    case VIV_ACTION_CLIENT_CLOSE:
        viv_node_net_close_client(net, viv_node_net_find_client(net, action->conn));
        break;
    case VIV_ACTION_CLIENT_PAUSE:
        pause_clients(net, server, action);
        break;
    case VIV_ACTION_CLIENT_SASL:
        viv_node_net_expect(net, server, NETWORK_MS,
                            &(struct viv_event){.kind = VIV_EVENT_CLIENT_SASL_DONE, .conn = action->conn},
                            action->bytes);
        break;
    case VIV_ACTION_VOTE_SEND:
        send_vote(net, server, action);
        break;
    case VIV_ACTION_LISTEN:
        listen_or_not(net, server, action->flag);
        break;
    case VIV_ACTION_LINK_DIAL:
        dial(net, server, action->sid);
        break;
    case VIV_ACTION_LINK_SEND:
        send_on_link(net, server, action);
        break;
    case VIV_ACTION_LINK_CLOSE:
        close_link(net, find_link(net, action->link), server);
        break;
    case VIV_ACTION_LOG_APPEND:
    case VIV_ACTION_LOG_TRUNCATE:
    case VIV_ACTION_LOG_RESET:
    case VIV_ACTION_LOG_HARD:
    case VIV_ACTION_LOG_REPAIR:
    case VIV_ACTION_LOG_TRIM:
        give_to_disk(net, server, action, DISK_MS + net->servers[server].log_ms);
        break;
    case VIV_ACTION_LOG_READ:
    case VIV_ACTION_CHECKPOINT_BEGIN:
    case VIV_ACTION_CHECKPOINT_ROWS:
    case VIV_ACTION_CHECKPOINT_COMMIT:
    case VIV_ACTION_CHECKPOINT_ABORT:
        give_to_disk(net, server, action, BACKGROUND_MS);
        break;
    case VIV_ACTION_TRACE:
    case VIV_ACTION_MEMBERS:
    case VIV_ACTION_AUDIT:
        break;
    case VIV_ACTION_FATAL:
        if (net->config.stores == NULL) {
            cr_fatal("server %zu asks for its end: %s", server, action->text);
        }
        net->servers[server].end = action->text;
    }
}

/* ---- time ---- */

static struct viv_event stamped(const struct viv_node_net *net, struct viv_event event)
{
    event.now_ms = net->now_ms;
    event.wall_ms = WALL_MS_AT_START + (int64_t)net->now_ms;
    return event;
}

static void step(struct viv_node_net *net, size_t server, struct viv_event event)
{
    struct net_server *at = &net->servers[server];
    event = stamped(net, event);
    viv_node_step(at->node, &event, &at->actions);
}

static void count(struct viv_node_net_counts *counts, const struct viv_action *action)
{
    switch (action->kind) {
    case VIV_ACTION_LOG_APPEND:
        counts->log_appends++;
        counts->log_entries += action->entry_count;
        break;
    case VIV_ACTION_LOG_TRUNCATE:
        counts->log_truncates++;
        break;
    case VIV_ACTION_LOG_RESET:
        counts->log_resets++;
        break;
    case VIV_ACTION_LOG_READ:
        counts->log_reads++;
        break;
    default:
        break;
    }
}

struct disk_answer {
    struct viv_node_net *net;
    size_t server;
};

static void step_from_disk(void *ctx, const struct viv_event *event)
{
    const struct disk_answer *answer = ctx;
    step(answer->net, answer->server, *event);
}

static void happen(struct viv_node_net *net, struct viv_happening *item)
{
    struct net_server *at = &net->servers[item->server];
    if (item->has_disk_action) {
        struct disk_answer answer = {net, item->server};
        const struct viv_node_net_stores *stores = net->config.stores;
        count(&at->counts, &item->disk_action);
        if (stores == NULL) {
            viv_node_disk_perform(&at->disk, &item->disk_action, net->config.log_read_entries, step_from_disk, &answer);
        } else if (!stores->perform(stores->ctx, item->server, &item->disk_action, step_from_disk, &answer)) {
            at->end = "the storage failed";
        }
    }
    if (item->has_event) {
        item->event.bytes = viv_buffer_bytes(&item->bytes);
        viv_node_sasl_judge(&item->event);
        step(net, item->server, item->event);
        if (item->event.kind == VIV_EVENT_TICK) {
            viv_node_net_expect(net, item->server, TICK_EVENT_MS, &item->event, (struct viv_bytes){0});
        }
    }
}

/* The process is gone: killed, or for the reason that it gave. */
static void end(struct viv_node_net *net, size_t server, const char *why)
{
    struct net_server *at = &net->servers[server];
    viv_node_free(at->node);
    at->node = NULL;
    at->life++;
    at->is_listening = false;
    at->end = NULL;
    if (net->config.stores == NULL) {
        viv_node_disk_crash(&at->disk);
    } else {
        net->config.stores->stop(net->config.stores->ctx, server, why);
    }
    for (size_t i = 0; i < net->link_count; i++) {
        if (net->links[i].dialler == server || net->links[i].acceptor == server) {
            close_link(net, &net->links[i], server);
        }
    }
    for (size_t i = 0; i < net->client_count; i++) {
        if (net->clients[i].server == server) {
            net->clients[i].is_closed = true;
        }
    }
}

/* One turn of one server: everything that reaches it in this millisecond and in a row. */
static void turn(struct viv_node_net *net)
{
    struct viv_happening item = viv_node_queue_pop(&net->queue);
    size_t server = item.server;
    struct net_server *at = &net->servers[server];
    net->now_ms = item.at_ms;
    for (;;) {
        if (at->node != NULL && item.life == at->life) {
            happen(net, &item);
        }
        viv_happening_fini(&item);
        const struct viv_happening *next = viv_node_queue_next(&net->queue);
        if (next == NULL || next->server != server || next->at_ms != net->now_ms) {
            break;
        }
        item = viv_node_queue_pop(&net->queue);
    }
    if (at->node == NULL) {
        return;
    }
    viv_node_turn_end(at->node, net->now_ms, &at->actions);
    for (size_t i = 0; i < at->actions.count; i++) {
        perform(net, server, &at->actions.items[i]);
    }
    if (at->end != NULL) {
        end(net, server, at->end);
    }
    viv_actions_reset(&at->actions);
}

bool viv_node_net_run_until(struct viv_node_net *net, uint64_t limit_ms, viv_node_net_predicate_fn *predicate,
                            void *ctx)
{
    uint64_t end_ms = net->now_ms + limit_ms;
    while (!predicate(net, ctx)) {
        const struct viv_happening *next = viv_node_queue_next(&net->queue);
        if (next == NULL || next->at_ms > end_ms) {
            net->now_ms = end_ms;
            return false;
        }
        turn(net);
    }
    return true;
}

static bool never(struct viv_node_net *net, void *ctx)
{
    (void)net;
    (void)ctx;
    return false;
}

void viv_node_net_run(struct viv_node_net *net, uint64_t duration_ms)
{
    (void)viv_node_net_run_until(net, duration_ms, never, NULL);
}

static bool is_settled(struct viv_node_net *net, void *ctx)
{
    (void)ctx;
    uint64_t zxid = 0;
    for (size_t i = 0; i < net->config.server_count; i++) {
        struct viv_node_stats stats;
        if (net->servers[i].node == NULL) {
            continue;
        }
        viv_node_stats(net->servers[i].node, &stats);
        if (!stats.serving || (zxid != 0 && zxid != stats.last_zxid)) {
            return false;
        }
        zxid = stats.last_zxid;
    }
    return net->config.server_count == 1 || viv_node_net_leader(net) != SIZE_MAX;
}

bool viv_node_net_settle(struct viv_node_net *net, uint64_t limit_ms)
{
    return viv_node_net_run_until(net, limit_ms, is_settled, NULL);
}

/* ---- servers ---- */

struct viv_node_net *viv_node_net_new(const struct viv_node_net_config *config)
{
    cr_assert(config->server_count >= 1 && config->server_count <= VIV_NODE_RECIPE_SERVERS_MAX);
    struct viv_node_net *net = viv_alloc_zeroed(1, sizeof *net);
    net->config = *config;
    net->now_ms = 1000;
    for (size_t i = 0; i < config->server_count; i++) {
        viv_node_disk_init(&net->servers[i].disk);
    }
    return net;
}

void viv_node_net_free(struct viv_node_net *net)
{
    for (size_t i = 0; i < net->config.server_count; i++) {
        viv_node_net_kill(net, i);
        viv_node_disk_fini(&net->servers[i].disk);
        viv_actions_fini(&net->servers[i].actions);
    }
    for (size_t i = 0; i < net->client_count; i++) {
        viv_buffer_fini(&net->clients[i].received);
    }
    viv_node_queue_fini(&net->queue);
    free(net->links);
    free(net->clients);
    free(net);
}

void viv_node_net_start(struct viv_node_net *net, size_t server)
{
    struct net_server *at = &net->servers[server];
    cr_assert_null(at->node, "the server runs already");
    at->life++;
    if (net->config.stores != NULL) {
        at->node = net->config.stores->start(net->config.stores->ctx, server);
        if (at->node == NULL) {
            return;
        }
    } else {
        at->node = viv_node_recipe(net->config.server_count, server, net->config.snapshot_entries,
                                   WALL_MS_AT_START + (int64_t)net->now_ms, net->config.adjust);
        cr_assert_eq(viv_node_disk_recover(&at->disk, at->node), VIV_OK, "recovery failed");
    }
    struct viv_event event = {.kind = VIV_EVENT_START};
    viv_node_net_expect(net, server, 0, &event, (struct viv_bytes){0});
    event.kind = VIV_EVENT_TICK;
    viv_node_net_expect(net, server, TICK_EVENT_MS, &event, (struct viv_bytes){0});
}

void viv_node_net_start_all(struct viv_node_net *net)
{
    for (size_t i = 0; i < net->config.server_count; i++) {
        viv_node_net_start(net, i);
    }
}

void viv_node_net_kill(struct viv_node_net *net, size_t server)
{
    if (net->servers[server].node != NULL) {
        end(net, server, NULL);
    }
}

void viv_node_net_wipe(struct viv_node_net *net, size_t server)
{
    cr_assert_null(net->servers[server].node, "only a server that is down can be wiped");
    viv_node_disk_fini(&net->servers[server].disk);
    viv_node_disk_init(&net->servers[server].disk);
}

void viv_node_net_isolate(struct viv_node_net *net, size_t server, bool isolated)
{
    net->servers[server].is_isolated = isolated;
    for (size_t i = 0; isolated && i < net->link_count; i++) {
        struct net_link *link = &net->links[i];
        link->is_silent = link->is_silent || link->dialler == server || link->acceptor == server;
    }
}

void viv_node_net_slow_log(struct viv_node_net *net, size_t server, uint64_t ms)
{
    cr_assert_null(net->servers[server].node, "what is on its way would be overtaken");
    net->servers[server].log_ms = ms;
}

void viv_node_net_disk_full(struct viv_node_net *net, size_t server, bool full)
{
    struct viv_event event = {.kind = VIV_EVENT_DISK_FULL, .flag = full};
    viv_node_net_expect(net, server, 0, &event, (struct viv_bytes){0});
}

uint64_t viv_node_net_now_ms(const struct viv_node_net *net)
{
    return net->now_ms;
}

const struct viv_node *viv_node_net_node(const struct viv_node_net *net, size_t server)
{
    return net->servers[server].node;
}

void viv_node_net_stats(const struct viv_node_net *net, size_t server, struct viv_node_stats *stats)
{
    cr_assert_not_null(net->servers[server].node, "the server is down");
    viv_node_stats(net->servers[server].node, stats);
}

size_t viv_node_net_leader(const struct viv_node_net *net)
{
    for (size_t i = 0; i < net->config.server_count; i++) {
        struct viv_node_stats stats;
        if (net->servers[i].node == NULL) {
            continue;
        }
        viv_node_stats(net->servers[i].node, &stats);
        if (stats.serving && stats.zab.state == VIV_LEADING) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t viv_node_net_server_count(const struct viv_node_net *net)
{
    return net->config.server_count;
}

void viv_node_net_counts(const struct viv_node_net *net, size_t server, struct viv_node_net_counts *counts)
{
    *counts = net->servers[server].counts;
    counts->images = net->servers[server].disk.image_count;
    counts->installs = net->servers[server].disk.install_count;
}
