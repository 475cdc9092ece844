#include "server/client_port.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/log.h"
#include "server/address.h"
#include "server/address_counts.h"
#include "server/four_letter.h"
#include "server/outbox.h"
#include "server/server_internal.h"

enum {
    READ_BYTES = 64 << 10,
    HEAD_BYTES = 4,
    SLOT_BITS = 20,
    SLOT_COUNT_MAX = 1 << SLOT_BITS,
    /* Replies have no size limit of their own in the protocol; one that no client takes must not fill the memory. */
    OUTPUT_BYTES_MAX = 256 << 20,
    /* How long a connection that is to be closed may take to accept its last replies. */
    ENDING_MS_MAX = 5000,
};

struct client {
    uv_tcp_t handle;
    struct viv_client_port *port;
    viv_conn id;
    struct viv_outbox outbox;
    struct viv_buffer input; /* read, but not given to the node: part of a frame, or frames held by a pause */
    struct viv_address address;
    uint64_t received, sent;
    uint64_t read_turn;  /* the turn in which it was read last */
    bool is_greeted;     /* its first four bytes were seen */
    bool is_paused;      /* by the node */
    bool is_output_full; /* by its own unread replies */
    bool is_reading;
    bool is_ending; /* closes when everything is sent */
    uint64_t ending_since_ms;
    bool is_closing;
    bool is_to_flush;
};

struct viv_client_port {
    struct viv_server *server;
    uv_tcp_t listener;
    bool is_listening, is_stopping;
    bool is_paused; /* all connections */
    uint64_t rejected, looked_ms;
    struct client **slots;
    size_t slot_count;
    struct viv_buffer free_slots; /* of uint32_t */
    uint64_t serial;
    size_t client_count;
    struct viv_address_counts counts;
    struct viv_buffer to_flush;  /* of struct client * */
    struct viv_buffer to_resume; /* of viv_conn */
    struct viv_buffer resuming;
    uint8_t *shared; /* room for a held part of a frame and one read behind it */
};

static struct client *find_client(const struct viv_client_port *port, viv_conn conn)
{
    size_t slot = conn & (SLOT_COUNT_MAX - 1);
    struct client *client = slot < port->slot_count ? port->slots[slot] : NULL;
    return client != NULL && client->id == conn && !client->is_closing ? client : NULL;
}

/* ---- ends ---- */

static void on_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct viv_client_port *port = client->port;
    uint32_t slot = (uint32_t)(client->id & (SLOT_COUNT_MAX - 1));
    port->slots[slot] = NULL;
    viv_buffer_append(&port->free_slots, &slot, sizeof slot);
    port->client_count--;
    viv_address_counts_remove(&port->counts, client->address.bytes);
    viv_outbox_fini(&client->outbox);
    viv_buffer_fini(&client->input);
    struct viv_event event = {.kind = VIV_EVENT_CLIENT_CLOSED, .conn = client->id};
    free(client);
    viv_server_step(port->server, &event);
}

static void close_client(struct client *client)
{
    if (!client->is_closing) {
        client->is_closing = true;
        uv_close((uv_handle_t *)&client->handle, on_closed);
    }
}

static void begin_ending(struct client *client)
{
    if (!client->is_ending) {
        client->is_ending = true;
        client->ending_since_ms = viv_server_now_ms(client->port->server);
    }
}

void viv_client_port_tick(struct viv_client_port *port)
{
    uint64_t now_ms = viv_server_now_ms(port->server);
    if (now_ms < port->looked_ms + ENDING_MS_MAX) {
        return;
    }
    port->looked_ms = now_ms;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        struct client *client = port->slots[slot];
        if (client != NULL && client->is_ending && now_ms >= client->ending_since_ms + ENDING_MS_MAX) {
            close_client(client);
        }
    }
}

static void update_reading(struct client *client);

