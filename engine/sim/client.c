#include "sim/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "sim/world.h"

enum {
    AWAY_MS = 50,   /* mean, between two tries to connect */
    PROBE_MS = 400, /* who only asks whether there is life does not wait long */
    /* Nor may his session be shorter than the way to the server and back, as those of others are now and then. */
    PROBE_SESSION_TICKS = 20,
};
#define NS_PER_MS INT64_C(1000000)

static size_t own_host(size_t client)
{
    return viv_sim_client_host(client);
}

static void note(struct viv_sim_world *world, size_t client, struct viv_sim_record record)
{
    record.client = (int32_t)client;
    record.time_ns = world->now_ns;
    viv_sim_history_add(&world->history, &record);
}

/* ---- time ---- */

void viv_sim_client_wake_at(struct viv_sim_world *world, size_t client, int64_t at_ns)
{
    struct viv_sim_client *me = &world->clients[client];
    if (at_ns < me->wakes_ns) {
        me->wakes_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
        viv_sim_agenda_add(&world->agenda, me->wakes_ns, VIV_SIM_DUE_CLIENT, client, ++me->generation);
    }
}

static int64_t session_ms(const struct viv_sim_world *world, const struct viv_sim_client *me)
{
    return me->timeout_ms > 0 ? me->timeout_ms : VIV_SIM_GET(world, session_ms);
}

/* After that long without a word the connection is given up. */
static int64_t patience_ns(const struct viv_sim_world *world, const struct viv_sim_client *me)
{
    bool is_probe = me == &world->clients[VIV_SIM_PROBE];
    return is_probe ? PROBE_MS * NS_PER_MS : session_ms(world, me) * NS_PER_MS * 2 / 3;
}

/* ---- connections ---- */

static size_t count_bits(uint64_t bits)
{
    return (size_t)__builtin_popcountll(bits);
}

static size_t draw_server(struct viv_sim_world *world, struct viv_sim_client *me)
{
    uint64_t nth = viv_rng_below(&me->rng, count_bits(me->allowed));
    for (size_t i = 0; i < world->server_count; i++) {
        if ((me->allowed >> i & 1) != 0 && nth-- == 0) {
            return i;
        }
    }
    return 0;
}

static void dial(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    me->server = draw_server(world, me);
    me->state = VIV_SIM_CLIENT_DIALLING;
    me->since_ns = me->heard_ns = world->now_ns;
    me->connection = viv_sim_network_dial(world, own_host(client), me->server, true);
}

/* The connection is no more, by whoever's doing. */
static void forget_connection(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->state == VIV_SIM_CLIENT_HANDSHAKE || me->state == VIV_SIM_CLIENT_READY) {
        note(world, client, (struct viv_sim_record){.kind = VIV_SIM_LOST});
    }
    me->state = VIV_SIM_CLIENT_AWAY;
    me->connection = 0;
    me->asked_count = 0;
    me->is_closing = false;
    viv_buffer_clear(&me->input);
    me->next_ns = world->now_ns + viv_sim_draw_exponential(&me->rng, AWAY_MS * NS_PER_MS);
    viv_sim_client_wake_at(world, client, me->next_ns);
}

void viv_sim_client_leave(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->connection != 0) {
        viv_sim_network_close(world, me->connection, own_host(client));
        forget_connection(world, client);
    }
}

void viv_sim_client_disconnected(struct viv_sim_world *world, size_t client, uint32_t connection)
{
    if (world->clients[client].connection == connection) {
        forget_connection(world, client);
    }
}

void viv_sim_client_connected(struct viv_sim_world *world, size_t client, uint32_t connection)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->connection != connection) {
        viv_sim_network_close(world, connection, own_host(client));
        return;
    }
    struct viv_connect_request request = {
        .last_zxid_seen = me->last_zxid,
        .timeout_ms = (int32_t)(client == VIV_SIM_PROBE ? PROBE_SESSION_TICKS * VIV_SIM_GET(world, tick_ms)
                                                        : VIV_SIM_GET(world, session_ms)),
        .session_id = me->session_id,
        .password.bytes = viv_bytes_of(me->password, sizeof me->password),
        .has_read_only = true,
    };
    struct viv_buffer frame = {0};
    viv_buffer_extend(&frame, 4);
    viv_connect_request_encode(&frame, &request);
    viv_store_be32(frame.data, (uint32_t)(frame.size - 4));
    me->state = VIV_SIM_CLIENT_HANDSHAKE;
    me->sent_ns = me->heard_ns = world->now_ns;
    note(world, client,
         (struct viv_sim_record){.kind = VIV_SIM_OPEN,
                                 .server = (int32_t)me->server + 1,
                                 .session_id = me->session_id,
                                 .zxid = (uint64_t)me->last_zxid,
                                 .timeout_ms = request.timeout_ms,
                                 .bytes = VIV_BYTES_LITERAL("127.0.0.1")});
    viv_sim_network_send(world, connection, own_host(client), viv_buffer_bytes(&frame));
    viv_buffer_fini(&frame);
    viv_sim_client_wake_at(world, client, world->now_ns + patience_ns(world, me));
}

