#include "server/quorum_port.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/rate.h"
#include "server/address.h"
#include "server/address_counts.h"
#include "server/outbox.h"
#include "server/peer_channel.h"
#include "server/server_internal.h"

enum {
    DIAL_TIMEOUT_MS =
        2000, /* as for elections: a leader that fell silent is not waited for longer than a new one takes */
    RELISTEN_MS = 500,
    READ_BYTES = 256 << 10,
    SLOT_BITS = 8,
    SLOT_COUNT = 1 << SLOT_BITS,
    ACCEPTED_MAX = SLOT_COUNT / 2, /* whoever connects cannot take the room for our own dials */
};

struct link {
    uv_tcp_t handle;
    struct viv_quorum_port *port;
    uint32_t id;
    viv_sid sid;                      /* as dialled; 0 when accepted */
    char host[VIV_MEMBER_HOST_BYTES]; /* likewise */
    struct viv_dial dial;
    bool is_dialling, is_closing, is_accepted;
    bool is_up; /* the node knows it */
    bool is_to_flush;
    bool tell_drained;
    uint64_t read_turn;
    struct viv_outbox outbox;
    struct viv_peer_channel channel;
    struct viv_address address; /* of who connected, when accepted */
};

struct viv_quorum_port {
    struct viv_server *server;
    uv_tcp_t *listener; /* NULL while this server does not lead */
    bool wants_listener, is_stopping;
    uint64_t tried_ms;
    struct link *links[SLOT_COUNT];
    size_t accepted_count;
    size_t dials; /* ever; each takes the next of a member's addresses */
    uint32_t serial;
    size_t next_slot;
    bool has_drained;
    uint8_t *shared;
    struct viv_buffer plain; /* what one read of a TLS link said */
    struct viv_address_counts counts;
    struct viv_log_gate refusals, failures;
};

static struct link *find_link(const struct viv_quorum_port *port, uint32_t id)
{
    struct link *link = port->links[id & (SLOT_COUNT - 1)];
    return link != NULL && link->id == id && !link->is_closing ? link : NULL;
}

/* ---- ends ---- */

static void free_link(struct link *link)
{
    link->port->links[link->id & (SLOT_COUNT - 1)] = NULL;
    if (link->is_accepted) {
        link->port->accepted_count--;
        viv_address_counts_remove(&link->port->counts, link->address.bytes);
    }
    viv_outbox_fini(&link->outbox);
    viv_peer_channel_fini(&link->channel);
    free(link);
}

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;
    struct viv_server *server = link->port->server;
    uint32_t id = link->id;
    viv_sid sid = link->sid;
    bool was_up = link->is_up;
    free_link(link);
    if (was_up || sid != 0) { /* a dial that came to nothing has no link */
        viv_server_step(
            server, &(struct viv_event){.kind = VIV_EVENT_LINK_DOWN, .link = was_up ? id : 0, .sid = was_up ? 0 : sid});
    }
}

static void close_link(struct link *link)
{
    if (link->is_closing) {
        return;
    }
    link->is_closing = true;
    if (link->is_dialling) {
        viv_dial_cancel(&link->dial);
    } else {
        uv_close((uv_handle_t *)&link->handle, on_closed);
    }
}

/* ---- bytes ---- */

/* True when the sender waits to hear that there is room, and there is. */
static bool is_drained(const struct link *link)
{
    return link->tell_drained && !link->is_closing && viv_outbox_unsent_bytes(&link->outbox) < VIV_LINK_DRAINED_BYTES;
}

static void report_drained(struct link *link)
{
    link->tell_drained = false;
    viv_server_step(link->port->server, &(struct viv_event){.kind = VIV_EVENT_LINK_DRAINED, .link = link->id});
}

