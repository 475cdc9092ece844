#include "server/client_port.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "server/caller.h"

enum { REFUSAL_TOLD_MS = 5000 };

static struct viv_caller *find_client(const struct viv_client_port *port, viv_conn conn)
{
    size_t slot = conn & (VIV_CALLER_SLOTS_MAX - 1);
    struct viv_caller *caller = slot < port->slot_count ? port->slots[slot] : NULL;
    return caller != NULL && caller->id == conn && !caller->is_closing ? caller : NULL;
}

void viv_caller_closed(uv_handle_t *handle)
{
    struct viv_caller *caller = handle->data;
    struct viv_client_port *port = caller->port;
    uint32_t slot = (uint32_t)(caller->id & (VIV_CALLER_SLOTS_MAX - 1));
    port->slots[slot] = NULL;
    viv_buffer_append(&port->free_slots, &slot, sizeof slot);
    port->client_count--;
    viv_address_counts_remove(&port->counts, caller->address.bytes);
    viv_report_free(caller->report);
    viv_outbox_fini(&caller->outbox);
    viv_buffer_fini(&caller->input);
    struct viv_event event = {.kind = VIV_EVENT_CLIENT_CLOSED, .conn = caller->id};
    free(caller);
    viv_server_step(port->server, &event);
}

/* ---- accepting ---- */

static void add_client(struct viv_client_port *port, struct viv_caller *caller)
{
    uint32_t slot;
    if (port->free_slots.size > 0) {
        port->free_slots.size -= sizeof slot;
        memcpy(&slot, port->free_slots.data + port->free_slots.size, sizeof slot);
    } else {
        slot = (uint32_t)port->slot_count++;
        if ((port->slot_count & (port->slot_count - 1)) == 0) {
            port->slots = viv_realloc(port->slots, 2 * port->slot_count * sizeof *port->slots);
        }
    }
    caller->id = ++port->serial << VIV_CALLER_SLOT_BITS | slot;
    port->slots[slot] = caller;
    port->client_count++;
}

static const char *refuse_reason(struct viv_client_port *port, const struct viv_caller *caller)
{
    const struct viv_config *config = port->server->config;
    size_t most = config->connections_max > 0 ? (size_t)config->connections_max : VIV_CALLER_SLOTS_MAX;
    if (port->client_count >= most) {
        return "maxCnxns";
    }
    if (!viv_address_counts_add(&port->counts, caller->address.bytes, (uint64_t)config->connections_per_address_max)) {
        return "maxClientCnxns";
    }
    return NULL;
}

/* A client that tries again and again must not fill the log. */
static void note_refusal(struct viv_client_port *port, const struct viv_caller *caller, const char *limit)
{
    uint64_t now_ms = viv_server_now_ms(port->server);
    port->rejected++;
    if (port->rejected == 1 || now_ms - port->refusal_told_ms >= REFUSAL_TOLD_MS) {
        port->refusal_told_ms = now_ms;
        viv_log(VIV_LOG_WARN, "client", "refused: too many connections", "address=%s limit=%s refused_so_far=%" PRIu64,
                caller->address.text, limit, port->rejected);
    }
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void accept_client(struct viv_client_port *port, struct viv_caller *caller)
{
    const char *limit = NULL;
    if (uv_accept((uv_stream_t *)&port->listener, (uv_stream_t *)&caller->handle) != 0 ||
        viv_address_peer(&caller->handle, &caller->address) != 0 || (limit = refuse_reason(port, caller)) != NULL) {
        if (limit != NULL) {
            note_refusal(port, caller, limit);
        }
        uv_close((uv_handle_t *)&caller->handle, on_refused_closed);
        return;
    }
    (void)uv_tcp_nodelay(&caller->handle, 1);
    viv_outbox_init(&caller->outbox, (uv_stream_t *)&caller->handle, viv_caller_written, caller);
    add_client(port, caller);
    viv_server_step(port->server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_OPEN,
                                                      .conn = caller->id,
                                                      .bytes = viv_bytes_text(caller->address.text)});
    viv_caller_update_reading(caller);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_client_port *port = listener->data;
    if (status != 0) {
        viv_log(VIV_LOG_WARN, "client", "a connection could not be accepted", "error=\"%s\"", uv_strerror(status));
        return;
    }
    struct viv_caller *caller = viv_alloc_zeroed(1, sizeof *caller);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &caller->handle) == 0);
    caller->handle.data = caller;
    caller->port = port;
    caller->read_turn = UINT64_MAX;
    accept_client(port, caller);
}

