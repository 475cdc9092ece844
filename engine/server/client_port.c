#include "server/client_port.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"
#include "server/caller.h"

/* How often deadlines are looked at; each may be passed by as much. */
enum { LOOK_MS = 1000 };

struct viv_caller *viv_caller_find(const struct viv_client_port *port, viv_conn conn)
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
    viv_tls_channel_free(caller->tls);
    viv_sasl_port_forget(port->server->sasl, caller->id);
    struct viv_event event = {.kind = VIV_EVENT_CLIENT_CLOSED, .conn = caller->id};
    bool was_open = caller->is_open;
    free(caller);
    if (was_open) {
        viv_server_step(port->server, &event);
    }
}

void viv_client_port_add(struct viv_client_port *port, struct viv_caller *caller)
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

/* ---- the port ---- */

struct viv_client_port *viv_client_port_new(struct viv_server *server)
{
    struct viv_client_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    viv_large_frames_init(&port->large, (uint64_t)server->config->clients.large_bytes_max);
    port->slots = viv_alloc(2 * sizeof *port->slots);
    port->shared = viv_alloc(2 * VIV_CALLER_READ_BYTES);
    return port;
}

void viv_client_port_free(struct viv_client_port *port)
{
    VIV_ASSERT(port->client_count == 0);
    viv_large_frames_fini(&port->large);
    viv_address_counts_fini(&port->counts);
    viv_buffer_fini(&port->free_slots);
    viv_buffer_fini(&port->to_flush);
    viv_buffer_fini(&port->to_resume);
    viv_buffer_fini(&port->resuming);
    viv_buffer_fini(&port->drained);
    viv_buffer_fini(&port->waiting_light);
    viv_buffer_fini(&port->waiting);
    viv_buffer_fini(&port->plain);
    free(port->slots);
    free(port->shared);
    free(port);
}

viv_status viv_client_port_listen(struct viv_client_port *port)
{
    return viv_client_listeners_open(port);
}

int viv_client_port_number(const struct viv_client_port *port)
{
    return port->listeners[0].is_open ? viv_address_local_port(&port->listeners[0].handle) : -1;
}

int viv_client_port_secure_number(const struct viv_client_port *port)
{
    return port->listeners[1].is_open ? viv_address_local_port(&port->listeners[1].handle) : -1;
}

void viv_client_port_stop(struct viv_client_port *port)
{
    viv_client_listeners_close(port);
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

void viv_client_port_send(struct viv_client_port *port, viv_conn conn, struct viv_bytes bytes, bool tell_drained)
{
    struct viv_caller *caller = viv_caller_find(port, conn);
    if (caller == NULL) {
        return;
    }
    caller->tell_drained |= tell_drained;
    caller->reply_bytes += bytes.size;
    for (size_t at = 0; at + VIV_CALLER_HEAD_BYTES <= bytes.size;
         at += VIV_CALLER_HEAD_BYTES + viv_load_be32(bytes.data + at)) {
        caller->sent++;
    }
    viv_outbox_add(&caller->outbox, bytes);
    want_flush(caller);
}

void viv_client_port_close(struct viv_client_port *port, viv_conn conn)
{
    struct viv_caller *caller = viv_caller_find(port, conn);
    if (caller != NULL) {
        viv_caller_begin_ending(caller);
        want_flush(caller);
    }
}

static void update_all(struct viv_client_port *port)
{
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        if (port->slots[slot] != NULL) {
            viv_caller_update_reading(port->slots[slot]);
        }
    }
}

void viv_client_port_pause(struct viv_client_port *port, viv_conn conn, bool is_paused)
{
    port->pauses += is_paused;
    if (conn != 0) {
        struct viv_caller *caller = viv_caller_find(port, conn);
        if (caller != NULL) {
            caller->is_paused = is_paused;
            viv_caller_update_reading(caller);
        }
        return;
    }
    port->is_paused = is_paused;
    update_all(port);
}

void viv_client_port_drain(struct viv_client_port *port)
{
    port->is_draining = true;
    update_all(port);
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

bool viv_client_port_turn_is_full(const struct viv_client_port *port)
{
    return viv_node_reply_bytes(port->server->node) - port->reply_bytes >= VIV_TURN_REPLY_BYTES_MAX;
}

/* As many as go into a turn; the others in the next. */
static void report_drained(struct viv_client_port *port)
{
    const viv_conn *conns = (const viv_conn *)port->drained.data;
    size_t count = port->drained.size / sizeof *conns, told = 0;
    for (; told < count && !viv_client_port_turn_is_full(port); told++) {
        if (viv_caller_find(port, conns[told]) != NULL) {
            viv_server_step(port->server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_DRAINED, .conn = conns[told]});
        }
    }
    viv_buffer_consume(&port->drained, told * sizeof *conns);
    if (told < count) {
        viv_server_want_turn(port->server);
    }
}

