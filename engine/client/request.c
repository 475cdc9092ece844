#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "client/client_internal.h"

enum { LENGTH_BYTES = 4, RING_CAPACITY_MIN = 16 };

void pending_push(struct pending_ring *ring, const struct pending *item)
{
    if (ring->count == ring->capacity) {
        size_t capacity = ring->capacity == 0 ? RING_CAPACITY_MIN : ring->capacity * 2;
        ring->items = viv_realloc(ring->items, capacity * sizeof *ring->items);
        /* What had wrapped round moves behind the old end, where it is in order again. */
        memcpy(ring->items + ring->capacity, ring->items, ring->head * sizeof *ring->items);
        ring->capacity = capacity;
    }
    ring->items[(ring->head + ring->count) & (ring->capacity - 1)] = *item;
    ring->count++;
}

struct pending pending_pop(struct pending_ring *ring)
{
    VIV_ASSERT(ring->count > 0);
    struct pending item = ring->items[ring->head];
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    return item;
}

/* Writes the place of the length and the header; returns where the frame starts. */
static size_t begin_frame(struct viv_client *client, enum viv_op op, int32_t xid)
{
    VIV_ASSERT(client->state == VIV_CLIENT_READY);
    VIV_ASSERT(!client->closing);
    size_t start = client->out.size;
    viv_buffer_extend(&client->out, LENGTH_BYTES);
    viv_request_header_encode(&client->out, &(struct viv_request_header){.xid = xid, .type = op});
    return start;
}

static void end(struct viv_client *client, size_t start)
{
    viv_store_be32(client->out.data + start, (uint32_t)(client->out.size - start - LENGTH_BYTES));
    loop_mark_dirty(client);
}

static size_t begin_ordered(struct viv_client *client, uint64_t token, enum viv_op op, int32_t xid)
{
    uint64_t now_ns = viv_client_now_ns();
    struct pending item = {.token = token, .sent_ns = now_ns, .xid = xid, .op = op};
    pending_push(&client->pending, &item);
    if (client->waiting_ns == 0) {
        client->waiting_ns = now_ns;
    }
    return begin_frame(client, op, xid);
}

static size_t begin(struct viv_client *client, uint64_t token, enum viv_op op)
{
    /* Positive and increasing: it wraps before it could reach a special xid. */
    client->next_xid = client->next_xid == INT32_MAX ? 1 : client->next_xid + 1;
    return begin_ordered(client, token, op, client->next_xid);
}

void request_own(struct viv_client *client, enum viv_op op, int32_t xid, struct viv_bytes record)
{
    size_t start = begin_ordered(client, 0, op, xid);
    viv_buffer_append_bytes(&client->out, record);
    end(client, start);
}

void request_unordered(struct viv_client *client, enum viv_op op, int32_t xid, struct viv_bytes record)
{
    size_t start = begin_frame(client, op, xid);
    viv_buffer_append_bytes(&client->out, record);
    end(client, start);
}

void viv_client_request(struct viv_client *client, uint64_t token, enum viv_op op, struct viv_bytes record)
{
    size_t start = begin(client, token, op);
    viv_buffer_append_bytes(&client->out, record);
    end(client, start);
}

void viv_client_request_watch(struct viv_client *client, uint64_t token, enum viv_op op, struct viv_bytes record,
                              enum viv_client_watch kind, struct viv_bytes path)
{
    viv_client_request(client, token, op, record);
    watches_wish(&client->watches, client->next_xid, kind, path);
}

void request_ping(struct viv_client *client, uint64_t now_ns)
{
    VIV_ASSERT(!client->pinging);
    client->pinging = true;
    client->waiting_ns = now_ns;
    end(client, begin_frame(client, VIV_OP_PING, VIV_XID_PING));
}

void viv_client_close(struct viv_client *client)
{
    if (client->closing) {
        return;
    }
    if (client->state != VIV_CLIENT_READY) {
        client->closing = true;
        return;
    }
    end(client, begin(client, 0, VIV_OP_CLOSE_SESSION));
    client->closing = true;
}

void viv_client_create(struct viv_client *client, uint64_t token, struct viv_bytes path, struct viv_bytes data,
                       int32_t flags)
{
    struct viv_create_request request = {
        .path = {.bytes = path}, .data = {.bytes = data}, .acl = viv_acl_open_unsafe(), .flags = flags, .ttl_ms = -1};
    size_t start = begin(client, token, VIV_OP_CREATE);
    viv_create_request_encode(&client->out, &request, VIV_OP_CREATE);
    end(client, start);
}

void viv_client_delete(struct viv_client *client, uint64_t token, struct viv_bytes path, int32_t version)
{
    struct viv_path_version_request request = {.path = {.bytes = path}, .version = version};
    size_t start = begin(client, token, VIV_OP_DELETE);
    viv_path_version_request_encode(&client->out, &request);
    end(client, start);
}

void viv_client_set_data(struct viv_client *client, uint64_t token, struct viv_bytes path, struct viv_bytes data,
                         int32_t version)
{
    struct viv_set_data_request request = {.path = {.bytes = path}, .data = {.bytes = data}, .version = version};
    size_t start = begin(client, token, VIV_OP_SET_DATA);
    viv_set_data_request_encode(&client->out, &request);
    end(client, start);
}

static void read_request(struct viv_client *client, uint64_t token, enum viv_op op, struct viv_bytes path)
{
    struct viv_path_watch_request request = {.path = {.bytes = path}, .watch = false};
    size_t start = begin(client, token, op);
    viv_path_watch_request_encode(&client->out, &request);
    end(client, start);
}

void viv_client_get_data(struct viv_client *client, uint64_t token, struct viv_bytes path)
{
    read_request(client, token, VIV_OP_GET_DATA, path);
}

void viv_client_exists(struct viv_client *client, uint64_t token, struct viv_bytes path)
{
    read_request(client, token, VIV_OP_EXISTS, path);
}

void viv_client_sync(struct viv_client *client, uint64_t token, struct viv_bytes path)
{
    size_t start = begin(client, token, VIV_OP_SYNC);
    viv_jute_write_bytes(&client->out, path);
    end(client, start);
}

const char *viv_client_tls_error(const struct viv_client *client)
{
    return client->tls_why != NULL ? client->tls_why : "";
}

int viv_client_last_error(const struct viv_client *client)
{
    return client->last_error;
}

bool viv_client_is_read_only(const struct viv_client *client)
{
    return client->read_only;
}

void viv_client_on_event(struct viv_client *client, viv_client_event_fn *on_event)
{
    client->on_event = on_event;
}

enum viv_client_state viv_client_state(const struct viv_client *client)
{
    return client->state;
}

size_t viv_client_server(const struct viv_client *client)
{
    return client->server;
}

int64_t viv_client_session_id(const struct viv_client *client)
{
    return client->session_id;
}

size_t viv_client_in_flight(const struct viv_client *client)
{
    return client->pending.count;
}
