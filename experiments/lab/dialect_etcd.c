#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "experiments/lab/dialect.h"
#include "experiments/lab/etcd_messages.h"

/* gRPC over HTTP/2 without TLS: one connection a client, one stream a request. */

enum {
    EVENTS_PER_TURN = 64,
    SCRATCH_BYTES = 1 << 16,
    STREAM_WINDOW_BYTES = 4 << 20,
    CONNECTION_WINDOW_BYTES = 16 << 20
};
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* gRPC's codes that leave the fate of a request open: the server went, or gave up waiting for a leader or a quorum. */
enum { GRPC_OK = 0, GRPC_CANCELLED = 1, GRPC_UNKNOWN = 2, GRPC_DEADLINE = 4, GRPC_UNAVAILABLE = 14, GRPC_NONE = -1 };

struct etcd_client;

struct call {
    struct etcd_client *client;
    struct call *previous, *next; /* in flight; `next` of the unused too */
    uint64_t token, sent_ns;
    enum viv_op op;
    int grpc_status;
    struct viv_buffer request;
    size_t request_sent;
    struct viv_buffer response;
};

struct etcd_loop {
    struct viv_lab_loop base;
    int epoll_fd;
    struct etcd_client *clients;
    uint8_t *scratch;
};

struct etcd_client {
    struct viv_lab_client base;
    struct etcd_loop *loop;
    struct etcd_client *next; /* of the loop's */
    struct viv_client_options options;
    size_t server;
    enum viv_client_state state;
    bool is_closing;
    bool is_refused;   /* the server takes no more requests on this connection, or cannot serve them */
    uint32_t failures; /* attempts in vain since it was ready */
    int fd;            /* -1: none */
    bool is_connected; /* TCP */
    bool wants_write;  /* epoll tells when */
    nghttp2_session *http;
    char authority[96];
    struct viv_buffer out; /* not yet taken by the socket */
    uint64_t deadline_ns;  /* CONNECTING: until then; DISCONNECTED: then the next attempt */
    uint64_t heard_ns;     /* the last byte, or the first request after a pause */
    uint64_t read_ns;      /* when the bytes that are being served were read */
    struct call *in_flight, *unused;
    size_t in_flight_count;
};

static void call_unlink(struct call *call)
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

static struct call *call_new(struct etcd_client *client)
{
    struct call *call = client->unused;
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

static void calls_free(struct call *call)
{
    while (call != NULL) {
        struct call *next = call->next;
        viv_buffer_fini(&call->request);
        viv_buffer_fini(&call->response);
        free(call);
        call = next;
    }
}

static void tell_state(struct etcd_client *client, enum viv_client_state state)
{
    client->state = state;
    if (client->base.on_state != NULL) {
        client->base.on_state(client->base.ctx, &client->base, state);
    }
}

/* The call is no longer in flight when the callback is made, which may make another request. */
static void answer(struct call *call, int32_t err, struct viv_bytes message)
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
static int32_t outcome(const struct call *call, struct viv_bytes message)
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
    struct call *call = nghttp2_session_get_stream_user_data(http, stream);
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
    struct call *call = nghttp2_session_get_stream_user_data(http, frame->hd.stream_id);
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
    struct call *call = nghttp2_session_get_stream_user_data(http, stream);
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
        client->failures = 0;
        tell_state(client, VIV_CLIENT_READY);
    }
    return 0;
}

static ssize_t read_request(nghttp2_session *http, int32_t stream, uint8_t *into, size_t room, uint32_t *flags,
                            nghttp2_data_source *source, void *user)
{
    struct call *call = source->ptr;
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

static void http_open(struct etcd_client *client)
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

static void watch(struct etcd_client *client, int operation, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data = {.ptr = client}};
    VIV_ASSERT(epoll_ctl(client->loop->epoll_fd, operation, client->fd, &event) == 0);
    client->wants_write = write;
}

static void hang_up(struct etcd_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
        client->fd = -1;
    }
    nghttp2_session_del(client->http);
    client->http = NULL;
    client->is_connected = false;
    client->is_refused = false;
    viv_buffer_clear(&client->out);
}

