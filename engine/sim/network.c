#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/queue.h"
#include "sim/world.h"

enum {
    DIAL_TIMEOUT_MS = 2000,
    RETRANSMIT_MS = 50, /* mean, after a cut */
    DRAINED_BYTES = 256 << 10,
    LINK_UNSENT_BYTES_MAX = 256 << 20,
};
#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)

static size_t pair_of(size_t from, size_t to)
{
    return from * VIV_SIM_HOSTS_MAX + to;
}

static bool is_cut(const struct viv_sim_world *world, size_t from, size_t to)
{
    return world->network.cuts[pair_of(from, to)] > 0;
}

static int64_t draw_delay(struct viv_sim_world *world, size_t from, size_t to)
{
    bool is_client = from >= VIV_SIM_MACHINES_MAX || to >= VIV_SIM_MACHINES_MAX;
    int64_t least_us = is_client ? VIV_SIM_GET(world, client_delay_us) : VIV_SIM_GET(world, delay_us);
    struct viv_rng *draws = &world->network.draws[pair_of(from, to)];
    int64_t jitter_ns = viv_sim_draw_exponential(draws, VIV_SIM_GET(world, jitter_us) * NS_PER_US);
    return (least_us + world->network.extra_us[pair_of(from, to)]) * NS_PER_US + jitter_ns;
}

void viv_sim_network_init(struct viv_sim_world *world)
{
    struct viv_sim_network *network = &world->network;
    size_t pairs = (size_t)VIV_SIM_HOSTS_MAX * VIV_SIM_HOSTS_MAX;
    network->oldest = 1;
    network->votes = viv_alloc_zeroed((size_t)VIV_SIM_MACHINES_MAX * VIV_SIM_MACHINES_MAX, sizeof *network->votes);
    network->cuts = viv_alloc_zeroed(pairs, sizeof *network->cuts);
    network->extra_us = viv_alloc_zeroed(pairs, sizeof *network->extra_us);
    network->draws = viv_alloc_zeroed(pairs, sizeof *network->draws);
    for (size_t i = 0; i < pairs; i++) {
        viv_sim_stream(&network->draws[i], world->plan->seed, VIV_SIM_NETWORK, i);
    }
}

/* ---- queues of bytes under way ---- */

static void free_segments(struct viv_sim_segment *items, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        viv_buffer_fini(&items[i].bytes);
    }
}

static void push_segment(struct viv_sim_segment **items, size_t *first, size_t *count, size_t *capacity,
                         struct viv_sim_segment segment)
{
    *items = viv_sim_queue_room(*items, sizeof segment, first, *count, capacity);
    (*items)[*first + (*count)++] = segment;
}

static void forget(struct viv_sim_network *network, struct viv_sim_connection *connection)
{
    network->connections[connection->id] = NULL;
    for (size_t side = 0; side < 2; side++) {
        struct viv_sim_pipe *pipe = &connection->pipes[side];
        free_segments(pipe->segments, pipe->first, pipe->count);
        free(pipe->segments);
    }
    viv_buffer_fini(&connection->frames);
    free(connection);
    while (network->oldest <= network->connection_count && network->connections[network->oldest] == NULL) {
        network->oldest++;
    }
}

void viv_sim_network_fini(struct viv_sim_world *world)
{
    struct viv_sim_network *network = &world->network;
    for (size_t id = network->oldest; id <= network->connection_count; id++) {
        if (network->connections[id] != NULL) {
            forget(network, network->connections[id]);
        }
    }
    for (size_t i = 0; i < (size_t)VIV_SIM_MACHINES_MAX * VIV_SIM_MACHINES_MAX; i++) {
        struct viv_sim_votes *votes = &network->votes[i];
        free_segments(votes->items, votes->first, votes->count);
        free(votes->items);
        viv_buffer_fini(&votes->held);
    }
    free(network->connections);
    free(network->votes);
    free(network->cuts);
    free(network->extra_us);
    free(network->draws);
}

struct viv_sim_connection *viv_sim_network_find(const struct viv_sim_world *world, uint32_t id)
{
    return id >= 1 && id <= world->network.connection_count ? world->network.connections[id] : NULL;
}

/* ---- whom it concerns ---- */

static bool is_client_host(size_t host)
{
    return host >= VIV_SIM_MACHINES_MAX;
}