static void on_written(void *ctx, int status)
{
    struct client *client = ctx;
    if (client->is_closing) {
        return;
    }
    size_t unsent = viv_outbox_unsent_bytes(&client->outbox);
    if (status != 0 || (client->is_ending && unsent == 0)) {
        close_client(client);
        return;
    }
    client->is_output_full = unsent >= VIV_OUTPUT_PAUSE_BYTES;
    update_reading(client);
}

static void flush_client(struct client *client)
{
    if (client->is_closing) {
        return;
    }
    int status = viv_outbox_flush(&client->outbox);
    size_t unsent = viv_outbox_unsent_bytes(&client->outbox);
    if (unsent > OUTPUT_BYTES_MAX) {
        viv_log(VIV_LOG_WARN, "client", "closed: it does not read its replies", "address=%s:%d unsent_bytes=%zu",
                client->address.text, client->address.port, unsent);
        status = UV_ENOBUFS;
    }
    if (status != 0 || (client->is_ending && unsent == 0)) {
        close_client(client);
        return;
    }
    client->is_output_full = unsent >= VIV_OUTPUT_PAUSE_BYTES;
    update_reading(client);
}

/* ---- frames ---- */

static void answer_word(struct client *client, enum viv_four_letter word)
{
    struct viv_buffer text = {0};
    client->received++;
    viv_four_letter_answer(client->port->server, word, client->id, &text);
    begin_ending(client);
    viv_outbox_add(&client->outbox, viv_buffer_bytes(&text));
    flush_client(client);
    viv_buffer_fini(&text);
}

/* A pause or a close counts at once, not only when the turn is performed: frames behind it must wait. */
static void heed_new_actions(struct client *client, size_t from)
{
    const struct viv_actions *actions = &client->port->server->actions;
    for (size_t i = from; i < actions->count; i++) {
        const struct viv_action *action = &actions->items[i];
        if (action->kind == VIV_ACTION_CLIENT_PAUSE && action->conn == client->id) {
            client->is_paused = action->flag;
        } else if (action->kind == VIV_ACTION_CLIENT_PAUSE && action->conn == 0) {
            client->port->is_paused = action->flag;
        } else if (action->kind == VIV_ACTION_CLIENT_CLOSE && action->conn == client->id) {
            begin_ending(client);
        }
    }
}

static bool may_go_on(const struct client *client)
{
    return !client->is_closing && !client->is_ending && !client->is_paused && !client->port->is_paused;
}

static void give_frame(struct client *client, struct viv_bytes frame)
{
    struct viv_server *server = client->port->server;
    size_t from = server->actions.count;
    client->received++;
    viv_server_step(server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_FRAME, .conn = client->id, .bytes = frame});
    heed_new_actions(client, from);
}

/* Takes whole frames off the front; returns the bytes used. */
static size_t take_frames(struct client *client, struct viv_bytes in)
{
    size_t used = 0;
    while (in.size - used >= HEAD_BYTES && (may_go_on(client) || (!client->is_greeted && !client->is_closing))) {
        if (!client->is_greeted) {
            client->is_greeted = true;
            enum viv_four_letter word = viv_four_letter_find(in.data);
            if (word != VIV_FOUR_LETTER_NONE) {
                answer_word(client, word);
                return in.size;
            }
        }
        uint32_t size = viv_load_be32(in.data + used);
        if (size == 0 || size > (uint64_t)client->port->server->config->frame_bytes_max) {
            viv_log(VIV_LOG_WARN, "client", "closed: a frame of impossible length", "address=%s:%d length=%d",
                    client->address.text, client->address.port, (int)size);
            close_client(client);
            return in.size;
        }
        if (in.size - used - HEAD_BYTES < size) {
            break;
        }
        give_frame(client, viv_bytes_of(in.data + used + HEAD_BYTES, size));
        used += HEAD_BYTES + size;
    }
    return used;
}

/* ---- reading ---- */