static void on_written(void *ctx, int status)
{
    struct link *link = ctx;
    if (link->is_closing) {
        return;
    }
    if (status != 0) {
        close_link(link);
    } else if (is_drained(link)) {
        report_drained(link);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct link *link = handle->data;
    bool was_read = link->read_turn == link->port->server->turn;
    *buf = was_read ? uv_buf_init(NULL, 0) : uv_buf_init((char *)link->port->shared, READ_BYTES);
}

static void tell_failure(struct link *link)
{
    uint64_t swallowed;
    if (link->channel.why != NULL &&
        viv_log_gate_open(&link->port->failures, viv_server_now_ms(link->port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "quorum", "closed: no TLS connection came about with a server",
                "dialled_sid=%lld address=%s why=\"%s\" swallowed=%" PRIu64, (long long)link->sid, link->address.text,
                link->channel.why, swallowed);
    }
}

/* The node hears of a link when it is known to carry what servers say. */
static void tell_up(struct link *link)
{
    struct viv_server *server = link->port->server;
    struct viv_event event = {.kind = VIV_EVENT_LINK_UP, .link = link->id, .sid = link->sid};
    if (link->is_accepted) {
        event.barred = viv_peer_channel_barred(&link->channel, server);
        event.proved = viv_peer_channel_proved(&link->channel, server, &link->handle);
    }
    link->is_up = true;
    viv_server_step(server, &event);
}

/* Bytes of the network; none, to begin. */
static void take_network(struct link *link, struct viv_bytes bytes)
{
    struct viv_quorum_port *port = link->port;
    struct viv_bytes said;
    viv_status status = viv_peer_channel_take(&link->channel, port->server, bytes, &link->outbox, &port->plain, &said);
    if (link->outbox.queued.size > 0 && viv_outbox_flush(&link->outbox) != 0) {
        close_link(link);
        return;
    }
    if (link->channel.is_open && !link->is_up && !link->is_closing) {
        tell_up(link);
    }
    if (said.size > 0 && link->is_up && !link->is_closing) {
        viv_server_step(port->server,
                        &(struct viv_event){.kind = VIV_EVENT_LINK_BYTES, .link = link->id, .bytes = said});
    }
    if (status != VIV_OK) {
        tell_failure(link);
        close_link(link);
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct link *link = stream->data;
    if (got == 0 || got == UV_ENOBUFS || link->is_closing) {
        return;
    }
    if (got < 0) {
        close_link(link);
        return;
    }
    link->read_turn = link->port->server->turn;
    take_network(link, viv_bytes_of(buf->base, (size_t)got));
}

/* ---- beginnings ---- */

/* False: there is no free slot. */
static bool give_slot(struct viv_quorum_port *port, struct link *link)
{
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        size_t slot = (port->next_slot + i) % SLOT_COUNT;
        if (port->links[slot] == NULL) {
            port->serial = (port->serial + 1) & (UINT32_MAX >> SLOT_BITS);
            port->serial += port->serial == 0;
            link->port = port;
            link->id = port->serial << SLOT_BITS | (uint32_t)slot;
            link->read_turn = UINT64_MAX;
            port->links[slot] = link;
            port->next_slot = slot + 1;
            return true;
        }
    }
    return false;
}

static void open_link(struct link *link)
{
    link->handle.data = link;
    viv_outbox_init(&link->outbox, (uv_stream_t *)&link->handle, on_written, link);
    take_network(link, (struct viv_bytes){0});
    if (!link->is_closing && uv_read_start((uv_stream_t *)&link->handle, on_alloc, on_read) != 0) {
        close_link(link);
    }
}

static void dial_failed(struct viv_quorum_port *port, viv_sid sid)
{
    viv_server_step(port->server, &(struct viv_event){.kind = VIV_EVENT_LINK_DOWN, .sid = sid});
}

static void on_dialled(void *ctx, int status)
{
    struct link *link = ctx;
    link->is_dialling = false;
    if (status != 0) {
        struct viv_quorum_port *port = link->port;
        viv_sid sid = link->sid;
        free_link(link);
        dial_failed(port, sid);
        return;
    }
    if (link->is_closing) { /* cancelled when it was done already */
        link->handle.data = link;
        uv_close((uv_handle_t *)&link->handle, on_closed);
        return;
    }
    viv_peer_channel_dial(&link->channel, link->port->server, link->host);
    open_link(link);
}

void viv_quorum_port_dial(struct viv_quorum_port *port, viv_sid sid)
{
    const struct viv_member *member = viv_members_find(&port->server->ensemble.members, sid);
    VIV_ASSERT(member != NULL);
    struct viv_member_address address;
    viv_member_address(member, port->dials++, &address);
    struct link *link = viv_alloc_zeroed(1, sizeof *link);
    VIV_ASSERT(give_slot(port, link)); /* strangers have half of them at most */
    link->sid = sid;
    memcpy(link->host, address.host, sizeof link->host);
    link->is_dialling = true;
    viv_dial_start(&link->dial, &port->server->loop, &link->handle, address.host, address.peer_port, DIAL_TIMEOUT_MS,
                   on_dialled, link);
}

/* ---- listening ---- */

/* Old and new connections of every member may come from one address; the rest of the room is for others. */
static uint64_t most_from_one_address(const struct viv_quorum_port *port)
{
    uint64_t most = 2 * port->server->ensemble.members.count + 2;
    return most < ACCEPTED_MAX / 2 ? most : ACCEPTED_MAX / 2;
}

static void tell_refusal(struct viv_quorum_port *port, const struct viv_address *address)
{
    uint64_t swallowed;
    if (viv_log_gate_open(&port->refusals, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "quorum", "refused: too many links",
                "address=%s links_max=%d links_per_address_max=%" PRIu64 " swallowed=%" PRIu64, address->text,
                ACCEPTED_MAX, most_from_one_address(port), swallowed);
    }
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* A connection must be accepted to be refused; left waiting it would stop the listener. */
static void accept_link(struct viv_quorum_port *port, uv_stream_t *listener, struct link *link)
{
    bool is_accepted =
        uv_accept(listener, (uv_stream_t *)&link->handle) == 0 && viv_address_peer(&link->handle, &link->address) == 0;
    bool has_room = is_accepted && port->accepted_count < ACCEPTED_MAX &&
                    viv_address_counts_add(&port->counts, link->address.bytes, most_from_one_address(port));
    if (!has_room || !give_slot(port, link)) {
        if (has_room) {
            viv_address_counts_remove(&port->counts, link->address.bytes);
        }
        if (is_accepted) {
            tell_refusal(port, &link->address);
        }
        uv_close((uv_handle_t *)&link->handle, on_refused_closed);
        return;
    }
    link->is_accepted = true;
    port->accepted_count++;
    (void)uv_tcp_nodelay(&link->handle, 1);
    viv_peer_channel_accept(&link->channel, port->server);
    open_link(link);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_quorum_port *port = listener->data;
    if (status != 0) {
        viv_log(VIV_LOG_WARN, "quorum", "a connection could not be accepted", "error=\"%s\"", uv_strerror(status));
        return;
    }
    struct link *link = viv_alloc_zeroed(1, sizeof *link);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &link->handle) == 0);
    link->handle.data = link;
    accept_link(port, listener, link);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_listener(struct viv_quorum_port *port)
{
    if (port->listener != NULL) {
        uv_close((uv_handle_t *)port->listener, on_listener_closed);
        port->listener = NULL;
    }
}

static void try_listen(struct viv_quorum_port *port)
{
    const struct viv_member *self = &port->server->ensemble.self;
    port->tried_ms = viv_server_now_ms(port->server);
    port->listener = viv_alloc_zeroed(1, sizeof *port->listener);
    int status = viv_address_bind(&port->server->loop, port->listener, viv_ensemble_own_host(self), self->peer_port);
    port->listener->data = port;
    if (status == 0) {
        status = uv_listen((uv_stream_t *)port->listener, VIV_MEMBERS_MAX, on_connection);
    }
    if (status != 0) {
        viv_log(VIV_LOG_ERROR, "quorum",
                "the peer port cannot be opened, so nobody can follow this leader; it is tried again",
                "address=%s port=%d error=\"%s\"", self->host, self->peer_port, uv_strerror(status));
        close_listener(port);
    }
}

void viv_quorum_port_listen(struct viv_quorum_port *port, bool is_listening)
{
    port->wants_listener = is_listening;
    if (is_listening && port->listener == NULL) {
        try_listen(port);
        return;
    }
    if (!is_listening) {
        close_listener(port);
        for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
            if (port->links[slot] != NULL && port->links[slot]->is_accepted) {
                viv_quorum_port_close(port, port->links[slot]->id);
            }
        }
    }
}

bool viv_quorum_port_is_listening(const struct viv_quorum_port *port)
{
    return port->wants_listener;
}

void viv_quorum_port_tick(struct viv_quorum_port *port)
{
    if (port->wants_listener && port->listener == NULL && !port->is_stopping &&
        viv_server_now_ms(port->server) - port->tried_ms >= RELISTEN_MS) {
        try_listen(port);
    }
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        struct link *link = port->links[slot];
        if (link != NULL && !link->is_dialling && !link->is_closing &&
            viv_peer_channel_is_overdue(&link->channel, port->server)) {
            link->channel.why = "the handshake takes too long";
            tell_failure(link);
            close_link(link);
        }
    }
}