/* ---- what comes ---- */

static void take_handshake(struct viv_sim_world *world, size_t client, struct viv_bytes frame)
{
    struct viv_sim_client *me = &world->clients[client];
    struct viv_connect_response response;
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    viv_connect_response_decode(&reader, &response);
    if (reader.bad) {
        viv_sim_fail(world, "client %zu: a malformed answer to its handshake", client);
        return;
    }
    note(world, client,
         (struct viv_sim_record){
             .kind = VIV_SIM_GRANT, .session_id = response.session_id, .timeout_ms = response.timeout_ms});
    if (response.timeout_ms <= 0) { /* the session is gone */
        me->session_id = 0;
        me->timeout_ms = 0;
        me->watch_count = me->known_count = me->made_count = 0;
        memset(me->password, 0, sizeof me->password);
        viv_sim_network_close(world, me->connection, own_host(client));
        forget_connection(world, client);
        return;
    }
    me->state = VIV_SIM_CLIENT_READY;
    me->session_id = response.session_id;
    me->timeout_ms = response.timeout_ms;
    memcpy(me->password, response.password, sizeof me->password);
    if (client == VIV_SIM_OPERATOR) {
        viv_sim_client_authenticate(world, client);
    }
    viv_sim_client_set_watches(world, client);
    me->next_ns = me->next_ns > world->now_ns ? me->next_ns : world->now_ns;
    viv_sim_client_wake_at(world, client, me->next_ns);
}

void viv_sim_client_heard(struct viv_sim_world *world, size_t client, uint32_t connection, struct viv_bytes bytes)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->connection != connection) {
        return;
    }
    me->heard_ns = world->now_ns;
    viv_buffer_append_bytes(&me->input, bytes);
    while (me->connection == connection && me->input.size >= 4) {
        size_t size = viv_load_be32(me->input.data);
        if (me->input.size < 4 + size) {
            break;
        }
        struct viv_bytes frame = viv_bytes_of(me->input.data + 4, size);
        viv_sim_note(world, "client hears", client, connection, frame);
        if (me->state == VIV_SIM_CLIENT_HANDSHAKE) {
            take_handshake(world, client, frame);
        } else {
            viv_sim_client_take_frame(world, client, frame);
        }
        if (me->connection == connection) {
            viv_buffer_consume(&me->input, 4 + size);
        }
    }
}

void viv_sim_client_sign(struct viv_sim_world *world, size_t server, const struct viv_event *event)
{
    /* Only where deadlines are kept that count: what others hear may never be passed on. */
    if (event->kind != VIV_EVENT_CLIENT_FRAME || !viv_sim_truth_decides(world, server)) {
        return;
    }
    const struct viv_sim_connection *connection = viv_sim_network_find(world, (uint32_t)event->conn);
    if (connection == NULL) {
        return;
    }
    const struct viv_sim_client *me = &world->clients[connection->hosts[0] - VIV_SIM_MACHINES_MAX];
    if (me->session_id != 0 && me->connection == connection->id) {
        viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_HEARD,
                                                                      .time_ns = world->now_ns,
                                                                      .session_id = me->session_id,
                                                                      .server = (int32_t)server + 1});
    }
}

/* ---- what it does ---- */

void viv_sim_client_send(struct viv_sim_world *world, size_t client, const struct viv_request_header *header,
                         struct viv_bytes record)
{
    struct viv_sim_client *me = &world->clients[client];
    struct viv_buffer frame = {0};
    viv_buffer_extend(&frame, 4);
    viv_request_header_encode(&frame, header);
    viv_buffer_append_bytes(&frame, record);
    viv_store_be32(frame.data, (uint32_t)(frame.size - 4));
    me->sent_ns = world->now_ns;
    viv_sim_network_send(world, me->connection, own_host(client), viv_buffer_bytes(&frame));
    viv_buffer_fini(&frame);
}

