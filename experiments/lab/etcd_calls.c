#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "experiments/lab/etcd_internal.h"
#include "experiments/lab/etcd_messages.h"

enum { STREAM_WINDOW_BYTES = 4 << 20, CONNECTION_WINDOW_BYTES = 16 << 20 };

/* gRPC's codes that leave the fate of a request open: the server went, or gave up waiting for a leader or a quorum. */
enum { GRPC_OK = 0, GRPC_CANCELLED = 1, GRPC_UNKNOWN = 2, GRPC_DEADLINE = 4, GRPC_UNAVAILABLE = 14, GRPC_NONE = -1 };

static void call_unlink(struct etcd_call *call)
{
    struct etcd_client *client = call->client;
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        client->in_flight = call->next;
    }
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    client->in_flight_count--;
}

static struct etcd_call *call_new(struct etcd_client *client)
{
    struct etcd_call *call = client->unused;
    if (call != NULL) {
        client->unused = call->next;
    } else {
        call = viv_alloc_zeroed(1, sizeof *call);
        call->client = client;
    }
    call->grpc_status = GRPC_NONE;
    call->request_sent = 0;
    viv_buffer_clear(&call->request);
    viv_buffer_clear(&call->response);
    call->previous = NULL;
    call->next = client->in_flight;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    client->in_flight = call;
    client->in_flight_count++;
    return call;
}

static void calls_free(struct etcd_call *call)
{
    while (call != NULL) {
        struct etcd_call *next = call->next;
        viv_buffer_fini(&call->request);
        viv_buffer_fini(&call->response);
        free(call);
        call = next;
    }
}

/* The call is no longer in flight when the callback is made, which may make another request. */
static void answer(struct etcd_call *call, int32_t err, struct viv_bytes message)
{
    struct etcd_client *client = call->client;
    struct viv_client_reply reply = {.token = call->token,
                                     .op = call->op,
                                     .err = err,
                                     .body = err == VIV_REPLY_OK ? message : (struct viv_bytes){0},
                                     .sent_ns = call->sent_ns,
                                     .now_ns = client->read_ns};
    call_unlink(call);
    if (client->base.on_reply != NULL) {
        client->base.on_reply(client->base.ctx, &client->base, &reply);
    }
    call->next = client->unused;
    client->unused = call;
}

/* What ZooKeeper would have called the outcome. */
static int32_t outcome(const struct etcd_call *call, struct viv_bytes message)
{
    bool flag = false;
    uint64_t count = 0;
    struct viv_bytes value;
    switch (call->op) {
    case VIV_OP_CREATE:
        return !viv_etcd_read_txn(message, &flag) ? VIV_REPLY_MARSHALLING_ERROR
               : flag                             ? VIV_REPLY_OK
                                                  : VIV_REPLY_NODE_EXISTS;
    case VIV_OP_DELETE:
        return !viv_etcd_read_delete(message, &count) ? VIV_REPLY_MARSHALLING_ERROR
               : count > 0                            ? VIV_REPLY_OK
                                                      : VIV_REPLY_NO_NODE;
    case VIV_OP_GET_DATA:
        return !viv_etcd_read_range(message, &flag, &value) ? VIV_REPLY_MARSHALLING_ERROR
               : flag                                       ? VIV_REPLY_OK
                                                            : VIV_REPLY_NO_NODE;
    default:
        return VIV_REPLY_OK;
    }
}

/* A server that cannot serve for now is left, as its connection would have been lost with ZooKeeper. */
static int32_t refusal(struct etcd_client *client, int grpc_status)
{
    switch (grpc_status) {
    case GRPC_NONE:
    case GRPC_CANCELLED:
    case GRPC_UNKNOWN:
    case GRPC_DEADLINE:
    case GRPC_UNAVAILABLE:
        client->is_refused = true;
        return VIV_CLIENT_LOST;
    default:
        return VIV_REPLY_SYSTEM_ERROR;
    }
}

static int on_stream_close(nghttp2_session *http, int32_t stream, uint32_t error, void *user)
{
    struct etcd_call *call = nghttp2_session_get_stream_user_data(http, stream);
    struct viv_bytes message = {0};
    (void)user;
    if (call == NULL) {
        return 0;
    }
    int status = error == NGHTTP2_NO_ERROR ? call->grpc_status : GRPC_NONE;
    if (status != GRPC_OK) {
        answer(call, refusal(call->client, status), message);
    } else if (!viv_etcd_message(viv_buffer_bytes(&call->response), &message)) {
        answer(call, VIV_REPLY_MARSHALLING_ERROR, message);
    } else {
        answer(call, outcome(call, message), message);
    }
    return 0;
}

