#include "server/election_port.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/rate.h"
#include "server/address.h"
#include "server/address_counts.h"
#include "server/election_peers.h"
#include "server/outbox.h"
#include "server/peer_channel.h"
#include "server/server_internal.h"
#include "wire/peer.h"

enum {
    DIAL_TIMEOUT_MS = 2000, /* time for one repetition by the kernel; a new dial asks sooner than it would again */
    SILENCE_MS = 1500,
    REDIAL_MS = 500,
    HELLO_TIMEOUT_MS = 5000,
    READ_BYTES = 16 << 10,
    HEAD_BYTES = 4,
    CONNECTIONS_MAX = 4 * VIV_MEMBERS_MAX,
};

/* One socket. Accepted ones have no peer until the initial message has come. */
struct viv_election_connection {
    uv_tcp_t handle;
    struct viv_election_port *port;
    struct viv_election_connection *next; /* of all that are not freed yet */
    struct viv_election_peer *peer;
    struct viv_dial dial;
    bool is_dialling, is_closing;
    bool is_hello_only; /* we are the smaller sid: introduce ourselves, the peer dials back */
    bool is_accepted;
    uint64_t since_ms;
    struct viv_outbox outbox;
    struct viv_peer_channel channel;
    struct viv_address address; /* of who connected, when accepted */
    struct viv_buffer input;
};

struct viv_election_port {
    struct viv_server *server;
    uv_tcp_t listener;
    bool is_listening, is_stopping;
    bool is_moving;
    struct viv_election_peers peers;
    struct viv_election_connection *connections;
    size_t connection_count;
    struct viv_address_counts counts; /* of accepted connections */
    struct viv_log_gate malformed, refusals, failures;
    uint8_t *shared;
    struct viv_buffer plain; /* what one read of a TLS connection said */
    struct viv_buffer hello;
};

static viv_sid own_sid(const struct viv_election_port *port)
{
    return port->server->config->sid;
}

/* ---- connections ---- */

static struct viv_election_connection *new_connection(struct viv_election_port *port)
{
    struct viv_election_connection *connection = viv_alloc_zeroed(1, sizeof *connection);
    connection->port = port;
    connection->next = port->connections;
    connection->since_ms = viv_server_now_ms(port->server);
    port->connections = connection;
    port->connection_count++;
    return connection;
}

static void free_connection(struct viv_election_connection *connection)
{
    struct viv_election_port *port = connection->port;
    struct viv_election_connection **at = &port->connections;
    while (*at != connection) {
        at = &(*at)->next;
    }
    *at = connection->next;
    port->connection_count--;
    if (connection->is_accepted) {
        viv_address_counts_remove(&port->counts, connection->address.bytes);
    }
    viv_outbox_fini(&connection->outbox);
    viv_peer_channel_fini(&connection->channel);
    viv_buffer_fini(&connection->input);
    free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    free_connection(handle->data);
}

static void close_connection(struct viv_election_connection *connection)
{
    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    if (connection->peer != NULL && connection->peer->connection == connection) {
        connection->peer->connection = NULL;
    }
    if (connection->peer != NULL && connection->peer->dialling == connection && !connection->is_dialling) {
        connection->peer->dialling = NULL;
    }
    if (connection->is_dialling) {
        viv_dial_cancel(&connection->dial); /* its end frees the connection */
    } else {
        uv_close((uv_handle_t *)&connection->handle, on_closed);
    }
}

static void on_written(void *ctx, int status)
{
    struct viv_election_connection *connection = ctx;
    if (connection->is_closing) {
        return;
    }
    if (status != 0 || (connection->is_hello_only && viv_outbox_unsent_bytes(&connection->outbox) == 0)) {
        close_connection(connection);
    }
}

static void flush(struct viv_election_connection *connection)
{
    if (viv_outbox_flush(&connection->outbox) != 0) {
        close_connection(connection);
    } else if (connection->is_hello_only && viv_outbox_unsent_bytes(&connection->outbox) == 0) {
        close_connection(connection);
    }
}

