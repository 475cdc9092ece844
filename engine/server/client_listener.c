#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/caller.h"

/* ---- limits ---- */

static const char *refuse_reason(struct viv_client_port *port, const struct viv_caller *caller)
{
    const struct viv_config *config = port->server->config;
    size_t most = config->connections_max > 0 ? (size_t)config->connections_max : VIV_CALLER_SLOTS_MAX;
    if (port->client_count >= most) {
        return "maxCnxns";
    }
    if (port->client_count >= port->descriptors_max) {
        return "open files of this process (ulimit -n)";
    }
    if (!viv_address_counts_add(&port->counts, caller->address.bytes, (uint64_t)config->connections_per_address_max)) {
        return "maxClientCnxns";
    }
    return NULL;
}

/* A client that tries again and again must not fill the log. */
static void note_refusal(struct viv_client_port *port, const struct viv_caller *caller, const char *limit)
{
    uint64_t swallowed;
    port->rejected++;
    if (viv_log_gate_open(&port->refusals, viv_server_now_ms(port->server), &swallowed)) {
        viv_log(VIV_LOG_WARN, "client", "refused: too many connections",
                "address=%s limit=\"%s\" refused_so_far=%" PRIu64, caller->address.text, limit, port->rejected);
    }
}

/* As many descriptors as the machine lets us have; what stores, peers and the admin port need is kept free. A
 * connection over that is refused before accept could fail. */
static size_t count_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return VIV_CALLER_SLOTS_MAX;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        limit.rlim_cur = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
    }
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC); /* about as many are in use */
    size_t used = lowest < 0 ? 0 : (size_t)lowest;
    if (lowest >= 0) {
        close(lowest);
    }
    used += VIV_DESCRIPTORS_RESERVED;
    return limit.rlim_cur > used ? (size_t)limit.rlim_cur - used : 1;
}

/* ---- accepting ---- */

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void let_in(struct viv_client_listener *listener, struct viv_caller *caller)
{
    struct viv_client_port *port = listener->port;
    (void)uv_tcp_nodelay(&caller->handle, 1);
    viv_outbox_init(&caller->outbox, (uv_stream_t *)&caller->handle, viv_caller_written, caller);
    caller->outbox.part_bytes_max = VIV_CALLER_WRITE_BYTES;
    caller->kind = listener->kind;
    caller->since_ms = viv_server_now_ms(port->server);
    viv_client_port_add(port, caller);
    if (listener->kind == VIV_LISTENER_TLS) {
        viv_caller_begin_handshake(caller);
    } else if (listener->kind == VIV_LISTENER_PLAIN) {
        caller->is_plain = true;
        viv_caller_open(caller);
    }
    viv_caller_update_reading(caller);
}

/* UV_EAGAIN: nobody is at the door. */
static int accept_one(struct viv_client_listener *listener)
{
    struct viv_client_port *port = listener->port;
    struct viv_caller *caller = viv_alloc_zeroed(1, sizeof *caller);
    VIV_ASSERT(uv_tcp_init(&port->server->loop, &caller->handle) == 0);
    caller->handle.data = caller;
    caller->port = port;
    caller->read_turn = UINT64_MAX;
    const char *limit = NULL;
    int status = uv_accept((uv_stream_t *)&listener->handle, (uv_stream_t *)&caller->handle);
    if (status != 0 || viv_address_peer(&caller->handle, &caller->address) != 0 ||
        (limit = refuse_reason(port, caller)) != NULL) {
        if (limit != NULL) {
            note_refusal(port, caller, limit);
        }
        uv_close((uv_handle_t *)&caller->handle, on_refused_closed);
        return status;
    }
    let_in(listener, caller);
    return 0;
}

/* Who comes too fast, or while too many handshakes are under way, waits in the queue of the system. */
static bool may_accept(struct viv_client_listener *listener)
{
    struct viv_client_port *port = listener->port;
    return (listener->kind != VIV_LISTENER_TLS ||
            port->handshake_count < (size_t)port->server->config->handshakes_max) &&
           viv_rate_take(&port->rate, viv_server_now_ms(port->server));
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct viv_client_listener *listener = stream->data;
    struct viv_client_port *port = listener->port;
    uint64_t swallowed;
    if (status != 0) {
        if (viv_log_gate_open(&port->refusals, viv_server_now_ms(port->server), &swallowed)) {
            viv_log(VIV_LOG_WARN, "client", "a connection could not be accepted", "error=\"%s\" swallowed=%" PRIu64,
                    uv_strerror(status), swallowed);
        }
        return;
    }
    listener->is_waiting = !may_accept(listener);
    if (!listener->is_waiting) {
        (void)accept_one(listener); /* libuv looks for the next one by itself */
    }
}