static int on_header(nghttp2_session *http, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    static const char wanted[] = "grpc-status";
    struct etcd_call *call = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (call != NULL && name_size == sizeof wanted - 1 && memcmp(name, wanted, name_size) == 0) {
        char text[16] = "";
        memcpy(text, value, value_size < sizeof text ? value_size : sizeof text - 1);
        call->grpc_status = (int)strtol(text, NULL, 10);
    }
    return 0;
}

static int on_data(nghttp2_session *http, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *user)
{
    struct etcd_call *call = nghttp2_session_get_stream_user_data(http, stream);
    (void)flags;
    (void)user;
    if (call != NULL) {
        viv_buffer_append(&call->response, data, size);
    }
    return 0;
}

/* A server that hangs accepts connections and says nothing: only its first frame makes a client ready. */
static int on_frame(nghttp2_session *http, const nghttp2_frame *frame, void *user)
{
    struct etcd_client *client = user;
    (void)http;
    if (frame->hd.type == NGHTTP2_SETTINGS && client->state == VIV_CLIENT_CONNECTING) {
        client->was_ready = true;
        client->silences = 0;
        etcd_tell_state(client, VIV_CLIENT_READY);
    }
    return 0;
}

static ssize_t read_request(nghttp2_session *http, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *user)
{
    struct etcd_call *call = source->ptr;
    size_t left = call->request.size - call->request_sent;
    size_t size = left < room ? left : room;
    (void)http;
    (void)stream;
    (void)user;
    memcpy(into, call->request.data + call->request_sent, size);
    call->request_sent += size;
    if (call->request_sent == call->request.size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

void etcd_http_open(struct etcd_client *client)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
    };
    nghttp2_session_callbacks *callbacks;
    VIV_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0); /* fails for want of memory only, as those below */
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    VIV_ASSERT(nghttp2_session_client_new(&client->http, callbacks, client) == 0);
    nghttp2_session_callbacks_del(callbacks);
    VIV_ASSERT(nghttp2_submit_settings(client->http, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) ==
               0);
    VIV_ASSERT(nghttp2_session_set_local_window_size(client->http, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES) == 0);
}

/* Writes the message of a request and tells the method. */
static const char *encode(enum viv_op op, struct viv_bytes path, struct viv_bytes data, struct viv_buffer *out)
{
    switch (op) {
    case VIV_OP_CREATE:
        viv_etcd_create(out, path, data);
        return "/etcdserverpb.KV/Txn";
    case VIV_OP_SET_DATA:
        viv_etcd_put(out, path, data);
        return "/etcdserverpb.KV/Put";
    case VIV_OP_DELETE:
        viv_etcd_delete(out, path);
        return "/etcdserverpb.KV/DeleteRange";
    case VIV_OP_GET_DATA:
    case VIV_OP_EXISTS:
    case VIV_OP_SYNC:
        viv_etcd_range(out, path, op == VIV_OP_GET_DATA);
        return "/etcdserverpb.KV/Range";
    default:
        VIV_ASSERT(false);
        return NULL;
    }
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

void etcd_calls_request(struct viv_lab_client *base, uint64_t token, enum viv_op op, struct viv_bytes path,
                        struct viv_bytes data)
{
    struct etcd_client *client = (struct etcd_client *)base;
    VIV_ASSERT(client->state == VIV_CLIENT_READY && !client->is_closing);
    uint64_t now_ns = viv_client_now_ns();
    if (client->in_flight_count == 0) {
        client->heard_ns = now_ns;
    }
    struct etcd_call *call = call_new(client);
    call->token = token;
    call->op = op;
    call->sent_ns = now_ns;
    const char *method = encode(op, path, data, &call->request);
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", method),
        header(":authority", client->authority),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_request};
    if (nghttp2_submit_request(client->http, NULL, headers, sizeof headers / sizeof *headers, &body, call) < 0) {
        client->is_refused = true;
    }
}

struct viv_bytes etcd_calls_value(struct viv_bytes body)
{
    struct viv_bytes bytes;
    bool is_found;
    return viv_etcd_read_range(body, &is_found, &bytes) && is_found ? bytes : (struct viv_bytes){0};
}

void etcd_calls_lose(struct etcd_client *client)
{
    while (client->in_flight != NULL) {
        answer(client->in_flight, VIV_CLIENT_LOST, (struct viv_bytes){0});
    }
}

void etcd_calls_fini(struct etcd_client *client)
{
    calls_free(client->in_flight);
    calls_free(client->unused);
}
