#include "admin/http_tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/http_internal.h"
#include "base/assert.h"
#include "base/log.h"

enum { READ_BYTES = 16 << 10, WAITING_BYTES_MAX = 64 << 10, HANDLES = 2 };

/* One direction ends for good: nothing more comes out of its source. */
struct end {
    uv_poll_t poll;
    int fd;                    /* -1: not open yet */
    struct viv_buffer waiting; /* to be written here */
    bool is_read_out;          /* nothing more comes from here */
    bool is_shut;              /* nothing more goes here */
};

struct viv_http_tunnel {
    struct viv_http *http;
    struct viv_http_tunnel *next, **previous;
    struct viv_tls_channel *tls;
    struct end outer; /* the network */
    struct end inner; /* the library */
    uint64_t since_ms;
    unsigned handles_open;
    bool is_closing;
};

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct viv_http_tunnel *tunnel = handle->data;
    if (--tunnel->handles_open == 0) {
        viv_tls_channel_free(tunnel->tls);
        viv_buffer_fini(&tunnel->outer.waiting);
        viv_buffer_fini(&tunnel->inner.waiting);
        free(tunnel);
    }
}

static void close_end(struct end *end)
{
    if (end->fd >= 0) {
        uv_poll_stop(&end->poll);
        uv_close((uv_handle_t *)&end->poll, on_closed);
        close(end->fd);
        end->fd = -1;
    }
}

static void close_tunnel(struct viv_http_tunnel *tunnel)
{
    if (tunnel->is_closing) {
        return;
    }
    tunnel->is_closing = true;
    *tunnel->previous = tunnel->next;
    if (tunnel->next != NULL) {
        tunnel->next->previous = tunnel->previous;
    }
    tunnel->http->tunnel_count--;
    close_end(&tunnel->inner);
    close_end(&tunnel->outer);
}

static void tell_failure(const struct viv_http_tunnel *tunnel)
{
    viv_log(VIV_LOG_DEBUG, tunnel->http->config.name, "a TLS connection was closed", "why=\"%s\"",
            viv_tls_channel_why(tunnel->tls));
}

/* ---- bytes ---- */

/* Reads once. False: there is nothing now. */
static bool read_some(struct end *end, uint8_t *to, size_t *got)
{
    ssize_t size = recv(end->fd, to, READ_BYTES, 0);
    *got = size > 0 ? (size_t)size : 0;
    end->is_read_out = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
    return size > 0;
}