void viv_client_listeners_tick(struct viv_client_port *port)
{
    for (size_t i = 0; i < VIV_CLIENT_LISTENERS; i++) {
        struct viv_client_listener *listener = &port->listeners[i];
        if (listener->is_waiting && listener->is_open && may_accept(listener)) {
            listener->is_waiting = false;
            (void)accept_one(listener);
        }
    }
}

/* ---- listening ---- */

static const struct listener_config {
    const char *port_key, *address_key;
} keys[VIV_CLIENT_LISTENERS] = {
    {"clientPort", "clientPortAddress"},
    {"secureClientPort", "secureClientPortAddress"},
};

static viv_status open_listener(struct viv_client_listener *listener, size_t index, const char *address, int number)
{
    struct viv_client_port *port = listener->port;
    int status = viv_address_bind(&port->server->loop, &listener->handle, address, number);
    listener->is_open = true;
    listener->handle.data = listener;
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&listener->handle, (int)port->server->config->listen_backlog, on_connection);
    }
    if (status != 0) {
        viv_log(VIV_LOG_ERROR, "client",
                "the client port cannot be opened; stop what uses it, or change the keys that are named here",
                "keys=%s,%s address=%s port=%d error=\"%s\"", keys[index].port_key, keys[index].address_key, address,
                number, uv_strerror(status));
        return VIV_ERR_BUSY;
    }
    static const char *const kinds[] = {"no", "yes", "either"};
    viv_log(VIV_LOG_INFO, "client", "listening", "address=%s port=%d tls=%s", address[0] != '\0' ? address : "*",
            viv_address_local_port(&listener->handle), kinds[listener->kind]);
    if (listener->kind != VIV_LISTENER_TLS && !viv_address_is_loopback(&listener->handle)) {
        viv_log(VIV_LOG_WARN, "client",
                "clients of other machines are served without TLS: who sits on the network can read and change what "
                "they send",
                "port=%d", viv_address_local_port(&listener->handle));
    }
    return VIV_OK;
}

viv_status viv_client_listeners_open(struct viv_client_port *port)
{
    const struct viv_config *config = port->server->config;
    viv_rate_init(&port->rate, VIV_CONNECTIONS_PER_SECOND, VIV_CONNECTIONS_BURST, viv_server_now_ms(port->server));
    port->descriptors_max = count_descriptors();
    if (port->descriptors_max < (size_t)config->connections_max) {
        viv_log(VIV_LOG_INFO, "client", "fewer connections than configured can be held: raise the limit of open files",
                "maxCnxns=%" PRIi64 " connections=%zu", config->connections_max, port->descriptors_max);
    }
    for (size_t i = 0; i < VIV_CLIENT_LISTENERS; i++) {
        port->listeners[i].port = port;
    }
    port->listeners[0].kind = config->client_port_unification ? VIV_LISTENER_EITHER : VIV_LISTENER_PLAIN;
    port->listeners[1].kind = VIV_LISTENER_TLS;
    if (config->client_port >= 0) {
        VIV_TRY(open_listener(&port->listeners[0], 0, config->client_address, (int)config->client_port));
    }
    if (config->secure_client_port >= 0) {
        VIV_TRY(open_listener(&port->listeners[1], 1, config->secure_client_address, (int)config->secure_client_port));
    }
    return VIV_OK;
}

static void on_moved(uv_handle_t *handle)
{
    struct viv_client_listener *listener = handle->data;
    const struct viv_member *self = &listener->port->server->ensemble.self;
    listener->is_moving = false;
    if (!listener->port->server->is_stopping) {
        (void)open_listener(listener, 0, self->client_host, self->client_port); /* the failure was logged */
    }
}

void viv_client_port_move(struct viv_client_port *port)
{
    struct viv_client_listener *listener = &port->listeners[0];
    if (listener->is_open && !listener->is_moving) {
        listener->is_open = false;
        listener->is_moving = true;
        uv_close((uv_handle_t *)&listener->handle, on_moved);
    }
}

void viv_client_listeners_close(struct viv_client_port *port)
{
    for (size_t i = 0; i < VIV_CLIENT_LISTENERS; i++) {
        if (port->listeners[i].is_open) {
            port->listeners[i].is_open = false;
            uv_close((uv_handle_t *)&port->listeners[i].handle, NULL);
        }
    }
}