/* A held part of a frame is put in front of the read, so that frames are whole in one place; only a frame that is
 * larger than a read is collected in memory of its own. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct client *client = handle->data;
    struct viv_client_port *port = client->port;
    if (client->read_turn == port->server->turn) {
        *buf = uv_buf_init(NULL, 0); /* one read a turn: the rest is still there in the next */
        return;
    }
    if (client->input.size < READ_BYTES) {
        if (client->input.size > 0) {
            memcpy(port->shared, client->input.data, client->input.size);
        }
        *buf = uv_buf_init((char *)port->shared + client->input.size, READ_BYTES);
    } else {
        *buf = uv_buf_init((char *)viv_buffer_reserve(&client->input, READ_BYTES), READ_BYTES);
    }
}

static void keep_rest(struct client *client, struct viv_bytes rest)
{
    struct viv_buffer *input = &client->input;
    if (rest.size == 0 && input->capacity > READ_BYTES) {
        viv_buffer_fini(input);
        return;
    }
    viv_buffer_clear(input);
    viv_buffer_append_bytes(input, rest);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    struct viv_client_port *port = client->port;
    if (got == 0 || got == UV_ENOBUFS || client->is_closing) {
        return;
    }
    if (got < 0) {
        close_client(client);
        return;
    }
    client->read_turn = port->server->turn;
    if (client->input.size < READ_BYTES) {
        struct viv_bytes in = viv_bytes_of(port->shared, (size_t)(buf->base - (char *)port->shared) + (size_t)got);
        size_t used = take_frames(client, in);
        keep_rest(client, viv_bytes_of(in.data + used, in.size - used));
    } else {
        client->input.size += (size_t)got;
        size_t used = take_frames(client, viv_buffer_bytes(&client->input));
        viv_buffer_consume(&client->input, used);
    }
    update_reading(client);
}

static void update_reading(struct client *client)
{
    struct viv_client_port *port = client->port;
    bool may_read = !client->is_closing && !client->is_ending && !client->is_paused && !client->is_output_full &&
                    !(port->is_paused && client->is_greeted);
    if (may_read == client->is_reading || client->is_closing) {
        return;
    }
    client->is_reading = may_read;
    if (!may_read) {
        uv_read_stop((uv_stream_t *)&client->handle);
        return;
    }
    if (client->input.size > 0) {
        viv_buffer_append(&port->to_resume, &client->id, sizeof client->id);
        viv_server_want_turn(port->server);
    }
    if (uv_read_start((uv_stream_t *)&client->handle, on_alloc, on_read) != 0) {
        close_client(client);
    }
}

void viv_client_port_resume(struct viv_client_port *port)
{
    VIV_ASSERT(port->resuming.size == 0);
    struct viv_buffer list = port->to_resume;
    port->to_resume = port->resuming;
    const viv_conn *conns = (const viv_conn *)list.data;
    for (size_t i = 0; i < list.size / sizeof *conns; i++) {
        struct client *client = find_client(port, conns[i]);
        if (client != NULL && client->is_reading) {
            size_t used = take_frames(client, viv_buffer_bytes(&client->input));
            viv_buffer_consume(&client->input, used);
            update_reading(client);
        }
    }
    viv_buffer_clear(&list);
    port->resuming = list;
}

/* ---- accepting ---- */

static void add_client(struct viv_client_port *port, struct client *client)
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
    client->id = ++port->serial << SLOT_BITS | slot;
    port->slots[slot] = client;
    port->client_count++;
}