static bool is_on(const struct viv_sim_world *world, size_t host)
{
    return is_client_host(host) || world->servers[host].has_power;
}

static uint64_t life_of(const struct viv_sim_world *world, size_t host)
{
    return is_client_host(host) ? 1 : world->servers[host].life;
}

/* The process that had that end is still there and holds it open. */
static bool is_held(const struct viv_sim_world *world, const struct viv_sim_connection *connection, size_t side)
{
    size_t host = connection->hosts[side];
    return connection->is_up[side] && connection->lives[side] == life_of(world, host) && is_on(world, host);
}

static void tell_up(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side)
{
    size_t host = connection->hosts[side];
    struct viv_event event = {.kind = VIV_EVENT_LINK_UP, .link = connection->id};
    connection->is_up[side] = true;
    if (is_client_host(host)) {
        viv_sim_client_connected(world, host - VIV_SIM_MACHINES_MAX, connection->id);
    } else if (connection->is_client) {
        event = (struct viv_event){.kind = VIV_EVENT_CLIENT_OPEN, .conn = connection->id};
        viv_sim_server_input(world, host, &event, VIV_BYTES_LITERAL("127.0.0.1"));
    } else {
        event.sid = side == 0 ? (viv_sid)connection->hosts[1] + 1 : 0;
        viv_sim_server_input(world, host, &event, (struct viv_bytes){0});
    }
}

static void tell_down(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side)
{
    size_t host = connection->hosts[side];
    connection->is_up[side] = false;
    if (is_client_host(host)) {
        viv_sim_client_disconnected(world, host - VIV_SIM_MACHINES_MAX, connection->id);
    } else {
        struct viv_event event = {.kind = connection->is_client ? VIV_EVENT_CLIENT_CLOSED : VIV_EVENT_LINK_DOWN};
        event.conn = connection->is_client ? connection->id : 0;
        event.link = connection->is_client ? 0 : connection->id;
        viv_sim_server_input(world, host, &event, (struct viv_bytes){0});
    }
}

static void tell_bytes(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side,
                       struct viv_bytes bytes)
{
    size_t host = connection->hosts[side];
    if (is_client_host(host)) {
        viv_sim_client_heard(world, host - VIV_SIM_MACHINES_MAX, connection->id, bytes);
    } else if (connection->is_client) {
        viv_buffer_append_bytes(&connection->frames, bytes);
        viv_sim_server_take_frames(world, connection);
    } else {
        struct viv_event event = {.kind = VIV_EVENT_LINK_BYTES, .link = connection->id};
        viv_sim_server_input(world, host, &event, bytes);
    }
}

static void tell_drained(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side)
{
    struct viv_sim_pipe *pipe = &connection->pipes[side];
    if (pipe->tell_drained && pipe->unread < DRAINED_BYTES && is_held(world, connection, side)) {
        struct viv_event event = {.kind = connection->is_client ? VIV_EVENT_CLIENT_DRAINED : VIV_EVENT_LINK_DRAINED};
        event.conn = connection->is_client ? connection->id : 0;
        event.link = connection->is_client ? 0 : connection->id;
        pipe->tell_drained = false;
        viv_sim_server_input(world, connection->hosts[side], &event, (struct viv_bytes){0});
    }
}

/* ---- bytes ---- */

static void add_segment(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side,
                        struct viv_bytes bytes, bool is_end)
{
    struct viv_sim_pipe *pipe = &connection->pipes[side];
    int64_t at_ns = world->now_ns + draw_delay(world, connection->hosts[side], connection->hosts[1 - side]);
    at_ns = at_ns > pipe->last_ns ? at_ns : pipe->last_ns + 1;
    struct viv_sim_segment segment = {.at_ns = at_ns, .is_end = is_end};
    viv_buffer_append_bytes(&segment.bytes, bytes);
    push_segment(&pipe->segments, &pipe->first, &pipe->count, &pipe->capacity, segment);
    pipe->last_ns = at_ns;
    pipe->unread += bytes.size;
    pipe->is_closed = pipe->is_closed || is_end;
    if (!pipe->is_stalled) {
        viv_sim_agenda_add(&world->agenda, at_ns, VIV_SIM_DUE_PIPE, connection->id, side);
    }
}

static void end_pipe(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side)
{
    if (!connection->pipes[side].is_closed) {
        add_segment(world, connection, side, (struct viv_bytes){0}, true);
    }
}

