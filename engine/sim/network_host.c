#include "sim/queue.h"
#include "sim/world.h"

/* What happens to all that one host has open, and the messages of elections. */

void viv_sim_network_gone(struct viv_sim_world *world, size_t host, bool lost_power)
{
    struct viv_sim_network *network = &world->network;
    for (size_t id = network->oldest; id <= network->connection_count; id++) {
        struct viv_sim_connection *connection = network->connections[id];
        for (size_t side = 0; connection != NULL && side < 2; side++) {
            if (connection->hosts[side] == host && connection->is_up[side]) {
                connection->is_up[side] = false;
                if (!lost_power) {
                    viv_sim_network_close(world, (uint32_t)id, host);
                }
            }
        }
    }
    for (size_t to = 0; to < VIV_SIM_MACHINES_MAX; to++) {
        network->votes[host * VIV_SIM_MACHINES_MAX + to].is_held = false;
    }
}

void viv_sim_network_close_accepted(struct viv_sim_world *world, size_t host)
{
    struct viv_sim_network *network = &world->network;
    for (size_t id = network->oldest; id <= network->connection_count; id++) {
        const struct viv_sim_connection *connection = network->connections[id];
        if (connection != NULL && !connection->is_client && connection->hosts[1] == host && connection->is_up[1]) {
            viv_sim_network_close(world, (uint32_t)id, host);
        }
    }
}

void viv_sim_network_pause(struct viv_sim_world *world, uint32_t id, size_t host, bool is_paused)
{
    struct viv_sim_network *network = &world->network;
    for (size_t at = id != 0 ? id : network->oldest; at <= network->connection_count; at++) {
        struct viv_sim_connection *connection = network->connections[at];
        if (connection != NULL && connection->is_client && connection->hosts[1] == host && connection->is_up[1]) {
            connection->is_paused = is_paused;
            viv_sim_server_take_frames(world, connection);
        }
        if (id != 0) {
            return;
        }
    }
}

/* ---- elections ---- */

static void hold(struct viv_sim_votes *votes, struct viv_bytes body)
{
    viv_buffer_clear(&votes->held);
    viv_buffer_append_bytes(&votes->held, body);
    votes->is_held = true;
}

static bool is_cut(const struct viv_sim_world *world, size_t from, size_t to)
{
    return world->network.cuts[from * VIV_SIM_HOSTS_MAX + to] > 0;
}

void viv_sim_network_vote(struct viv_sim_world *world, size_t from, size_t to, struct viv_bytes body)
{
    struct viv_sim_network *network = &world->network;
    struct viv_sim_votes *votes = &network->votes[from * VIV_SIM_MACHINES_MAX + to];
    size_t pair = from * VIV_SIM_HOSTS_MAX + to;
    struct viv_rng *draws = &network->draws[pair];
    int64_t delay_us = VIV_SIM_GET(world, delay_us) + network->extra_us[pair];
    int64_t at_ns =
        world->now_ns + delay_us * 1000 + viv_sim_draw_exponential(draws, VIV_SIM_GET(world, jitter_us) * 1000);
    if (is_cut(world, from, to)) {
        hold(votes, body);
        return;
    }
    if (!world->faults_are_over && viv_sim_draw_chance(draws, (uint64_t)VIV_SIM_GET(world, vote_loss), 1000)) {
        return;
    }
    votes->items =
        viv_sim_queue_room(votes->items, sizeof *votes->items, &votes->first, votes->count, &votes->capacity);
    at_ns = at_ns > votes->last_ns ? at_ns : votes->last_ns + 1;
    votes->last_ns = at_ns;
    struct viv_sim_segment segment = {.at_ns = at_ns};
    viv_buffer_append_bytes(&segment.bytes, body);
    votes->items[votes->first + votes->count++] = segment;
    viv_sim_agenda_add(&world->agenda, at_ns, VIV_SIM_DUE_VOTE, from << 8 | to, 0);
}

void viv_sim_network_vote_arrives(struct viv_sim_world *world, size_t from, size_t to)
{
    struct viv_sim_votes *votes = &world->network.votes[from * VIV_SIM_MACHINES_MAX + to];
    while (votes->count > 0 && votes->items[votes->first].at_ns <= world->now_ns) {
        struct viv_sim_segment segment = votes->items[votes->first++];
        votes->count--;
        if (is_cut(world, from, to)) {
            hold(votes, viv_buffer_bytes(&segment.bytes));
        } else if (world->servers[to].node != NULL) {
            struct viv_event event = {.kind = VIV_EVENT_VOTE, .sid = (viv_sid)from + 1};
            viv_sim_server_input(world, to, &event, viv_buffer_bytes(&segment.bytes));
        }
        viv_buffer_fini(&segment.bytes);
    }
}