/* Only the newest message matters: while an older one is on its way nothing queues behind it. */
static void send_last(struct viv_election_peer *peer)
{
    struct viv_election_connection *connection = peer->connection;
    if (connection == NULL || peer->last.size == 0 || viv_outbox_unsent_bytes(&connection->outbox) > 0) {
        return;
    }
    peer->is_unsent = false;
    viv_outbox_add(&connection->outbox, viv_buffer_bytes(&peer->last));
    flush(connection);
}

static void on_message_written(void *ctx, int status)
{
    struct viv_election_connection *connection = ctx;
    on_written(ctx, status);
    if (!connection->is_closing && connection->peer != NULL && connection->peer->connection == connection &&
        connection->peer->is_unsent) {
        send_last(connection->peer);
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct viv_election_connection *connection = handle->data;
    *buf = uv_buf_init((char *)connection->port->shared, READ_BYTES);
}

static void dial(struct viv_election_port *port, struct viv_election_peer *peer);

/* From now on messages of this peer travel here. The last one is sent again: the peer may never have seen it. */
static void adopt(struct viv_election_connection *connection, struct viv_election_peer *peer)
{
    if (peer->connection != NULL && peer->connection != connection) {
        close_connection(peer->connection);
    }
    connection->peer = peer;
    peer->connection = connection;
    send_last(peer);
}

/* Anybody can provoke these lines. */
static void tell_malformed(struct viv_election_connection *connection, const char *text, int64_t number)
{
    struct viv_election_port *port = connection->port;
    uint64_t swallowed;
    if (viv_log_gate_open(&port->malformed, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "election", text, "address=%s number=%lld swallowed=%" PRIu64, connection->address.text,
                (long long)number, swallowed);
    }
}

/* What a certificate does not allow is refused, whoever says so. */
static bool may_be(const struct viv_election_connection *connection, const struct viv_election_peer *peer)
{
    const struct viv_server *server = connection->port->server;
    struct viv_sid_set barred = viv_peer_channel_barred(&connection->channel, server);
    return !viv_sid_set_has(&barred, peer->sid);
}

/* False: the connection was closed. */
static bool take_hello(struct viv_election_connection *connection)
{
    struct viv_election_port *port = connection->port;
    viv_sid sid;
    struct viv_bytes address;
    size_t used;
    if (viv_election_hello_decode(viv_buffer_bytes(&connection->input), &sid, &address, &used) != VIV_OK) {
        tell_malformed(connection, "closed: an initial message that no server sends (number: its bytes)",
                       (int64_t)connection->input.size);
        close_connection(connection);
        return false;
    }
    if (used == 0) {
        return true;
    }
    struct viv_election_peer *peer = viv_election_peers_find(&port->peers, sid);
    if (peer == NULL && port->server->config->reconfig_enabled && viv_sid_is_valid(sid) && sid != own_sid(port)) {
        peer = viv_election_peers_admit(&port->peers, sid, address); /* it may want to join */
    }
    if (peer == NULL || !may_be(connection, peer)) {
        tell_malformed(connection,
                       peer == NULL ? "closed: a server that has no server line here, or our own id (number)"
                                    : "closed: its certificate is not made for the server that it says it is (number)",
                       sid);
        close_connection(connection);
        return false;
    }
    viv_buffer_consume(&connection->input, used);
    if (sid < own_sid(port)) {
        close_connection(connection);
        if (peer->connection != NULL) {
            close_connection(peer->connection);
        }
        dial(port, peer);
        return false;
    }
    adopt(connection, peer);
    return !connection->is_closing;
}

/* One that does not carry its peer's messages says nothing: it is being closed, or has introduced itself and no more.
 * Its peer may be another server by then. */
static void take_messages(struct viv_election_connection *connection)
{
    size_t used = 0;
    struct viv_bytes in = viv_buffer_bytes(&connection->input);
    while (connection->peer->connection == connection && in.size - used >= HEAD_BYTES) {
        uint32_t size = viv_load_be32(in.data + used);
        if (size == 0 || size > VIV_ELECTION_FRAME_BYTES_MAX) {
            tell_malformed(connection, "closed: a message of impossible length (number)", (int)size);
            close_connection(connection);
            return;
        }
        if (in.size - used - HEAD_BYTES < size) {
            break;
        }
        viv_server_step(connection->port->server,
                        &(struct viv_event){.kind = VIV_EVENT_VOTE,
                                            .sid = connection->peer->sid,
                                            .bytes = viv_bytes_of(in.data + used + HEAD_BYTES, size)});
        used += HEAD_BYTES + size;
    }
    viv_buffer_consume(&connection->input, used);
}

static void opened(struct viv_election_connection *connection);

static void tell_failure(struct viv_election_connection *connection)
{
    struct viv_election_port *port = connection->port;
    uint64_t swallowed;
    if (connection->channel.why != NULL &&
        viv_log_gate_open(&port->failures, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "election", "closed: no TLS connection came about with a server",
                "dialled_sid=%lld address=%s why=\"%s\" swallowed=%" PRIu64,
                (long long)(connection->peer != NULL ? connection->peer->sid : 0), connection->address.text,
                connection->channel.why, swallowed);
    }
}

static void take_said(struct viv_election_connection *connection, struct viv_bytes said)
{
    viv_buffer_append_bytes(&connection->input, said);
    if (connection->peer == NULL && !take_hello(connection)) {
        return;
    }
    if (connection->peer != NULL) {
        take_messages(connection);
    }
}

/* Bytes of the network; none, to begin. */
static void take_network(struct viv_election_connection *connection, struct viv_bytes bytes)
{
    struct viv_election_port *port = connection->port;
    bool was_open = connection->channel.is_open;
    struct viv_bytes said;
    viv_status status =
        viv_peer_channel_take(&connection->channel, port->server, bytes, &connection->outbox, &port->plain, &said);
    if (connection->outbox.queued.size > 0) {
        flush(connection);
    }
    if (connection->channel.is_open && !was_open && !connection->is_closing) {
        opened(connection);
    }
    if (said.size > 0 && connection->channel.is_open && !connection->is_closing) {
        take_said(connection, said);
    }
    if (status != VIV_OK && !connection->is_closing) {
        tell_failure(connection);
        close_connection(connection);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct viv_election_connection *connection = stream->data;
    if (got == 0 || connection->is_closing) {
        return;
    }
    if (got < 0) {
        close_connection(connection);
        return;
    }
    take_network(connection, viv_bytes_of(buf->base, (size_t)got));
}

static void start_reading(struct viv_election_connection *connection)
{
    if (uv_read_start((uv_stream_t *)&connection->handle, on_alloc, on_read) != 0) {
        close_connection(connection);
    }
}

/* ---- dialling ---- */

/* Who dialled speaks first. */
static void opened(struct viv_election_connection *connection)
{
    struct viv_election_port *port = connection->port;
    struct viv_election_peer *peer = connection->peer;
    if (connection->is_accepted) {
        return;
    }
    peer->dialling = NULL;
    viv_outbox_add(&connection->outbox, viv_buffer_bytes(&port->hello));
    connection->is_hello_only = peer->sid > own_sid(port);
    flush(connection);
    if (!connection->is_closing && !connection->is_hello_only) {
        adopt(connection, peer);
    }
}

static void on_dialled(void *ctx, int status)
{
    struct viv_election_connection *connection = ctx;
    struct viv_election_port *port = connection->port;
    struct viv_election_peer *peer = connection->peer;
    connection->is_dialling = false;
    if (status != 0) {
        peer->dialling = NULL;
        free_connection(connection);
        return;
    }
    connection->handle.data = connection;
    if (connection->is_closing) { /* cancelled when it was done already */
        peer->dialling = NULL;
        uv_close((uv_handle_t *)&connection->handle, on_closed);
        return;
    }
    viv_address_limit_silence(&connection->handle, SILENCE_MS);
    viv_outbox_init(&connection->outbox, (uv_stream_t *)&connection->handle, on_message_written, connection);
    viv_peer_channel_dial(&connection->channel, port->server, peer->host);
    start_reading(connection);
    if (connection->is_closing) {
        return;
    }
    if (connection->channel.is_open) {
        opened(connection);
    } else {
        take_network(connection, (struct viv_bytes){0});
    }
}

static void dial(struct viv_election_port *port, struct viv_election_peer *peer)
{
    if (peer->dialling != NULL || port->is_stopping) {
        return;
    }
    viv_election_peers_next_address(peer, &port->server->ensemble.members);
    struct viv_election_connection *connection = new_connection(port);
    connection->peer = peer;
    connection->is_dialling = true;
    peer->dialling = connection;
    peer->dialled_ms = viv_server_now_ms(port->server);
    viv_dial_start(&connection->dial, &port->server->loop, &connection->handle, peer->host, peer->port, DIAL_TIMEOUT_MS,
                   on_dialled, connection);
}

void viv_election_port_send(struct viv_election_port *port, viv_sid sid, struct viv_bytes body)
{
    struct viv_election_peer *peer = viv_election_peers_find(&port->peers, sid);
    if (peer == NULL) {
        return;
    }
    /* The texts of an active and a proposed configuration are the only part without a fixed size. */
    _Static_assert(3 * VIV_MEMBERS_TEXT_BYTES_MAX < VIV_ELECTION_FRAME_BYTES_MAX, "every vote fits");
    VIV_ASSERT(body.size <= VIV_ELECTION_FRAME_BYTES_MAX);
    viv_buffer_clear(&peer->last);
    viv_store_be32(viv_buffer_extend(&peer->last, HEAD_BYTES), (uint32_t)body.size);
    viv_buffer_append_bytes(&peer->last, body);
    peer->is_unsent = true;
    if (peer->connection != NULL) {
        send_last(peer);
    } else if (viv_server_now_ms(port->server) - peer->dialled_ms >= REDIAL_MS || peer->dialled_ms == 0) {
        dial(port, peer);
    }
}

void viv_election_port_tick(struct viv_election_port *port)
{
    uint64_t now_ms = viv_server_now_ms(port->server);
    for (size_t i = 0; i < VIV_ELECTION_PEERS_MAX; i++) {
        struct viv_election_peer *peer = &port->peers.items[i];
        if (peer->sid != 0 && peer->is_unsent && peer->connection == NULL && now_ms - peer->dialled_ms >= REDIAL_MS) {
            dial(port, peer);
        }
    }
    for (struct viv_election_connection *connection = port->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        bool is_handshake_late = !connection->is_dialling && !connection->is_closing &&
                                 viv_peer_channel_is_overdue(&connection->channel, port->server);
        if (is_handshake_late) {
            connection->channel.why = "the handshake takes too long";
            tell_failure(connection);
        }
        if (is_handshake_late || (connection->peer == NULL && now_ms - connection->since_ms > HELLO_TIMEOUT_MS)) {
            close_connection(connection);
        }
    }
}

/* ---- the port ---- */

/* Every member may have an old and a new connection, and one address may be that of all; the rest is for others. */
static uint64_t most_from_one_address(const struct viv_election_port *port)
{
    return 2 * port->server->ensemble.members.count + 2 +
           VIV_ELECTION_GUESTS_MAX * port->server->config->reconfig_enabled;
}

static bool has_room(struct viv_election_port *port, const struct viv_address *address)
{
    uint64_t swallowed;
    if (port->connection_count < CONNECTIONS_MAX &&
        viv_address_counts_add(&port->counts, address->bytes, most_from_one_address(port))) {
        return true;
    }
    if (viv_log_gate_open(&port->refusals, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "election", "refused: too many connections",
                "address=%s connections_max=%d connections_per_address_max=%" PRIu64 " swallowed=%" PRIu64,
                address->text, CONNECTIONS_MAX, most_from_one_address(port), swallowed);
    }
    return false;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_election_port *port = listener->data;
    if (status != 0) {
        viv_log(VIV_LOG_WARN, "election", "a connection could not be accepted", "error=\"%s\"", uv_strerror(status));
        return;
    }
    struct viv_election_connection *connection = new_connection(port);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &connection->handle) == 0);
    connection->handle.data = connection;
    viv_outbox_init(&connection->outbox, (uv_stream_t *)&connection->handle, on_message_written, connection);
    if (uv_accept(listener, (uv_stream_t *)&connection->handle) != 0 ||
        viv_address_peer(&connection->handle, &connection->address) != 0 || !has_room(port, &connection->address)) {
        close_connection(connection);
        return;
    }
    connection->is_accepted = true;
    (void)uv_tcp_nodelay(&connection->handle, 1);
    viv_address_limit_silence(&connection->handle, SILENCE_MS);
    viv_peer_channel_accept(&connection->channel, port->server);
    start_reading(connection);
}