/* ---- actions ---- */

void viv_quorum_port_send(struct viv_quorum_port *port, uint32_t id, struct viv_bytes bytes, bool tell_drained)
{
    struct link *link = find_link(port, id);
    if (link == NULL || !link->is_up) {
        return;
    }
    if (viv_outbox_unsent_bytes(&link->outbox) + bytes.size > VIV_LINK_UNSENT_BYTES_MAX) {
        viv_log(VIV_LOG_WARN, "quorum", "closed: a server that does not take what it is sent", "unsent_bytes_max=%d",
                VIV_LINK_UNSENT_BYTES_MAX);
        close_link(link);
        return;
    }
    viv_outbox_add(&link->outbox, bytes);
    link->tell_drained |= tell_drained;
    link->is_to_flush = true;
}

void viv_quorum_port_close(struct viv_quorum_port *port, uint32_t id)
{
    struct link *link = find_link(port, id);
    if (link != NULL) {
        (void)viv_outbox_flush(&link->outbox); /* what was said before still goes as far as the socket takes it */
        close_link(link);
    }
}

void viv_quorum_port_flush(struct viv_quorum_port *port)
{
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        struct link *link = port->links[slot];
        if (link == NULL || !link->is_to_flush) {
            continue;
        }
        link->is_to_flush = false;
        if (!link->is_closing && viv_outbox_flush(&link->outbox) != 0) {
            close_link(link);
        }
        if (is_drained(link)) {
            port->has_drained = true;
            viv_server_want_turn(port->server);
        }
    }
}

