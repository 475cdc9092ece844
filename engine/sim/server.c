#include "sim/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "sim/queue.h"
#include "sim/recipe.h"
#include "sim/world.h"

enum {
    RATE_USUAL = 1024,
    TURN_INPUTS_MAX = 64,
    TICK_MS_MAX = 20,
    TICKS_PER_TICK = 10,
    FRAME_BYTES_MAX = 1 << 20,
    INPUTS_MAX = 200000,
};
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_US INT64_C(1000)

/* ---- clock ---- */

int64_t viv_sim_server_local_ns(const struct viv_sim_world *world, size_t server)
{
    const struct viv_sim_clock *clock = &world->servers[server].clock;
    int64_t passed_ns = world->now_ns - clock->world_ns;
    return clock->local_ns + passed_ns / 1024 * clock->rate + passed_ns % 1024 * clock->rate / 1024;
}

void viv_sim_server_set_rate(struct viv_sim_world *world, size_t server, int64_t rate)
{
    struct viv_sim_clock *clock = &world->servers[server].clock;
    bool stood_still = clock->rate == 0;
    clock->local_ns = viv_sim_server_local_ns(world, server);
    clock->world_ns = world->now_ns;
    clock->rate = rate;
    if (stood_still && rate > 0 && world->servers[server].is_ready) {
        viv_sim_agenda_add(&world->agenda, world->now_ns, VIV_SIM_DUE_TICK, server, world->servers[server].life);
    }
}

static int64_t tick_ns(const struct viv_sim_world *world)
{
    int64_t ms = VIV_SIM_GET(world, tick_ms) / TICKS_PER_TICK;
    return (ms > TICK_MS_MAX ? TICK_MS_MAX : ms < 1 ? 1 : ms) * NS_PER_MS;
}

/* ---- inputs ---- */

static void free_input(struct viv_sim_input *input)
{
    viv_buffer_fini(&input->bytes);
    free(input->entries);
}

static void drop_inputs(struct viv_sim_server *at)
{
    for (size_t i = 0; i < at->input_count; i++) {
        free_input(&at->inputs[at->input_first + i]);
    }
    at->input_first = at->input_count = 0;
}

static void want_turn(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    if (!at->has_turn && !at->is_paused && at->is_ready) {
        int64_t at_ns = world->now_ns > at->busy_until_ns ? world->now_ns : at->busy_until_ns;
        at->has_turn = true;
        viv_sim_agenda_add(&world->agenda, at_ns, VIV_SIM_DUE_TURN, server, at->life);
    }
}

static void push_input(struct viv_sim_world *world, size_t server, const struct viv_sim_input *input)
{
    struct viv_sim_server *at = &world->servers[server];
    at->inputs = viv_sim_queue_room(at->inputs, sizeof *input, &at->input_first, at->input_count, &at->input_capacity);
    at->inputs[at->input_first + at->input_count++] = *input;
    if (at->input_count > INPUTS_MAX) {
        viv_sim_fail(world, "server %zu: %zu events wait for its loop", server + 1, at->input_count);
    }
    want_turn(world, server);
}

/* Entries and their bodies go into one block. */
struct viv_entry *viv_sim_copy_entries(const struct viv_entry *entries, size_t count)
{
    size_t bytes = count * sizeof *entries;
    for (size_t i = 0; i < count; i++) {
        bytes += entries[i].body.size;
    }
    struct viv_entry *copied = viv_alloc(bytes);
    uint8_t *to = (uint8_t *)(copied + count);
    for (size_t i = 0; i < count; i++) {
        copied[i] = entries[i];
        copied[i].body.data = to;
        memcpy(to, entries[i].body.data, entries[i].body.size);
        to += entries[i].body.size;
    }
    return copied;
}