/* ---- the port ---- */

struct viv_client_port *viv_client_port_new(struct viv_server *server)
{
    struct viv_client_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    port->slots = viv_alloc(2 * sizeof *port->slots);
    port->shared = viv_alloc(2 * VIV_CALLER_READ_BYTES);
    return port;
}

void viv_client_port_free(struct viv_client_port *port)
{
    VIV_ASSERT(port->client_count == 0);
    viv_address_counts_fini(&port->counts);
    viv_buffer_fini(&port->free_slots);
    viv_buffer_fini(&port->to_flush);
    viv_buffer_fini(&port->to_resume);
    viv_buffer_fini(&port->resuming);
    free(port->slots);
    free(port->shared);
    free(port);
}

viv_status viv_client_port_listen(struct viv_client_port *port)
{
    const struct viv_config *config = port->server->config;
    int status =
        viv_address_bind(&port->server->loop, &port->listener, config->client_address, (int)config->client_port);
    port->is_listening = true;
    port->listener.data = port;
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&port->listener, (int)config->listen_backlog, on_connection);
    }
    if (status != 0) {
        viv_log(VIV_LOG_ERROR, "client",
                "the client port cannot be opened; stop what uses it, or change clientPort or clientPortAddress",
                "address=%s port=%d error=\"%s\"", config->client_address, (int)config->client_port,
                uv_strerror(status));
        return VIV_ERR_BUSY;
    }
    viv_log(VIV_LOG_INFO, "client", "listening", "address=%s port=%d",
            config->client_address[0] != '\0' ? config->client_address : "*", viv_client_port_number(port));
    if (!viv_address_is_loopback(&port->listener)) {
        viv_log(VIV_LOG_WARN, "client",
                "clients of other machines are served without TLS: who sits on the network can read and change what "
                "they send",
                "port=%d", viv_client_port_number(port));
    }
    return VIV_OK;
}

int viv_client_port_number(const struct viv_client_port *port)
{
    return viv_address_local_port(&port->listener);
}

void viv_client_port_stop(struct viv_client_port *port)
{
    if (port->is_listening) {
        port->is_listening = false;
        uv_close((uv_handle_t *)&port->listener, NULL);
    }
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        if (port->slots[slot] != NULL) {
            viv_caller_close(port->slots[slot]);
        }
    }
}

/* ---- actions ---- */

static void want_flush(struct viv_caller *caller)
{
    if (!caller->is_to_flush) {
        caller->is_to_flush = true;
        viv_buffer_append(&caller->port->to_flush, &caller, sizeof caller);
    }
}

void viv_client_port_send(struct viv_client_port *port, viv_conn conn, struct viv_bytes bytes)
{
    struct viv_caller *caller = find_client(port, conn);
    if (caller == NULL) {
        return;
    }
    for (size_t at = 0; at + VIV_CALLER_HEAD_BYTES <= bytes.size;
         at += VIV_CALLER_HEAD_BYTES + viv_load_be32(bytes.data + at)) {
        caller->sent++;
    }
    viv_outbox_add(&caller->outbox, bytes);
    want_flush(caller);
}

void viv_client_port_close(struct viv_client_port *port, viv_conn conn)
{
    struct viv_caller *caller = find_client(port, conn);
    if (caller != NULL) {
        viv_caller_begin_ending(caller);
        want_flush(caller);
    }
}

