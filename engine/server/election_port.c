#include "server/election_port.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "server/address.h"
#include "server/outbox.h"
#include "server/server_internal.h"
#include "wire/peer.h"

enum {
    DIAL_TIMEOUT_MS = 5000,
    REDIAL_MS = 500,
    HELLO_TIMEOUT_MS = 5000,
    READ_BYTES = 16 << 10,
    HEAD_BYTES = 4,
    CONNECTIONS_MAX = 4 * VIV_MEMBERS_MAX,
};

struct peer;

/* One socket. Accepted ones have no peer until the initial message has come. */
struct connection {
    uv_tcp_t handle;
    struct viv_election_port *port;
    struct connection *next; /* of all that are not freed yet */
    struct peer *peer;
    struct viv_dial dial;
    bool is_dialling, is_closing;
    bool is_hello_only; /* we are the smaller sid: introduce ourselves, the peer dials back */
    uint64_t since_ms;
    struct viv_outbox outbox;
    struct viv_buffer input;
};

struct peer {
    const struct viv_config_member *member;
    struct connection *connection; /* the one that carries messages; NULL while there is none */
    struct connection *dialling;   /* at most one dial at a time */
    struct viv_buffer last;        /* the last message given to us, with its length in front */
    bool is_unsent;                /* `last` was not handed to a connection yet */
    uint64_t dialled_ms;
};

struct viv_election_port {
    struct viv_server *server;
    uv_tcp_t listener;
    bool is_listening, is_stopping;
    struct peer peers[VIV_MEMBERS_MAX];
    size_t peer_count;
    struct connection *connections;
    size_t connection_count;
    struct viv_buffer hello;
};

static viv_sid own_sid(const struct viv_election_port *port)
{
    return port->server->config->sid;
}

static struct peer *find_peer(struct viv_election_port *port, viv_sid sid)
{
    for (size_t i = 0; i < port->peer_count; i++) {
        if (port->peers[i].member->sid == sid) {
            return &port->peers[i];
        }
    }
    return NULL;
}

/* ---- connections ---- */

static struct connection *new_connection(struct viv_election_port *port)
{
    struct connection *connection = viv_alloc_zeroed(1, sizeof *connection);
    connection->port = port;
    connection->next = port->connections;
    connection->since_ms = viv_server_now_ms(port->server);
    port->connections = connection;
    port->connection_count++;
    return connection;
}

static void free_connection(struct connection *connection)
{
    struct viv_election_port *port = connection->port;
    struct connection **at = &port->connections;
    while (*at != connection) {
        at = &(*at)->next;
    }
    *at = connection->next;
    port->connection_count--;
    viv_outbox_fini(&connection->outbox);
    viv_buffer_fini(&connection->input);
    free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    free_connection(handle->data);
}

static void close_connection(struct connection *connection)
{
    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    if (connection->peer != NULL && connection->peer->connection == connection) {
        connection->peer->connection = NULL;
    }
    if (connection->is_dialling) {
        viv_dial_cancel(&connection->dial); /* its end frees the connection */
    } else {
        uv_close((uv_handle_t *)&connection->handle, on_closed);
    }
}

static void on_written(void *ctx, int status)
{
    struct connection *connection = ctx;
    if (connection->is_closing) {
        return;
    }
    if (status != 0 || (connection->is_hello_only && viv_outbox_unsent_bytes(&connection->outbox) == 0)) {
        close_connection(connection);
    }
}

static void flush(struct connection *connection)
{
    if (viv_outbox_flush(&connection->outbox) != 0) {
        close_connection(connection);
    } else if (connection->is_hello_only && viv_outbox_unsent_bytes(&connection->outbox) == 0) {
        close_connection(connection);
    }
}