void viv_sim_server_input(struct viv_sim_world *world, size_t server, const struct viv_event *event,
                          struct viv_bytes bytes)
{
    if (world->servers[server].node == NULL) {
        return;
    }
    struct viv_sim_input input = {.event = *event};
    viv_buffer_append_bytes(&input.bytes, bytes);
    if (event->entry_count > 0) {
        input.entries = viv_sim_copy_entries(event->entries, event->entry_count);
        input.event.entries = input.entries;
    }
    push_input(world, server, &input);
}

/* Whole frames of what a client sent, as server/caller cuts them. */
void viv_sim_server_take_frames(struct viv_sim_world *world, struct viv_sim_connection *connection)
{
    size_t server = connection->hosts[1];
    while (!connection->is_paused && connection->frames.size >= 4) {
        size_t size = viv_load_be32(connection->frames.data);
        if (size > FRAME_BYTES_MAX) {
            viv_sim_fail(world, "client %zu sends a frame of %zu bytes", connection->hosts[0], size);
            return;
        }
        if (connection->frames.size < 4 + size) {
            return;
        }
        struct viv_event event = {.kind = VIV_EVENT_CLIENT_FRAME, .conn = connection->id};
        viv_sim_server_input(world, server, &event, viv_bytes_of(connection->frames.data + 4, size));
        viv_buffer_consume(&connection->frames, 4 + size);
    }
}

/* ---- actions ---- */

static void send_vote(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    size_t to = (size_t)action->sid - 1;
    if (world->options->breaks == VIV_SIM_BREAK_HIGH_VOTE) {
        viv_sim_recipe_raise_vote(world, server, action->bytes, to);
    } else if (to < world->server_count && to != server) {
        viv_sim_network_vote(world, server, to, action->bytes);
    }
}

/* Control: every reply's zxid becomes one less. */
static void send_old_zxids(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    enum { AT_XID = 4, AT_ZXID = 8, REPLY_BYTES = 20 };
    struct viv_buffer frames = {0};
    viv_buffer_append_bytes(&frames, action->bytes);
    for (size_t at = 0; at + REPLY_BYTES <= frames.size; at += AT_XID + viv_load_be32(frames.data + at)) {
        uint64_t zxid = viv_load_be64(frames.data + at + AT_ZXID);
        if ((int32_t)viv_load_be32(frames.data + at + AT_XID) > 0 && (int64_t)zxid > 0) {
            viv_store_be64(frames.data + at + AT_ZXID, zxid - 1);
        }
    }
    viv_sim_network_send(world, (uint32_t)action->conn, server, viv_buffer_bytes(&frames));
    viv_buffer_fini(&frames);
}

static void send_to_client(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    if (world->options->breaks == VIV_SIM_BREAK_OLD_ZXID) {
        send_old_zxids(world, server, action);
    } else {
        viv_sim_network_send(world, (uint32_t)action->conn, server, action->bytes);
    }
    if (action->flag) {
        viv_sim_network_tell_drained(world, (uint32_t)action->conn, server);
    }
}

static void send_on_link(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    viv_sim_network_send(world, action->link, server, action->bytes);
    if (action->flag) {
        viv_sim_network_tell_drained(world, action->link, server);
    }
}

/* A disk without room is a reason, and one that rots; nothing else is. */
static void ask_for_end(struct viv_sim_world *world, size_t server, const char *text)
{
    struct viv_sim_storage *storage = &world->servers[server].storage;
    if (viv_sim_disk_room_bytes(storage->disk) == UINT64_MAX && !world->truth.mirrors[server].may_lose) {
        viv_sim_fail(world, "server %zu asks for its end: %s", server + 1, text);
    }
    storage->is_dying = true;
}