void viv_client_port_pause(struct viv_client_port *port, viv_conn conn, bool is_paused)
{
    port->pauses += is_paused;
    if (conn != 0) {
        struct viv_caller *caller = find_client(port, conn);
        if (caller != NULL) {
            caller->is_paused = is_paused;
            viv_caller_update_reading(caller);
        }
        return;
    }
    port->is_paused = is_paused;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        if (port->slots[slot] != NULL) {
            viv_caller_update_reading(port->slots[slot]);
        }
    }
}

void viv_client_port_flush(struct viv_client_port *port)
{
    struct viv_caller **clients = (struct viv_caller **)port->to_flush.data;
    for (size_t i = 0; i < port->to_flush.size / sizeof(struct viv_caller *); i++) {
        clients[i]->is_to_flush = false;
        viv_caller_flush(clients[i]);
    }
    viv_buffer_clear(&port->to_flush);
}

/* ---- turns ---- */

void viv_client_port_resume(struct viv_client_port *port)
{
    VIV_ASSERT(port->resuming.size == 0);
    struct viv_buffer list = port->to_resume;
    port->to_resume = port->resuming;
    const viv_conn *conns = (const viv_conn *)list.data;
    for (size_t i = 0; i < list.size / sizeof *conns; i++) {
        struct viv_caller *caller = find_client(port, conns[i]);
        if (caller != NULL && caller->report != NULL) {
            viv_caller_go_on(caller);
        } else if (caller != NULL && caller->is_reading) {
            viv_caller_take_held(caller);
        }
    }
    viv_buffer_clear(&list);
    port->resuming = list;
}

void viv_client_port_tick(struct viv_client_port *port)
{
    uint64_t now_ms = viv_server_now_ms(port->server);
    if (now_ms < port->looked_ms + VIV_CALLER_ENDING_MS_MAX) {
        return;
    }
    port->looked_ms = now_ms;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        struct viv_caller *caller = port->slots[slot];
        if (caller != NULL && caller->is_ending && now_ms >= caller->ending_since_ms + VIV_CALLER_ENDING_MS_MAX) {
            viv_caller_close(caller);
        }
    }
}

/* ---- for operators ---- */

static struct viv_client_info info_of(const struct viv_caller *caller)
{
    return (struct viv_client_info){
        .conn = caller->id,
        .address = caller->address.text,
        .port = caller->address.port,
        .received = caller->received,
        .sent = caller->sent,
        .queued_bytes = viv_outbox_unsent_bytes(&caller->outbox),
    };
}

bool viv_client_port_find(const struct viv_client_port *port, viv_conn conn, struct viv_client_info *info)
{
    const struct viv_caller *caller = find_client(port, conn);
    if (caller != NULL) {
        *info = info_of(caller);
    }
    return caller != NULL;
}

size_t viv_client_port_visit(const struct viv_client_port *port, size_t from, size_t count, viv_client_info_fn *visit,
                             void *ctx)
{
    size_t slot = from;
    for (; slot < port->slot_count && slot - from < count; slot++) {
        const struct viv_caller *caller = port->slots[slot];
        if (caller != NULL && !caller->is_closing) {
            struct viv_client_info info = info_of(caller);
            visit(ctx, &info);
        }
    }
    return slot < port->slot_count ? slot : 0;
}

void viv_client_port_reset_stats(struct viv_client_port *port)
{
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        if (port->slots[slot] != NULL) {
            port->slots[slot]->received = port->slots[slot]->sent = 0;
        }
    }
}

void viv_client_port_counts(const struct viv_client_port *port, struct viv_client_port_counts *counts)
{
    *counts = (struct viv_client_port_counts){port->rejected, port->dropped, port->oversized, port->bytes_received,
                                              port->pauses};
}

uint64_t viv_client_port_words(const struct viv_client_port *port)
{
    return port->words;
}

void viv_client_port_reset_words(struct viv_client_port *port)
{
    port->words = 0;
}