/* What was in flight is answered LOST; the next server is tried after the pause. */
static void drop(struct etcd_client *client, uint64_t now_ns)
{
    bool was_ready = client->state == VIV_CLIENT_READY;
    hang_up(client);
    client->failures++;
    client->server = (client->server + 1) % client->options.server_count;
    client->deadline_ns = now_ns + client->options.retry_ms * NS_PER_MS;
    client->state = VIV_CLIENT_DISCONNECTED;
    if (was_ready) {
        tell_state(client, VIV_CLIENT_DISCONNECTED);
    }
    client->read_ns = now_ns;
    while (client->in_flight != NULL) {
        answer(client->in_flight, VIV_CLIENT_LOST, (struct viv_bytes){0});
    }
}

/* As a ZooKeeper client does (client/client.h): short at first, doubled with every failure. */
static uint64_t patience_ns(const struct etcd_client *client)
{
    uint64_t most_ms = client->options.connect_timeout_ms;
    uint64_t first_ms = client->options.reattach_timeout_ms;
    if (client->failures == 0 || first_ms == 0 || client->failures > 16) {
        return most_ms * NS_PER_MS;
    }
    uint64_t ms = first_ms << (client->failures - 1);
    return (ms < most_ms ? ms : most_ms) * NS_PER_MS;
}

static void dial(struct etcd_client *client, uint64_t now_ns)
{
    const struct viv_client_address *server = &client->options.servers[client->server];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    int on = 1;
    client->state = VIV_CLIENT_CONNECTING;
    client->deadline_ns = now_ns + patience_ns(client);
    snprintf(client->authority, sizeof client->authority, "%s:%u", server->host, server->port);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool begun = client->fd >= 0 && inet_pton(AF_INET, server->host, &address.sin_addr) == 1 &&
                 (connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS);
    if (!begun) {
        drop(client, now_ns);
        return;
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(client, EPOLL_CTL_ADD, true);
}

/* Collects what nghttp2 has to say and gives it to the socket in one call. */
static void flush(struct etcd_client *client, uint64_t now_ns)
{
    const uint8_t *data;
    ssize_t size;
    while ((size = nghttp2_session_mem_send(client->http, &data)) > 0) {
        viv_buffer_append(&client->out, data, (size_t)size);
    }
    while (size == 0 && client->out.size > 0) {
        ssize_t sent = send(client->fd, client->out.data, client->out.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        size = sent < 0 ? -1 : 0;
        viv_buffer_consume(&client->out, sent < 0 ? 0 : (size_t)sent);
    }
    if (size < 0) {
        drop(client, now_ns);
    } else if (client->wants_write != (client->out.size > 0)) {
        watch(client, EPOLL_CTL_MOD, client->out.size > 0);
    }
}

static void on_writable(struct etcd_client *client, uint64_t now_ns)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (!client->is_connected) {
        if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            drop(client, now_ns);
            return;
        }
        client->is_connected = true;
        http_open(client);
    }
    flush(client, now_ns);
}