static void perform(struct viv_sim_world *world, size_t server, struct viv_action *action)
{
    struct viv_sim_server *at = &world->servers[server];
    switch (action->kind) {
    case VIV_ACTION_CLIENT_SEND:
        send_to_client(world, server, action);
        break;
    case VIV_ACTION_CLIENT_CLOSE:
        viv_sim_network_close(world, (uint32_t)action->conn, server);
        break;
    case VIV_ACTION_CLIENT_PAUSE:
        viv_sim_network_pause(world, (uint32_t)action->conn, server, action->flag);
        break;
    case VIV_ACTION_VOTE_SEND:
        send_vote(world, server, action);
        break;
    case VIV_ACTION_LISTEN:
        at->is_listening = action->flag;
        if (!action->flag) {
            viv_sim_network_close_accepted(world, server);
        }
        break;
    case VIV_ACTION_LINK_DIAL:
        (void)viv_sim_network_dial(world, server, (size_t)action->sid - 1, false);
        break;
    case VIV_ACTION_LINK_SEND:
        send_on_link(world, server, action);
        break;
    case VIV_ACTION_LINK_CLOSE:
        viv_sim_network_close(world, action->link, server);
        break;
    case VIV_ACTION_CLIENT_SASL:
    case VIV_ACTION_AUDIT:
    case VIV_ACTION_MEMBERS:
        break;
    case VIV_ACTION_TRACE:
        viv_sim_truth_trace(world, server, action);
        break;
    case VIV_ACTION_FATAL:
        ask_for_end(world, server, action->text);
        break;
    default:
        viv_sim_truth_told(world, server, action);
        viv_sim_storage_take(world, server, action);
        break;
    }
}

static void perform_all(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    for (size_t i = 0; i < at->actions.count && at->node != NULL; i++) {
        const struct viv_action *action = &at->actions.items[i];
        viv_sim_note(world, "does", server << 8 | action->kind, action->zxid ^ action->ticket << 32 ^ action->link,
                     action->bytes);
        perform(world, server, &at->actions.items[i]);
    }
    viv_actions_reset(&at->actions);
}

/* ---- turns ---- */

static void step(struct viv_sim_world *world, size_t server, struct viv_sim_input *input)
{
    struct viv_sim_server *at = &world->servers[server];
    struct viv_event *event = &input->event;
    int64_t local_ns = viv_sim_server_local_ns(world, server);
    event->now_ns = (uint64_t)local_ns;
    event->now_ms = (uint64_t)(local_ns / NS_PER_MS);
    event->wall_ms = (local_ns + at->clock.wall_ahead_ns) / NS_PER_MS;
    event->bytes = viv_buffer_bytes(&input->bytes);
    at->has_tick = at->has_tick && event->kind != VIV_EVENT_TICK;
    viv_sim_note(world, "hears", server << 8 | event->kind, event->ticket << 32 ^ event->link ^ event->conn,
                 event->bytes);
    viv_sim_client_sign(world, server, event);
    if (event->kind == VIV_EVENT_START) {
        viv_sim_truth_ready(world, server);
    }
    viv_node_step(at->node, event, &at->actions);
    viv_sim_truth_look(world, server);
    free_input(input);
}

void viv_sim_server_turn(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    at->has_turn = false;
    if (at->node == NULL || at->is_paused) {
        return;
    }
    size_t count = at->input_count < TURN_INPUTS_MAX ? at->input_count : TURN_INPUTS_MAX;
    world->result->turns++;
    for (size_t i = 0; i < count && !viv_sim_is_over(world); i++) {
        struct viv_sim_input input = at->inputs[at->input_first++];
        at->input_count--;
        step(world, server, &input);
    }
    viv_node_turn_end(at->node, (uint64_t)(viv_sim_server_local_ns(world, server) / NS_PER_MS), &at->actions);
    viv_sim_truth_look(world, server);
    at->busy_until_ns = world->now_ns + VIV_SIM_GET(world, turn_us) * NS_PER_US * at->slowness;
    perform_all(world, server);
    if (at->node != NULL && at->storage.is_dying && !at->storage.is_busy) {
        viv_sim_storage_done(world, server); /* it asked for its end, and no task is there to end with */
        return;
    }
    if (at->node != NULL && at->input_count > 0) {
        want_turn(world, server);
    }
}