/* How many it were, at most `most`. */
static size_t admit_from(struct viv_client_port *port, struct viv_buffer *waiting, size_t most)
{
    const viv_conn *conns = (const viv_conn *)waiting->data;
    size_t count = waiting->size / sizeof *conns;
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++) {
        struct viv_caller *caller = viv_caller_find(port, conns[i]);
        if (caller != NULL) {
            caller->is_waiting = false;
            caller->is_admitted = true;
            viv_caller_update_reading(caller);
        }
    }
    viv_buffer_consume(waiting, count * sizeof *conns);
    return count;
}

static size_t waiting_count(const struct viv_client_port *port)
{
    return (port->waiting_light.size + port->waiting.size) / sizeof(viv_conn);
}

/* Fewer of those who wait after a turn that was long, more after one that was not: small requests pass quickly. */
static void admit(struct viv_client_port *port, bool was_long)
{
    enum { FIRST_COUNT = 8 };
    size_t most = port->admitted_count;
    most = most == 0 ? FIRST_COUNT : was_long ? most / 2 + (most == 1) : most < waiting_count(port) ? most * 2 : most;
    size_t light = admit_from(port, &port->waiting_light, most);
    (void)admit_from(port, &port->waiting, most - light);
    port->admitted_count = waiting_count(port) > 0 ? most : 0;
}

void viv_client_port_begin_turn(struct viv_client_port *port)
{
    if (waiting_count(port) > 0) {
        admit(port, viv_client_port_turn_is_full(port));
    }
    port->reply_bytes = viv_node_reply_bytes(port->server->node);
}

void viv_client_port_resume(struct viv_client_port *port)
{
    VIV_ASSERT(port->resuming.size == 0);
    report_drained(port);
    struct viv_buffer list = port->to_resume;
    port->to_resume = port->resuming;
    const viv_conn *conns = (const viv_conn *)list.data;
    for (size_t i = 0; i < list.size / sizeof *conns; i++) {
        struct viv_caller *caller = viv_caller_find(port, conns[i]);
        if (caller != NULL && caller->report != NULL) {
            viv_caller_go_on(caller);
        } else if (caller != NULL && caller->is_reading) {
            viv_caller_take_held(caller);
        }
    }
    viv_buffer_clear(&list);
    port->resuming = list;
}

/* Why the connection may not stay, or NULL. */
static const char *overdue(const struct viv_caller *caller, uint64_t now_ms)
{
    if (caller->is_ending) {
        return now_ms >= caller->ending_since_ms + VIV_CALLER_ENDING_MS_MAX ? "it does not take its last replies"
                                                                            : NULL;
    }
    if (viv_caller_is_overdue(caller, now_ms)) {
        return caller->tls != NULL ? "its TLS handshake takes too long" : "it says nothing";
    }
    if (caller->counted > VIV_OUTPUT_STALL_BYTES && now_ms >= caller->took_ms + VIV_OUTPUT_STALL_MS) {
        return "it does not read its replies";
    }
    bool is_late = caller->is_reading && caller->partial_ms != 0 && now_ms >= caller->partial_ms + VIV_FRAME_MS_MAX;
    return is_late ? "one frame takes too long" : NULL;
}

void viv_client_port_tick(struct viv_client_port *port)
{
    viv_client_listeners_tick(port);
    uint64_t now_ms = viv_server_now_ms(port->server);
    if (now_ms < port->looked_ms + LOOK_MS) {
        return;
    }
    port->looked_ms = now_ms;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        struct viv_caller *caller = port->slots[slot];
        if (caller == NULL || caller->is_closing) {
            continue;
        }
        if (caller->counted > VIV_OUTPUT_STALL_BYTES) { /* the socket takes parts without a word */
            viv_caller_heed_unsent(caller, viv_outbox_unsent_bytes(&caller->outbox));
        }
        const char *why = overdue(caller, now_ms);
        uint64_t swallowed;
        if (why == NULL) {
            continue;
        }
        if (!caller->is_ending && viv_log_gate_open(&port->overdue, now_ms, &swallowed)) {
            viv_log(VIV_LOG_INFO, "client", "closed: a connection that lingers",
                    "address=%s:%d why=\"%s\" swallowed=%" PRIu64, caller->address.text, caller->address.port, why,
                    swallowed);
        }
        viv_caller_close(caller);
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
        .is_secure = caller->tls != NULL,
    };
}

bool viv_client_port_find(const struct viv_client_port *port, viv_conn conn, struct viv_client_info *info)
{
    const struct viv_caller *caller = viv_caller_find(port, conn);
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
        if (caller != NULL && !caller->is_closing && caller->is_open) {
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
    *counts = (struct viv_client_port_counts){
        port->rejected, port->dropped,         port->oversized,         port->bytes_received,
        port->pauses,   port->handshake_count, port->handshakes_failed, port->handshakes_refused};
}

uint64_t viv_client_port_words(const struct viv_client_port *port)
{
    return port->words;
}

void viv_client_port_reset_words(struct viv_client_port *port)
{
    port->words = 0;
}