/* Of what is under way the first `kept` bytes still come. */
static void shorten(struct viv_sim_pipe *pipe, uint64_t kept)
{
    uint64_t seen = 0;
    for (size_t i = pipe->first; i < pipe->first + pipe->count; i++) {
        struct viv_buffer *bytes = &pipe->segments[i].bytes;
        uint64_t left = kept > seen ? kept - seen : 0;
        seen += bytes->size;
        bytes->size = left < bytes->size ? (size_t)left : bytes->size;
    }
    pipe->unread = kept;
}

/* A dial that is not answered yet comes to nothing, and its answer says so. */
static void break_connection(struct viv_sim_world *world, struct viv_sim_connection *connection)
{
    if (!connection->is_up[0]) {
        connection->is_refused = true;
        return;
    }
    for (size_t side = 0; side < 2; side++) {
        struct viv_sim_pipe *pipe = &connection->pipes[side];
        if (!pipe->is_closed) {
            size_t pair = pair_of(connection->hosts[side], connection->hosts[1 - side]);
            shorten(pipe, viv_rng_below(&world->network.draws[pair], pipe->unread + 1));
            end_pipe(world, connection, side);
        }
    }
}

void viv_sim_network_send(struct viv_sim_world *world, uint32_t id, size_t from, struct viv_bytes bytes)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection == NULL) {
        return;
    }
    size_t side = connection->hosts[0] == from ? 0 : 1;
    struct viv_sim_pipe *pipe = &connection->pipes[side];
    if (!is_held(world, connection, side) || pipe->is_closed) {
        return;
    }
    struct viv_rng *draws = &world->network.draws[pair_of(from, connection->hosts[1 - side])];
    size_t first = bytes.size;
    if (bytes.size > 1 && viv_sim_draw_chance(draws, (uint64_t)VIV_SIM_GET(world, pieces), 1000)) {
        first = (size_t)viv_sim_draw(draws, 1, (int64_t)bytes.size - 1);
    }
    add_segment(world, connection, side, viv_bytes_of(bytes.data, first), false);
    if (first < bytes.size) {
        add_segment(world, connection, side, viv_bytes_of(bytes.data + first, bytes.size - first), false);
    }
    if (pipe->unread > LINK_UNSENT_BYTES_MAX) {
        viv_sim_fail(world, "%llu bytes are under way on one connection", (unsigned long long)pipe->unread);
    }
    if (!world->faults_are_over && viv_sim_draw_chance(draws, (uint64_t)VIV_SIM_GET(world, resets), 100000)) {
        break_connection(world, connection);
    }
}

void viv_sim_network_tell_drained(struct viv_sim_world *world, uint32_t id, size_t from)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection != NULL) {
        size_t side = connection->hosts[0] == from ? 0 : 1;
        connection->pipes[side].tell_drained = true;
        tell_drained(world, connection, side);
    }
}

static void forget_if_over(struct viv_sim_world *world, struct viv_sim_connection *connection)
{
    bool is_over = true;
    for (size_t side = 0; side < 2; side++) {
        const struct viv_sim_pipe *pipe = &connection->pipes[side];
        is_over = is_over && !is_held(world, connection, side) && pipe->is_closed && pipe->count == 0;
    }
    if (is_over) {
        forget(&world->network, connection);
    }
}

/* True while there is more that is due now. */
static bool take_segment(struct viv_sim_world *world, struct viv_sim_connection *connection, size_t side)
{
    struct viv_sim_pipe *pipe = &connection->pipes[side];
    if (pipe->count == 0 || pipe->segments[pipe->first].at_ns > world->now_ns) {
        return false;
    }
    struct viv_sim_segment segment = pipe->segments[pipe->first++];
    pipe->count--;
    pipe->unread -= segment.bytes.size;
    if (!is_held(world, connection, 1 - side)) {
        end_pipe(world, connection, 1 - side); /* nobody is there: a reset comes back */
    } else if (segment.is_end) {
        tell_down(world, connection, 1 - side);
        end_pipe(world, connection, 1 - side);
    } else if (segment.bytes.size > 0) {
        tell_bytes(world, connection, 1 - side, viv_buffer_bytes(&segment.bytes));
    }
    viv_buffer_fini(&segment.bytes);
    return true;
}