/* Only the newest message matters: while an older one is on its way nothing queues behind it. */
static void send_last(struct peer *peer)
{
    struct connection *connection = peer->connection;
    if (connection == NULL || peer->last.size == 0 || viv_outbox_unsent_bytes(&connection->outbox) > 0) {
        return;
    }
    peer->is_unsent = false;
    viv_outbox_add(&connection->outbox, viv_buffer_bytes(&peer->last));
    flush(connection);
}

static void on_message_written(void *ctx, int status)
{
    struct connection *connection = ctx;
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
    struct connection *connection = handle->data;
    *buf = uv_buf_init((char *)viv_buffer_reserve(&connection->input, READ_BYTES), READ_BYTES);
}

static void dial(struct viv_election_port *port, struct peer *peer);

/* From now on messages of this peer travel here. The last one is sent again: the peer may never have seen it. */
static void adopt(struct connection *connection, struct peer *peer)
{
    if (peer->connection != NULL && peer->connection != connection) {
        close_connection(peer->connection);
    }
    connection->peer = peer;
    peer->connection = connection;
    send_last(peer);
}

/* False: the connection was closed. */
static bool take_hello(struct connection *connection)
{
    struct viv_election_port *port = connection->port;
    viv_sid sid;
    struct viv_bytes address;
    size_t used;
    if (viv_election_hello_decode(viv_buffer_bytes(&connection->input), &sid, &address, &used) != VIV_OK) {
        viv_log(VIV_LOG_WARN, "election", "closed: an initial message that no server sends", "bytes=%zu",
                connection->input.size);
        close_connection(connection);
        return false;
    }
    if (used == 0) {
        return true;
    }
    struct peer *peer = find_peer(port, sid);
    if (peer == NULL) {
        viv_log(VIV_LOG_WARN, "election", "closed: a server that has no server line here, or our own id", "sid=%lld",
                (long long)sid);
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

static void take_messages(struct connection *connection)
{
    size_t used = 0;
    struct viv_bytes in = viv_buffer_bytes(&connection->input);
    while (in.size - used >= HEAD_BYTES) {
        uint32_t size = viv_load_be32(in.data + used);
        if (size == 0 || size > VIV_ELECTION_FRAME_BYTES_MAX) {
            viv_log(VIV_LOG_WARN, "election", "closed: a message of impossible length", "sid=%lld length=%d",
                    (long long)connection->peer->member->sid, (int)size);
            close_connection(connection);
            return;
        }
        if (in.size - used - HEAD_BYTES < size) {
            break;
        }
        viv_server_step(connection->port->server,
                        &(struct viv_event){.kind = VIV_EVENT_VOTE,
                                            .sid = connection->peer->member->sid,
                                            .bytes = viv_bytes_of(in.data + used + HEAD_BYTES, size)});
        used += HEAD_BYTES + size;
    }
    viv_buffer_consume(&connection->input, used);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *connection = stream->data;
    if (got == 0 || connection->is_closing) {
        return;
    }
    if (got < 0) {
        close_connection(connection);
        return;
    }
    connection->input.size += (size_t)got;
    if (connection->peer == NULL && !take_hello(connection)) {
        return;
    }
    if (connection->peer != NULL) {
        take_messages(connection);
    }
}

static void start_reading(struct connection *connection)
{
    if (uv_read_start((uv_stream_t *)&connection->handle, on_alloc, on_read) != 0) {
        close_connection(connection);
    }
}

/* ---- dialling ---- */

static void on_dialled(void *ctx, int status)
{
    struct connection *connection = ctx;
    struct viv_election_port *port = connection->port;
    struct peer *peer = connection->peer;
    connection->is_dialling = false;
    peer->dialling = NULL;
    if (status != 0) {
        free_connection(connection);
        return;
    }
    connection->handle.data = connection;
    if (connection->is_closing) { /* cancelled when it was done already */
        uv_close((uv_handle_t *)&connection->handle, on_closed);
        return;
    }
    viv_outbox_init(&connection->outbox, (uv_stream_t *)&connection->handle, on_message_written, connection);
    viv_outbox_add(&connection->outbox, viv_buffer_bytes(&port->hello));
    connection->is_hello_only = peer->member->sid > own_sid(port);
    flush(connection);
    if (connection->is_closing) {
        return;
    }
    start_reading(connection);
    if (!connection->is_closing && !connection->is_hello_only) {
        adopt(connection, peer);
    }
}

static void dial(struct viv_election_port *port, struct peer *peer)
{
    if (peer->dialling != NULL || port->is_stopping) {
        return;
    }
    struct connection *connection = new_connection(port);
    connection->peer = peer;
    connection->is_dialling = true;
    peer->dialling = connection;
    peer->dialled_ms = viv_server_now_ms(port->server);
    viv_dial_start(&connection->dial, &port->server->loop, &connection->handle, peer->member->host,
                   peer->member->election_port, DIAL_TIMEOUT_MS, on_dialled, connection);
}

void viv_election_port_send(struct viv_election_port *port, viv_sid sid, struct viv_bytes body)
{
    struct peer *peer = find_peer(port, sid);
    if (peer == NULL) {
        return;
    }
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
    for (size_t i = 0; i < port->peer_count; i++) {
        struct peer *peer = &port->peers[i];
        if (peer->is_unsent && peer->connection == NULL && now_ms - peer->dialled_ms >= REDIAL_MS) {
            dial(port, peer);
        }
    }
    for (struct connection *connection = port->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->peer == NULL && now_ms - connection->since_ms > HELLO_TIMEOUT_MS) {
            close_connection(connection);
        }
    }
}

/* ---- the port ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_election_port *port = listener->data;
    if (status != 0) {
        viv_log(VIV_LOG_WARN, "election", "a connection could not be accepted", "error=\"%s\"", uv_strerror(status));
        return;
    }
    bool is_full = port->connection_count >= CONNECTIONS_MAX;
    struct connection *connection = new_connection(port);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &connection->handle) == 0);
    connection->handle.data = connection;
    viv_outbox_init(&connection->outbox, (uv_stream_t *)&connection->handle, on_message_written, connection);
    if (uv_accept(listener, (uv_stream_t *)&connection->handle) != 0 || is_full) {
        close_connection(connection);
        return;
    }
    (void)uv_tcp_nodelay(&connection->handle, 1);
    start_reading(connection);
}

struct viv_election_port *viv_election_port_new(struct viv_server *server)
{
    struct viv_election_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    const struct viv_config *config = server->config;
    for (size_t i = 0; i < config->member_count; i++) {
        if (config->members[i].sid != config->sid) {
            port->peers[port->peer_count++].member = &config->members[i];
        }
    }
    const struct viv_config_member *self = viv_config_self(config);
    VIV_ASSERT(self != NULL);
    struct viv_buffer address = {0};
    viv_buffer_printf(&address, "%s:%d", self->host, self->election_port);
    viv_election_hello_encode(&port->hello, config->sid, viv_buffer_bytes(&address));
    viv_buffer_fini(&address);
    return port;
}

void viv_election_port_free(struct viv_election_port *port)
{
    VIV_ASSERT(port->connections == NULL);
    for (size_t i = 0; i < port->peer_count; i++) {
        viv_buffer_fini(&port->peers[i].last);
    }
    viv_buffer_fini(&port->hello);
    free(port);
}

viv_status viv_election_port_listen(struct viv_election_port *port)
{
    const struct viv_config_member *self = viv_config_self(port->server->config);
    int status = viv_address_bind(&port->server->loop, &port->listener, self->host, self->election_port);
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
    if (!viv_address_is_loopback(&port->listener)) {
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
    for (struct connection *connection = port->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        close_connection(connection);
    }
}

bool viv_election_port_reaches(const struct viv_election_port *port, viv_sid sid)
{
    for (size_t i = 0; i < port->peer_count; i++) {
        if (port->peers[i].member->sid == sid) {
            return port->peers[i].connection != NULL;
        }
    }
    return false;
}