void viv_sim_server_tick(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    if (at->clock.rate == 0) {
        return; /* timers go on when the clock does */
    }
    int64_t world_ns = tick_ns(world) * RATE_USUAL / at->clock.rate;
    viv_sim_agenda_add(&world->agenda, world->now_ns + world_ns, VIV_SIM_DUE_TICK, server, at->life);
    if (!at->has_tick) {
        struct viv_event event = {.kind = VIV_EVENT_TICK};
        at->has_tick = true;
        viv_sim_server_input(world, server, &event, (struct viv_bytes){0});
    }
    if (!at->is_paused) {
        viv_sim_storage_tick(world, server);
    }
}

/* ---- life ---- */

void viv_sim_server_init(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    *at = (struct viv_sim_server){.slowness = 1, .has_power = true, .life = 1};
    viv_sim_stream(&at->rng, world->plan->seed, VIV_SIM_PROCESS, server);
    at->clock = (struct viv_sim_clock){
        .local_ns = viv_sim_draw(&at->rng, 1, 1000000) * NS_PER_MS,
        .rate = RATE_USUAL,
    };
    at->clock.wall_ahead_ns = VIV_SIM_WALL_MS * NS_PER_MS - at->clock.local_ns;
    viv_sim_storage_init(world, server);
}

void viv_sim_server_fini(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    if (at->node != NULL) {
        viv_sim_server_stop(world, server, false);
    }
    viv_sim_storage_fini(world, server);
    viv_actions_fini(&at->actions);
    free(at->inputs);
}

void viv_sim_server_start(struct viv_sim_world *world, size_t server, int64_t delay_ns)
{
    viv_sim_agenda_add(&world->agenda, world->now_ns + delay_ns, VIV_SIM_DUE_START, server,
                       world->servers[server].life);
}

/* Damaged data that it cannot begin from: people move it away as soon as the others can do without this server. One
 * alone stays down. */
static void refuse(struct viv_sim_world *world, size_t server, viv_status status)
{
    viv_sim_mark(world, "sim a server refuses its disk");
    world->result->refusals++;
    if (!world->truth.mirrors[server].may_lose) {
        viv_sim_fail(world, "server %zu does not start from its disk: %s", server + 1, viv_status_text(status));
        return;
    }
    viv_sim_say(world, "server %zu does not start from its disk: %s", server + 1, viv_status_text(status));
    viv_sim_server_stop(world, server, false);
    if (viv_sim_rot_may_forget(world, server)) {
        viv_sim_server_wipe(world, server);
    }
    if (world->server_count > 1) {
        viv_sim_server_start(world, server, VIV_SIM_RESTART_MS * NS_PER_MS);
    }
}

void viv_sim_server_begin(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    if (at->node != NULL || !at->has_power || at->stays_down) {
        return;
    }
    at->life++;
    viv_sim_disk_begin(at->storage.disk, world->now_ns);
    viv_sim_library_task(at->storage.library, world->now_ns);
    viv_status status = viv_sim_storage_open(world, server);
    if (status == VIV_ERR_IO || status == VIV_ERR_NOSPACE) { /* somebody starts it again */
        viv_sim_server_stop(world, server, false);
        viv_sim_server_start(world, server, VIV_SIM_RESTART_MS * NS_PER_MS);
        return;
    }
    if (status != VIV_OK) {
        refuse(world, server, status);
        return;
    }
    /* What follows waits until the disk has been read. */
    int64_t ready_ns = viv_sim_disk_time_ns(at->storage.disk);
    viv_sim_library_task_until(at->storage.library, ready_ns);
    at->is_ready = true;
    at->is_listening = at->has_turn = at->has_tick = false;
    at->busy_until_ns = ready_ns;
    struct viv_event event = {.kind = VIV_EVENT_START};
    viv_sim_server_input(world, server, &event, (struct viv_bytes){0});
    viv_sim_agenda_add(&world->agenda, ready_ns + tick_ns(world), VIV_SIM_DUE_TICK, server, at->life);
    viv_sim_truth_began(world, server);
    if (at->storage.log != NULL) {
        viv_sim_storage_run(world, server);
    }
}