static const char *refuse_reason(struct viv_client_port *port, const struct client *client)
{
    const struct viv_config *config = port->server->config;
    size_t most = config->connections_max > 0 ? (size_t)config->connections_max : SLOT_COUNT_MAX;
    if (port->client_count >= most) {
        return "maxCnxns";
    }
    if (!viv_address_counts_add(&port->counts, client->address.bytes, (uint64_t)config->connections_per_address_max)) {
        return "maxClientCnxns";
    }
    return NULL;
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void accept_client(struct viv_client_port *port, struct client *client)
{
    const char *limit = NULL;
    if (uv_accept((uv_stream_t *)&port->listener, (uv_stream_t *)&client->handle) != 0 ||
        viv_address_peer(&client->handle, &client->address) != 0 || (limit = refuse_reason(port, client)) != NULL) {
        if (limit != NULL) {
            port->rejected++;
            viv_log(VIV_LOG_WARN, "client", "refused: too many connections", "address=%s limit=%s",
                    client->address.text, limit);
        }
        uv_close((uv_handle_t *)&client->handle, on_refused_closed);
        return;
    }
    (void)uv_tcp_nodelay(&client->handle, 1);
    viv_outbox_init(&client->outbox, (uv_stream_t *)&client->handle, on_written, client);
    add_client(port, client);
    viv_server_step(port->server, &(struct viv_event){.kind = VIV_EVENT_CLIENT_OPEN,
                                                      .conn = client->id,
                                                      .bytes = viv_bytes_text(client->address.text)});
    update_reading(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_client_port *port = listener->data;
    if (status != 0) {
        viv_log(VIV_LOG_WARN, "client", "a connection could not be accepted", "error=\"%s\"", uv_strerror(status));
        return;
    }
    struct client *client = viv_alloc_zeroed(1, sizeof *client);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &client->handle) == 0);
    client->handle.data = client;
    client->port = port;
    client->read_turn = UINT64_MAX;
    accept_client(port, client);
}

/* ---- the port ---- */

struct viv_client_port *viv_client_port_new(struct viv_server *server)
{
    struct viv_client_port *port = viv_alloc_zeroed(1, sizeof *port);
    port->server = server;
    port->slots = viv_alloc(2 * sizeof *port->slots);
    port->shared = viv_alloc(2 * READ_BYTES);
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
            close_client(port->slots[slot]);
        }
    }
}

/* ---- actions ---- */

static void want_flush(struct client *client)
{
    if (!client->is_to_flush) {
        client->is_to_flush = true;
        viv_buffer_append(&client->port->to_flush, &client, sizeof client);
    }
}

void viv_client_port_send(struct viv_client_port *port, viv_conn conn, struct viv_bytes bytes)
{
    struct client *client = find_client(port, conn);
    if (client == NULL) {
        return;
    }
    for (size_t at = 0; at + HEAD_BYTES <= bytes.size; at += HEAD_BYTES + viv_load_be32(bytes.data + at)) {
        client->sent++;
    }
    viv_outbox_add(&client->outbox, bytes);
    want_flush(client);
}

void viv_client_port_close(struct viv_client_port *port, viv_conn conn)
{
    struct client *client = find_client(port, conn);
    if (client != NULL) {
        begin_ending(client);
        want_flush(client);
    }
}

void viv_client_port_pause(struct viv_client_port *port, viv_conn conn, bool is_paused)
{
    if (conn != 0) {
        struct client *client = find_client(port, conn);
        if (client != NULL) {
            client->is_paused = is_paused;
            update_reading(client);
        }
        return;
    }
    port->is_paused = is_paused;
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        if (port->slots[slot] != NULL) {
            update_reading(port->slots[slot]);
        }
    }
}

void viv_client_port_flush(struct viv_client_port *port)
{
    struct client **clients = (struct client **)port->to_flush.data;
    for (size_t i = 0; i < port->to_flush.size / sizeof(struct client *); i++) {
        clients[i]->is_to_flush = false;
        flush_client(clients[i]);
    }
    viv_buffer_clear(&port->to_flush);
}

/* ---- for operators ---- */

void viv_client_port_visit(const struct viv_client_port *port, viv_client_info_fn *visit, void *ctx)
{
    for (size_t slot = 0; slot < port->slot_count; slot++) {
        const struct client *client = port->slots[slot];
        if (client != NULL && !client->is_closing) {
            struct viv_client_info info = {client->id,           client->address.text,
                                           client->address.port, client->received,
                                           client->sent,         viv_outbox_unsent_bytes(&client->outbox)};
            visit(ctx, &info);
        }
    }
}

uint64_t viv_client_port_rejected(const struct viv_client_port *port)
{
    return port->rejected;
}
