#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "experiments/lab/etcd_internal.h"

enum { EVENTS_PER_TURN = 64, SCRATCH_BYTES = 1 << 16 };
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

void etcd_tell_state(struct etcd_client *client, enum viv_client_state state)
{
    client->state = state;
    if (client->base.on_state != NULL) {
        client->base.on_state(client->base.ctx, &client->base, state);
    }
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
    client->server = (client->server + 1) % client->options.server_count;
    client->deadline_ns = now_ns + client->options.retry_ms * NS_PER_MS;
    client->state = VIV_CLIENT_DISCONNECTED;
    if (was_ready) {
        etcd_tell_state(client, VIV_CLIENT_DISCONNECTED);
    }
    client->read_ns = now_ns;
    etcd_calls_lose(client);
}

static void dial(struct etcd_client *client, uint64_t now_ns)
{
    const struct viv_client_address *server = &client->options.servers[client->server];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    int on = 1;
    client->state = VIV_CLIENT_CONNECTING;
    client->deadline_ns = now_ns + viv_client_attempt_ns(&client->options, !client->was_ready, client->silences);
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
        etcd_http_open(client);
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
        etcd_tell_state(client, VIV_CLIENT_CLOSED);
    } else if (now_ns < timer_ns(client) && !client->is_refused) {
        return;
    } else if (client->state == VIV_CLIENT_DISCONNECTED) {
        dial(client, now_ns);
    } else {
        client->silences += client->state == VIV_CLIENT_CONNECTING;
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
        etcd_calls_fini(client);
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

const struct viv_dialect viv_dialect_etcd = {false,        loop_open, loop_close, loop_turn,          open_client,
                                             close_client, state,     in_flight,  etcd_calls_request, etcd_calls_value};
