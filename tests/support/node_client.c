#include "tests/support/node_client.h"

#include <string.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"

enum { PATIENCE_MS = 5000 };

void viv_node_client_init(struct viv_node_client *client, struct viv_node_net *net)
{
    *client = (struct viv_node_client){.net = net};
}

void viv_node_client_fini(struct viv_node_client *client)
{
    viv_buffer_fini(&client->record);
    viv_buffer_fini(&client->events);
    viv_buffer_fini(&client->order);
    viv_buffer_fini(&client->scratch);
}

/* ---- frames ---- */

static void begin_frame(struct viv_buffer *frame)
{
    viv_buffer_clear(frame);
    viv_buffer_extend(frame, 4);
}

static void send_frame(struct viv_node_client *client, struct viv_buffer *frame)
{
    viv_store_be32(frame->data, (uint32_t)(frame->size - 4));
    viv_node_net_send(client->net, client->conn, viv_buffer_bytes(frame));
}

static bool has_frame_or_end(struct viv_node_net *net, void *ctx)
{
    struct viv_node_client *client = ctx;
    return viv_node_net_receive(net, client->conn, &client->record) || viv_node_net_is_closed(net, client->conn);
}

/* The next frame into client->record. */
static bool wait_frame(struct viv_node_client *client, uint64_t limit_ms)
{
    viv_buffer_clear(&client->record);
    return viv_node_net_run_until(client->net, limit_ms, has_frame_or_end, client) && client->record.size > 0;
}

void viv_node_client_knock(struct viv_node_client *client, size_t server, int32_t timeout_ms)
{
    struct viv_connect_request request = {
        .last_zxid_seen = client->last_zxid,
        .timeout_ms = timeout_ms,
        .session_id = client->session_id,
        .password.bytes = viv_bytes_of(client->password, sizeof client->password),
        .has_read_only = true,
        .read_only = client->may_be_read_only,
    };
    struct viv_buffer frame = {0};
    client->conn = viv_node_net_connect(client->net, server);
    begin_frame(&frame);
    viv_connect_request_encode(&frame, &request);
    send_frame(client, &frame);
    viv_buffer_fini(&frame);
}

bool viv_node_client_enter(struct viv_node_client *client)
{
    if (!wait_frame(client, PATIENCE_MS)) {
        return false;
    }
    struct viv_connect_response response;
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    viv_connect_response_decode(&reader, &response);
    cr_assert_not(reader.bad, "a malformed ConnectResponse");
    client->timeout_ms = response.timeout_ms;
    client->is_read_only = response.read_only;
    if (response.timeout_ms == 0) {
        return false;
    }
    client->session_id = response.session_id;
    memcpy(client->password, response.password, sizeof client->password);
    return true;
}

bool viv_node_client_open(struct viv_node_client *client, size_t server, int32_t timeout_ms)
{
    viv_node_client_knock(client, server, timeout_ms);
    return viv_node_client_enter(client);
}

bool viv_node_client_open_any(struct viv_node_client *client, int32_t timeout_ms)
{
    for (size_t i = 0; i < viv_node_net_server_count(client->net); i++) {
        if (viv_node_net_node(client->net, i) != NULL && viv_node_client_open(client, i, timeout_ms)) {
            return true;
        }
    }
    return false;
}

int32_t viv_node_client_send(struct viv_node_client *client, int32_t op, struct viv_bytes record)
{
    struct viv_request_header header = {.xid = ++client->xid, .type = op};
    if (op == VIV_OP_PING) {
        header.xid = VIV_XID_PING;
        client->xid--;
    }
    struct viv_buffer frame = {0};
    begin_frame(&frame);
    viv_request_header_encode(&frame, &header);
    viv_buffer_append_bytes(&frame, record);
    send_frame(client, &frame);
    viv_buffer_fini(&frame);
    return header.xid;
}

static void note_event(struct viv_node_client *client, struct viv_jute_reader *reader)
{
    struct viv_watcher_event event;
    viv_watcher_event_decode(reader, &event);
    cr_assert_not(reader->bad, "a malformed notification");
    viv_buffer_printf(&client->events, "%d %.*s\n", event.type, (int)event.path.size, (const char *)event.path.data);
    viv_buffer_append(&client->order, "e", 1);
}

/* Looks at client->record: true when it is a reply, whose header is cut off. */
static bool take_frame(struct viv_node_client *client)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    viv_reply_header_decode(&reader, &client->header);
    cr_assert_not(reader.bad, "a malformed reply");
    if (client->header.xid == VIV_XID_NOTIFICATION) {
        note_event(client, &reader);
        return false;
    }
    cr_assert(client->header.zxid <= 0 || client->header.zxid >= client->last_zxid, "a reply goes back in time");
    client->last_zxid = client->header.zxid > client->last_zxid ? client->header.zxid : client->last_zxid;
    viv_buffer_consume(&client->record, client->record.size - reader.rest.size);
    viv_buffer_append(&client->order, "r", 1);
    return true;
}