struct viv_election_port *viv_election_port_new(struct viv_server *server)
{
    struct viv_election_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    port->shared = viv_alloc(READ_BYTES);
    viv_election_port_heed_members(port);
    return port;
}

void viv_election_port_free(struct viv_election_port *port)
{
    VIV_ASSERT(port->connections == NULL);
    viv_election_peers_fini(&port->peers);
    viv_buffer_fini(&port->hello);
    viv_buffer_fini(&port->plain);
    viv_address_counts_fini(&port->counts);
    free(port->shared);
    free(port);
}

viv_status viv_election_port_listen(struct viv_election_port *port)
{
    const struct viv_member *self = &port->server->ensemble.self;
    int status =
        viv_address_bind(&port->server->loop, &port->listener, viv_ensemble_own_host(self), self->election_port);
    port->is_listening = true;
    port->listener.data = port;
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&port->listener, VIV_MEMBERS_MAX, on_connection);
    }
    if (status != 0) {
        viv_log(VIV_LOG_ERROR, "election",
                "the election port cannot be opened; stop what uses it, or change this server's server line",
                "address=%s port=%d error=\"%s\"", self->host, self->election_port, uv_strerror(status));
        return VIV_ERR_BUSY;
    }
    const struct viv_config *config = port->server->config;
    bool is_safe = config->ssl_quorum && !config->peer_port_unification;
    if (!is_safe && !viv_address_is_loopback(&port->listener)) {
        viv_log(VIV_LOG_WARN, "election",
                "servers talk without TLS or authentication: let only the servers reach the peer and election ports",
                "port=%d", self->election_port);
    }
    return VIV_OK;
}