void viv_sim_server_stop(struct viv_sim_world *world, size_t server, bool lost_power)
{
    struct viv_sim_server *at = &world->servers[server];
    bool had_power = at->has_power, is_up = at->node != NULL || at->storage.state != NULL;
    at->has_power = had_power && !lost_power;
    if (is_up) {
        viv_sim_network_gone(world, server, lost_power);
        drop_inputs(at);
        viv_actions_reset(&at->actions);
        if (at->node != NULL) {
            viv_node_free(at->node);
        }
        at->node = NULL;
        at->is_ready = at->is_listening = at->has_turn = at->is_paused = false;
        viv_sim_disk_restart(at->storage.disk, world->now_ns);
        viv_sim_disk_set_fault(at->storage.disk, VIV_SIM_DISK_POWER, 0);
        viv_sim_storage_close(world, server);
        viv_sim_disk_restart(at->storage.disk, world->now_ns);
    }
    at->life++;
    if (had_power && lost_power) {
        viv_sim_disk_power_on(at->storage.disk, world->now_ns);
    }
    if (is_up || (had_power && lost_power)) {
        viv_sim_library_renew(at->storage.library, lost_power);
    }
    viv_sim_truth_ended(world, server);
}

void viv_sim_server_power(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    if (!at->has_power) {
        at->has_power = true;
        at->life++;
        int64_t before_ns = viv_sim_server_local_ns(world, server);
        at->clock.local_ns = viv_sim_draw(&at->rng, 1, 1000000) * NS_PER_MS; /* since its boot */
        at->clock.wall_ahead_ns += before_ns - at->clock.local_ns;
        at->clock.world_ns = world->now_ns;
        viv_sim_network_powered(world, server);
    }
}

void viv_sim_server_wipe(struct viv_sim_world *world, size_t server)
{
    VIV_ASSERT(world->servers[server].node == NULL);
    viv_sim_storage_fini(world, server);
    viv_sim_storage_init(world, server);
    viv_sim_truth_wiped(world, server);
}

void viv_sim_server_pause(struct viv_sim_world *world, size_t server, bool is_paused)
{
    struct viv_sim_server *at = &world->servers[server];
    at->is_paused = is_paused && at->node != NULL;
    if (!at->is_paused && at->node != NULL && at->input_count > 0) {
        want_turn(world, server);
    }
    if (!at->is_paused && at->node != NULL) {
        viv_sim_storage_run(world, server);
    }
}

/* ---- for others ---- */

bool viv_sim_server_listens(const struct viv_sim_world *world, size_t server, bool for_clients)
{
    const struct viv_sim_server *at = &world->servers[server];
    return at->node != NULL && at->is_ready && (for_clients || at->is_listening);
}

bool viv_sim_serves(const struct viv_sim_world *world, size_t server)
{
    struct viv_node_stats stats;
    if (world->servers[server].node == NULL || world->servers[server].is_paused) {
        return false;
    }
    viv_node_stats(world->servers[server].node, &stats);
    return stats.serving;
}

size_t viv_sim_leader(const struct viv_sim_world *world)
{
    for (size_t i = 0; i < world->server_count; i++) {
        struct viv_node_stats stats;
        if (world->servers[i].node == NULL) {
            continue;
        }
        viv_node_stats(world->servers[i].node, &stats);
        bool leads = stats.zab.state == VIV_LEADING || VIV_SIM_GET(world, voters) == 1;
        if (stats.serving && leads) {
            return i;
        }
    }
    return SIZE_MAX;
}