size_t viv_quorum_port_unsent_bytes(const struct viv_quorum_port *port)
{
    size_t bytes = 0;
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        const struct link *link = port->links[slot];
        bytes += link != NULL && link->is_up && !link->is_closing ? viv_outbox_unsent_bytes(&link->outbox) : 0;
    }
    return bytes;
}

void viv_quorum_port_resume(struct viv_quorum_port *port)
{
    if (!port->has_drained) {
        return;
    }
    port->has_drained = false;
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (port->links[slot] != NULL && is_drained(port->links[slot])) {
            report_drained(port->links[slot]);
        }
    }
}

/* ---- the port ---- */

struct viv_quorum_port *viv_quorum_port_new(struct viv_server *server)
{
    struct viv_quorum_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    port->shared = viv_alloc(READ_BYTES);
    return port;
}

void viv_quorum_port_free(struct viv_quorum_port *port)
{
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        VIV_ASSERT(port->links[slot] == NULL);
    }
    viv_buffer_fini(&port->plain);
    viv_address_counts_fini(&port->counts);
    free(port->shared);
    free(port);
}

void viv_quorum_port_stop(struct viv_quorum_port *port)
{
    port->is_stopping = true;
    close_listener(port);
    for (size_t slot = 0; slot < SLOT_COUNT; slot++) {
        if (port->links[slot] != NULL) {
            close_link(port->links[slot]);
        }
    }
}