static void on_readable(struct etcd_client *client, uint64_t now_ns)
{
    ssize_t got = recv(client->fd, client->loop->scratch, SCRATCH_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    client->heard_ns = now_ns;
    client->read_ns = now_ns;
    if (got <= 0 || client->http == NULL ||
        nghttp2_session_mem_recv(client->http, client->loop->scratch, (size_t)got) < 0 ||
        (nghttp2_session_want_read(client->http) == 0 && nghttp2_session_want_write(client->http) == 0)) {
        drop(client, now_ns);
    }
}

static uint64_t silence_ns(const struct etcd_client *client)
{
    uint64_t ms = client->options.silence_ms;
    return (ms > 0 ? ms : (uint64_t)client->options.session_timeout_ms * 2 / 3) * NS_PER_MS;
}

/* When the client's next timer is due. */
static uint64_t timer_ns(const struct etcd_client *client)
{
    switch (client->state) {
    case VIV_CLIENT_DISCONNECTED:
    case VIV_CLIENT_CONNECTING:
        return client->deadline_ns;
    case VIV_CLIENT_READY:
        return client->in_flight_count > 0 ? client->heard_ns + silence_ns(client) : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

static void run_timer(struct etcd_client *client, uint64_t now_ns)
{
    if (client->is_closing && client->in_flight_count == 0 && client->state != VIV_CLIENT_CLOSED) {
        hang_up(client);
        tell_state(client, VIV_CLIENT_CLOSED);
    } else if (now_ns < timer_ns(client) && !client->is_refused) {
        return;
    } else if (client->state == VIV_CLIENT_DISCONNECTED) {
        dial(client, now_ns);
    } else {
        drop(client, now_ns);
    }
}

static void serve_all(struct etcd_loop *loop, uint64_t now_ns)
{
    for (struct etcd_client *client = loop->clients; client != NULL; client = client->next) {
        run_timer(client, now_ns);
        if (client->is_connected && !client->wants_write && nghttp2_session_want_write(client->http) != 0) {
            flush(client, now_ns);
        }
    }
}

static void loop_turn(struct viv_lab_loop *base, uint64_t until_ns)
{
    struct etcd_loop *loop = (struct etcd_loop *)base;
    uint64_t now_ns = viv_client_now_ns();
    serve_all(loop, now_ns);
    for (const struct etcd_client *client = loop->clients; client != NULL; client = client->next) {
        uint64_t at_ns = timer_ns(client);
        until_ns = at_ns < until_ns ? at_ns : until_ns;
    }
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_TURN, &wait, NULL);
    now_ns = viv_client_now_ns();
    for (int i = 0; i < count; i++) {
        struct etcd_client *client = events[i].data.ptr;
        if (client->fd >= 0 && (events[i].events & EPOLLOUT) != 0) {
            on_writable(client, now_ns);
        }
        if (client->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            on_readable(client, now_ns);
        }
    }
    serve_all(loop, now_ns);
}

static viv_status loop_open(struct viv_lab_loop **out)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        viv_log(VIV_LOG_ERROR, "lab", "no epoll descriptor", "error=%m");
        return VIV_ERR_SYSTEM;
    }
    struct etcd_loop *loop = viv_alloc_zeroed(1, sizeof *loop);
    loop->epoll_fd = fd;
    loop->scratch = viv_alloc(SCRATCH_BYTES);
    *out = &loop->base;
    return VIV_OK;
}

static void loop_close(struct viv_lab_loop *base)
{
    struct etcd_loop *loop = (struct etcd_loop *)base;
    while (loop->clients != NULL) {
        struct etcd_client *client = loop->clients;
        loop->clients = client->next;
        hang_up(client);
        calls_free(client->in_flight);
        calls_free(client->unused);
        viv_buffer_fini(&client->out);
        free(client);
    }
    close(loop->epoll_fd);
    free(loop->scratch);
    free(loop);
}

static struct viv_lab_client *open_client(struct viv_lab_loop *base, const struct viv_client_options *options)
{
    struct etcd_loop *loop = (struct etcd_loop *)base;
    struct etcd_client *client = viv_alloc_zeroed(1, sizeof *client);
    client->loop = loop;
    client->options = *options;
    client->server = options->first_server;
    client->state = VIV_CLIENT_DISCONNECTED; /* and dialled by the next turn */
    client->fd = -1;
    client->next = loop->clients;
    loop->clients = client;
    return &client->base;
}

static void close_client(struct viv_lab_client *client)
{
    ((struct etcd_client *)client)->is_closing = true;
}

static enum viv_client_state state(const struct viv_lab_client *client)
{
    return ((const struct etcd_client *)client)->state;
}

static size_t in_flight(const struct viv_lab_client *client)
{
    return ((const struct etcd_client *)client)->in_flight_count;
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

static void request(struct viv_lab_client *base, uint64_t token, enum viv_op op, struct viv_bytes path,
                    struct viv_bytes data)
{
    struct etcd_client *client = (struct etcd_client *)base;
    VIV_ASSERT(client->state == VIV_CLIENT_READY && !client->is_closing);
    uint64_t now_ns = viv_client_now_ns();
    if (client->in_flight_count == 0) {
        client->heard_ns = now_ns;
    }
    struct call *call = call_new(client);
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

static struct viv_bytes value(struct viv_bytes body)
{
    struct viv_bytes bytes;
    bool is_found;
    return viv_etcd_read_range(body, &is_found, &bytes) && is_found ? bytes : (struct viv_bytes){0};
}

const struct viv_dialect viv_dialect_etcd = {false,        loop_open, loop_close, loop_turn, open_client,
                                             close_client, state,     in_flight,  request,   value};