void viv_election_port_stop(struct viv_election_port *port)
{
    port->is_stopping = true;
    if (port->is_listening) {
        port->is_listening = false;
        uv_close((uv_handle_t *)&port->listener, NULL);
    }
    for (struct viv_election_connection *connection = port->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        close_connection(connection);
    }
}

bool viv_election_port_reaches(const struct viv_election_port *port, viv_sid sid)
{
    const struct viv_election_peer *peer = viv_election_peers_find((struct viv_election_peers *)&port->peers, sid);
    return peer != NULL && peer->connection != NULL;
}

void viv_election_port_heed_members(struct viv_election_port *port)
{
    const struct viv_member *self = &port->server->ensemble.self;
    struct viv_buffer address = {0};
    viv_election_peers_set(&port->peers, &port->server->ensemble.members, own_sid(port));
    viv_election_peers_own_address(self, &address);
    viv_buffer_clear(&port->hello);
    viv_election_hello_encode(&port->hello, own_sid(port), viv_buffer_bytes(&address));
    viv_buffer_fini(&address);
}

static void on_moved(uv_handle_t *handle)
{
    struct viv_election_port *port = handle->data;
    port->is_moving = false;
    if (!port->is_stopping && viv_election_port_listen(port) != VIV_OK) {
        return; /* it was logged; those we dial still hear of us */
    }
}

void viv_election_port_move(struct viv_election_port *port)
{
    if (port->is_listening && !port->is_moving) {
        port->is_listening = false;
        port->is_moving = true;
        uv_close((uv_handle_t *)&port->listener, on_moved);
    }
}