bool viv_node_client_receive(struct viv_node_client *client)
{
    while (viv_node_net_receive(client->net, client->conn, &client->record)) {
        if (take_frame(client)) {
            return true;
        }
    }
    return false;
}

bool viv_node_client_wait(struct viv_node_client *client, uint64_t limit_ms)
{
    uint64_t end_ms = viv_node_net_now_ms(client->net) + limit_ms;
    while (viv_node_net_now_ms(client->net) <= end_ms &&
           wait_frame(client, end_ms - viv_node_net_now_ms(client->net))) {
        if (take_frame(client)) {
            return true;
        }
    }
    return false;
}

int32_t viv_node_client_call(struct viv_node_client *client, int32_t op, struct viv_bytes record)
{
    int32_t xid = viv_node_client_send(client, op, record);
    cr_assert(viv_node_client_wait(client, PATIENCE_MS), "no reply to operation %d", op);
    cr_assert_eq(client->header.xid, xid, "replies come in the order of the requests");
    return client->header.err;
}

/* ---- operations ---- */

static struct viv_jute_slice slice_of(const char *text)
{
    return (struct viv_jute_slice){.bytes = text == NULL ? (struct viv_bytes){0} : viv_bytes_text(text),
                                   .null = text == NULL};
}

struct viv_bytes viv_node_client_create_record(struct viv_node_client *client, const char *path, const char *data,
                                               int32_t flags)
{
    struct viv_create_request request = {
        .path = slice_of(path), .data = slice_of(data), .acl = viv_acl_open_unsafe(), .flags = flags, .ttl_ms = -1};
    viv_buffer_clear(&client->scratch);
    viv_create_request_encode(&client->scratch, &request, VIV_OP_CREATE);
    return viv_buffer_bytes(&client->scratch);
}

struct viv_bytes viv_node_client_set_record(struct viv_node_client *client, const char *path, const char *data,
                                            int32_t version)
{
    struct viv_set_data_request request = {.path = slice_of(path), .data = slice_of(data), .version = version};
    viv_buffer_clear(&client->scratch);
    viv_set_data_request_encode(&client->scratch, &request);
    return viv_buffer_bytes(&client->scratch);
}

struct viv_bytes viv_node_client_path_record(struct viv_node_client *client, const char *path, bool watch)
{
    struct viv_path_watch_request request = {.path = slice_of(path), .watch = watch};
    viv_buffer_clear(&client->scratch);
    viv_path_watch_request_encode(&client->scratch, &request);
    return viv_buffer_bytes(&client->scratch);
}

int32_t viv_node_client_create(struct viv_node_client *client, const char *path, const char *data, int32_t flags)
{
    return viv_node_client_call(client, VIV_OP_CREATE, viv_node_client_create_record(client, path, data, flags));
}

int32_t viv_node_client_set(struct viv_node_client *client, const char *path, const char *data, int32_t version)
{
    return viv_node_client_call(client, VIV_OP_SET_DATA, viv_node_client_set_record(client, path, data, version));
}

int32_t viv_node_client_delete(struct viv_node_client *client, const char *path, int32_t version)
{
    struct viv_path_version_request request = {.path = slice_of(path), .version = version};
    viv_buffer_clear(&client->scratch);
    viv_path_version_request_encode(&client->scratch, &request);
    return viv_node_client_call(client, VIV_OP_DELETE, viv_buffer_bytes(&client->scratch));
}

int32_t viv_node_client_ask(struct viv_node_client *client, int32_t op, const char *path, bool watch)
{
    return viv_node_client_call(client, op, viv_node_client_path_record(client, path, watch));
}

bool viv_node_client_data_is(const struct viv_node_client *client, const char *text)
{
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&client->record));
    struct viv_jute_slice data = viv_jute_read_buffer(&reader);
    return !reader.bad && !data.null && viv_bytes_equal(data.bytes, viv_bytes_text(text));
}

int32_t viv_node_client_close_session(struct viv_node_client *client)
{
    return viv_node_client_call(client, VIV_OP_CLOSE_SESSION, (struct viv_bytes){0});
}

bool viv_node_client_events_are(const struct viv_node_client *client, const char *text)
{
    return viv_bytes_equal(viv_buffer_bytes(&client->events), viv_bytes_text(text));
}