void viv_sim_network_pipe_arrives(struct viv_sim_world *world, uint32_t id, size_t side)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection == NULL || connection->pipes[side].is_stalled) {
        return;
    }
    size_t from = connection->hosts[side], to = connection->hosts[1 - side];
    if (is_cut(world, from, to) || !is_on(world, to)) {
        connection->pipes[side].is_stalled = true;
        return;
    }
    while (take_segment(world, connection, side)) {
    }
    if (!is_client_host(from)) {
        tell_drained(world, connection, side);
    }
    forget_if_over(world, connection);
}

/* ---- beginnings and ends ---- */

uint32_t viv_sim_network_dial(struct viv_sim_world *world, size_t from, size_t to, bool is_client)
{
    struct viv_sim_network *network = &world->network;
    if (network->connection_count + 1 >= network->connection_capacity) {
        network->connection_capacity = network->connection_capacity == 0 ? 64 : network->connection_capacity * 2;
        network->connections =
            viv_realloc(network->connections, network->connection_capacity * sizeof *network->connections);
    }
    struct viv_sim_connection *connection = viv_alloc_zeroed(1, sizeof *connection);
    connection->id = (uint32_t)++network->connection_count;
    connection->is_client = is_client;
    connection->hosts[0] = from;
    connection->hosts[1] = to;
    connection->lives[0] = life_of(world, from);
    network->connections[connection->id] = connection;
    viv_sim_agenda_add(&world->agenda, world->now_ns + draw_delay(world, from, to), VIV_SIM_DUE_DIAL, connection->id,
                       0);
    return connection->id;
}

static void answer_dial(struct viv_sim_world *world, struct viv_sim_connection *connection, int64_t delay_ns)
{
    viv_sim_agenda_add(&world->agenda, world->now_ns + delay_ns, VIV_SIM_DUE_ANSWER, connection->id, 0);
}

void viv_sim_network_dial_arrives(struct viv_sim_world *world, uint32_t id)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection == NULL) {
        return;
    }
    size_t from = connection->hosts[0], to = connection->hosts[1];
    if (is_cut(world, from, to) || is_cut(world, to, from) || !is_on(world, to)) {
        connection->is_waiting = true;
        answer_dial(world, connection, DIAL_TIMEOUT_MS * NS_PER_MS);
        return;
    }
    int64_t delay_ns = draw_delay(world, to, from);
    connection->is_refused = !viv_sim_server_listens(world, to, connection->is_client);
    connection->pipes[1].last_ns = world->now_ns + delay_ns;
    answer_dial(world, connection, delay_ns);
    if (!connection->is_refused) {
        connection->lives[1] = life_of(world, to);
        tell_up(world, connection, 1);
    }
}

static void dial_failed(struct viv_sim_world *world, struct viv_sim_connection *connection)
{
    size_t from = connection->hosts[0], to = connection->hosts[1];
    bool is_there = connection->lives[0] == life_of(world, from);
    if (is_there && is_client_host(from)) {
        viv_sim_client_disconnected(world, from - VIV_SIM_MACHINES_MAX, connection->id);
    } else if (is_there) {
        struct viv_event event = {.kind = VIV_EVENT_LINK_DOWN, .sid = (viv_sid)to + 1};
        viv_sim_server_input(world, from, &event, (struct viv_bytes){0});
    }
    connection->is_up[0] = false;
    if (connection->lives[1] != 0) { /* accepted, and the answer was cut off: half a connection */
        end_pipe(world, connection, 0);
    } else {
        forget(&world->network, connection);
    }
}

void viv_sim_network_answer_arrives(struct viv_sim_world *world, uint32_t id)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection == NULL) {
        return;
    }
    size_t from = connection->hosts[0], to = connection->hosts[1];
    bool is_late = !connection->is_refused && !connection->is_waiting && is_cut(world, to, from);
    if (connection->lives[0] != life_of(world, from) || connection->is_refused || connection->is_waiting) {
        dial_failed(world, connection);
    } else if (is_late) {
        connection->is_waiting = true;
        answer_dial(world, connection, DIAL_TIMEOUT_MS * NS_PER_MS);
    } else if (connection->pipes[0].is_closed) {
        end_pipe(world, connection, 1); /* given up meanwhile */
    } else {
        tell_up(world, connection, 0);
    }
}