static void ping(struct viv_sim_world *world, size_t client)
{
    viv_sim_client_send(world, client, &(struct viv_request_header){VIV_XID_PING, VIV_OP_PING}, (struct viv_bytes){0});
}

/* There is something to ask for, and room for another request. */
static bool may_ask(const struct viv_sim_world *world, const struct viv_sim_client *me)
{
    return me->next_op < me->op_count && me->asked_count < (size_t)VIV_SIM_GET(world, window) && !me->is_closing;
}

static void work(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    uint32_t connection = me->connection;
    while (may_ask(world, me) && me->next_ns <= world->now_ns && me->connection == connection &&
           world->now_ns >= me->silent_until_ns) {
        const struct viv_sim_op *op = me->ops[me->next_op++];
        viv_sim_client_do(world, client, op);
        if (me->next_op < me->op_count) {
            me->next_ns = world->now_ns + me->ops[me->next_op]->after_us * 1000;
        }
    }
}

static void work_or_ping(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    int64_t ping_ns = patience_ns(world, me) / 2;
    if (world->now_ns - me->heard_ns >= patience_ns(world, me)) {
        viv_sim_client_leave(world, client);
        return;
    }
    work(world, client);
    if (me->state == VIV_SIM_CLIENT_READY && world->now_ns - me->sent_ns >= ping_ns) {
        ping(world, client);
    }
    if (me->state == VIV_SIM_CLIENT_READY) {
        int64_t next_ns = me->sent_ns + ping_ns, gives_up_ns = me->heard_ns + patience_ns(world, me);
        next_ns = next_ns < gives_up_ns ? next_ns : gives_up_ns;
        viv_sim_client_wake_at(world, client, may_ask(world, me) && me->next_ns < next_ns ? me->next_ns : next_ns);
    }
}

void viv_sim_client_wake(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    me->wakes_ns = INT64_MAX;
    if (world->now_ns < me->silent_until_ns) {
        viv_sim_client_wake_at(world, client, me->silent_until_ns);
        return;
    }
    switch (me->state) {
    case VIV_SIM_CLIENT_AWAY:
        if (world->now_ns >= me->next_ns) {
            dial(world, client);
        }
        viv_sim_client_wake_at(world, client, world->now_ns + patience_ns(world, me));
        break;
    case VIV_SIM_CLIENT_DIALLING:
    case VIV_SIM_CLIENT_HANDSHAKE:
        if (world->now_ns - me->heard_ns >= patience_ns(world, me)) {
            viv_sim_client_leave(world, client);
        } else {
            viv_sim_client_wake_at(world, client, me->heard_ns + patience_ns(world, me));
        }
        break;
    case VIV_SIM_CLIENT_READY:
        work_or_ping(world, client);
        break;
    }
}

bool viv_sim_client_exists(const struct viv_sim_world *world, size_t client)
{
    return client < (size_t)VIV_SIM_GET(world, clients) ||
           (client == VIV_SIM_OPERATOR && VIV_SIM_GET(world, reconfigures) != 0);
}

bool viv_sim_client_is_done(const struct viv_sim_world *world, size_t client)
{
    const struct viv_sim_client *me = &world->clients[client];
    return me->next_op == me->op_count && me->asked_count == 0;
}

bool viv_sim_client_probe(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    static const struct viv_sim_op op = {.kind = VIV_SIM_OP_CREATE_SEQUENTIAL, .path = "/probe-"};
    if (me->state != VIV_SIM_CLIENT_READY || me->asked_count > 0) {
        return false;
    }
    viv_sim_client_do(world, client, &op);
    return true;
}

/* ---- life ---- */

void viv_sim_client_init(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    *me = (struct viv_sim_client){.wakes_ns = INT64_MAX, .allowed = (UINT64_C(1) << world->server_count) - 1};
    viv_sim_stream(&me->rng, world->plan->seed, VIV_SIM_CLIENT, client);
    me->ops = viv_alloc((world->plan->op_count + 1) * sizeof *me->ops);
    for (size_t i = 0; i < world->plan->op_count; i++) {
        if ((size_t)world->plan->ops[i].client == client) {
            me->ops[me->op_count++] = &world->plan->ops[i];
        }
    }
}

void viv_sim_client_fini(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    free((void *)(uintptr_t)me->ops);
    free(me->asked);
    free(me->watches);
    viv_buffer_fini(&me->input);
}