/* False: who is there takes nothing more. */
static bool write_waiting(struct end *end)
{
    while (end->fd >= 0 && end->waiting.size > 0) {
        ssize_t size = send(end->fd, end->waiting.data, end->waiting.size, MSG_NOSIGNAL);
        if (size < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        viv_buffer_consume(&end->waiting, (size_t)size);
    }
    return true;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void open_end(struct viv_http_tunnel *tunnel, struct end *end, int fd)
{
    end->fd = fd;
    end->poll.data = tunnel;
    VIV_ASSERT(uv_poll_init(tunnel->http->config.loop, &end->poll, fd) == 0);
    tunnel->handles_open++;
}

/* Whoever has shaken hands is shown to the library as if it had come without TLS. */
static bool open_inner(struct viv_http_tunnel *tunnel)
{
    int pair[HANDLES];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(tunnel->outer.fd, (struct sockaddr *)&address, &size) != 0) {
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    open_end(tunnel, &tunnel->inner, pair[0]);
    viv_http_daemon_take(&tunnel->http->daemon, pair[1], (const struct sockaddr *)&address, size);
    return true;
}

static bool take_outer(struct viv_http_tunnel *tunnel)
{
    uint8_t bytes[READ_BYTES];
    size_t size;
    if (!read_some(&tunnel->outer, bytes, &size)) {
        return true;
    }
    viv_status status =
        viv_tls_channel_take(tunnel->tls, viv_bytes_of(bytes, size), &tunnel->inner.waiting, &tunnel->outer.waiting);
    if (status == VIV_ERR_MALFORMED) {
        tell_failure(tunnel);
        (void)write_waiting(&tunnel->outer); /* the alert that says why */
        return false;
    }
    tunnel->outer.is_read_out |= status != VIV_OK;
    return tunnel->inner.fd >= 0 || !viv_tls_channel_is_open(tunnel->tls) || open_inner(tunnel);
}

static void take_inner(struct viv_http_tunnel *tunnel)
{
    uint8_t bytes[READ_BYTES];
    size_t size;
    if (read_some(&tunnel->inner, bytes, &size)) {
        viv_tls_channel_put(tunnel->tls, viv_bytes_of(bytes, size), &tunnel->outer.waiting);
    } else if (tunnel->inner.is_read_out) {
        viv_tls_channel_end(tunnel->tls, &tunnel->outer.waiting);
    }
}

/* Each end is read while the other takes what comes, and written while something waits. */
static void watch(struct end *end, const struct end *other)
{
    if (end->fd < 0) {
        return;
    }
    bool wants = !end->is_read_out && other->waiting.size < WAITING_BYTES_MAX;
    int events = (wants ? UV_READABLE : 0) | (end->waiting.size > 0 ? UV_WRITABLE : 0);
    if (events != 0) {
        VIV_ASSERT(uv_poll_start(&end->poll, events, on_ready) == 0);
    } else {
        uv_poll_stop(&end->poll);
    }
}

static bool move(struct viv_http_tunnel *tunnel)
{
    struct end *outer = &tunnel->outer, *inner = &tunnel->inner;
    bool goes_on = write_waiting(outer) && write_waiting(inner);
    if (inner->fd < 0) {
        return goes_on && !outer->is_read_out;
    }
    if (outer->is_read_out && inner->waiting.size == 0 && !inner->is_shut) {
        inner->is_shut = true;
        shutdown(inner->fd, SHUT_WR);
    }
    return goes_on && !(inner->is_read_out && outer->waiting.size == 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct viv_http_tunnel *tunnel = poll->data;
    bool goes_on = status == 0;
    if (goes_on && (events & UV_READABLE) && poll == &tunnel->outer.poll) {
        goes_on = take_outer(tunnel);
    } else if (goes_on && (events & UV_READABLE)) {
        take_inner(tunnel);
    }
    if (!goes_on || !move(tunnel)) {
        close_tunnel(tunnel);
        return;
    }
    watch(&tunnel->outer, &tunnel->inner);
    watch(&tunnel->inner, &tunnel->outer);
}

/* ---- for the port ---- */

void viv_http_tunnel_take(struct viv_http *http, int fd)
{
    if (http->tunnel_count >= VIV_HTTP_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct viv_http_tunnel *tunnel = viv_alloc_zeroed(1, sizeof *tunnel);
    tunnel->http = http;
    tunnel->since_ms = uv_now(http->config.loop);
    tunnel->tls = viv_tls_channel_accept(http->config.tls(http->config.ctx));
    tunnel->inner.fd = -1;
    tunnel->next = http->tunnels;
    tunnel->previous = &http->tunnels;
    if (tunnel->next != NULL) {
        tunnel->next->previous = &tunnel->next;
    }
    http->tunnels = tunnel;
    http->tunnel_count++;
    VIV_ASSERT(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    open_end(tunnel, &tunnel->outer, fd);
    watch(&tunnel->outer, &tunnel->inner);
}

void viv_http_tunnel_patrol(struct viv_http *http)
{
    struct viv_http_tunnel *next;
    for (struct viv_http_tunnel *tunnel = http->tunnels; tunnel != NULL; tunnel = next) {
        next = tunnel->next;
        if (tunnel->inner.fd < 0 && uv_now(http->config.loop) >= tunnel->since_ms + VIV_HTTP_ARRIVAL_MS_MAX) {
            close_tunnel(tunnel);
        }
    }
}

void viv_http_tunnel_close_all(struct viv_http *http)
{
    while (http->tunnels != NULL) {
        close_tunnel(http->tunnels);
    }
}