void viv_sim_network_close(struct viv_sim_world *world, uint32_t id, size_t by)
{
    struct viv_sim_connection *connection = viv_sim_network_find(world, id);
    if (connection == NULL) {
        return;
    }
    size_t side = connection->hosts[0] == by ? 0 : 1;
    if (is_held(world, connection, side) && !is_client_host(by)) {
        tell_down(world, connection, side);
    }
    connection->is_up[side] = false;
    end_pipe(world, connection, side);
}

/* ---- what befalls whole hosts ---- */

static bool joins(const struct viv_sim_connection *connection, size_t a, size_t b)
{
    return connection != NULL && ((connection->hosts[0] == a && connection->hosts[1] == b) ||
                                  (connection->hosts[0] == b && connection->hosts[1] == a));
}

/* What waited for a cut to heal, or for a machine to come back, is sent again. */
static void resume(struct viv_sim_world *world, size_t from, size_t to)
{
    struct viv_sim_network *network = &world->network;
    struct viv_rng *draws = &network->draws[pair_of(from, to)];
    for (size_t id = network->oldest; id <= network->connection_count; id++) {
        struct viv_sim_connection *connection = network->connections[id];
        size_t side = connection != NULL && connection->hosts[0] == from ? 0 : 1;
        if (!joins(connection, from, to) || !connection->pipes[side].is_stalled) {
            continue;
        }
        struct viv_sim_pipe *pipe = &connection->pipes[side];
        int64_t at_ns =
            world->now_ns + draw_delay(world, from, to) + viv_sim_draw_exponential(draws, RETRANSMIT_MS * NS_PER_MS);
        pipe->is_stalled = false;
        for (size_t i = pipe->first; i < pipe->first + pipe->count; i++) {
            pipe->segments[i].at_ns = at_ns > pipe->segments[i].at_ns ? at_ns : pipe->segments[i].at_ns;
            viv_sim_agenda_add(&world->agenda, pipe->segments[i].at_ns, VIV_SIM_DUE_PIPE, id, side);
        }
        pipe->last_ns = pipe->last_ns > at_ns ? pipe->last_ns : at_ns;
    }
    if (!is_client_host(from) && !is_client_host(to)) {
        struct viv_sim_votes *votes = &network->votes[from * VIV_SIM_MACHINES_MAX + to];
        if (votes->is_held) {
            struct viv_buffer held = votes->held;
            votes->held = (struct viv_buffer){0};
            votes->is_held = false;
            viv_sim_network_vote(world, from, to, viv_buffer_bytes(&held));
            viv_buffer_fini(&held);
        }
    }
}

void viv_sim_network_cut(struct viv_sim_world *world, size_t from, size_t to, int change)
{
    unsigned *cuts = &world->network.cuts[pair_of(from, to)];
    if (change > 0) {
        (*cuts)++;
    } else if (*cuts > 0 && --*cuts == 0) {
        resume(world, from, to);
    }
}

void viv_sim_network_powered(struct viv_sim_world *world, size_t host)
{
    for (size_t from = 0; from < VIV_SIM_HOSTS_MAX; from++) {
        if (!is_cut(world, from, host)) {
            resume(world, from, host);
        }
    }
}

void viv_sim_network_heal(struct viv_sim_world *world, size_t a, size_t b)
{
    size_t pairs[2][2] = {{a, b}, {b, a}};
    for (size_t i = 0; i < 2; i++) {
        size_t pair = pair_of(pairs[i][0], pairs[i][1]);
        world->network.extra_us[pair] = 0;
        if (world->network.cuts[pair] > 0) {
            world->network.cuts[pair] = 0;
            resume(world, pairs[i][0], pairs[i][1]);
        }
    }
}

void viv_sim_network_delay(struct viv_sim_world *world, size_t from, size_t to, int64_t change_us)
{
    int64_t *extra_us = &world->network.extra_us[pair_of(from, to)];
    *extra_us = *extra_us + change_us > 0 ? *extra_us + change_us : 0;
}

void viv_sim_network_break(struct viv_sim_world *world, size_t a, size_t b)
{
    struct viv_sim_network *network = &world->network;
    for (size_t id = network->oldest; id <= network->connection_count; id++) {
        if (joins(network->connections[id], a, b)) {
            break_connection(world, network->connections[id]);
        }
    }
}
