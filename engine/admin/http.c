#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/http_internal.h"
#include "admin/http_tunnel.h"
#include "base/assert.h"
#include "base/log.h"
#include "server/address.h"

enum { BACKLOG = 64, PATROL_MS = 1000, TLS_HANDSHAKE = 0x16 };

/* A connection whose first byte will say whether it speaks TLS. */
struct viv_http_arrival {
    struct viv_http *http;
    struct viv_http_arrival *next, **previous;
    uv_poll_t poll;
    int fd;
    uint64_t since_ms;
};

/* ---- arrivals ---- */

static void on_arrival_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The descriptor is the caller's again. */
static int drop_arrival(struct viv_http_arrival *arrival)
{
    int fd = arrival->fd;
    *arrival->previous = arrival->next;
    if (arrival->next != NULL) {
        arrival->next->previous = arrival->previous;
    }
    arrival->http->arrival_count--;
    uv_poll_stop(&arrival->poll);
    uv_close((uv_handle_t *)&arrival->poll, on_arrival_closed);
    return fd;
}

static void take_plain(struct viv_http *http, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0) {
        viv_http_daemon_take(&http->daemon, fd, (const struct sockaddr *)&address, size);
    } else {
        close(fd);
    }
}

static void on_first_byte(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct viv_http_arrival *arrival = poll->data;
    struct viv_http *http = arrival->http;
    unsigned char first = 0;
    ssize_t got = status == 0 ? recv(arrival->fd, &first, 1, MSG_PEEK) : 0;
    int fd = drop_arrival(arrival);
    if (got == 1 && first == TLS_HANDSHAKE) {
        viv_http_tunnel_take(http, fd);
    } else if (got == 1) {
        take_plain(http, fd);
    } else {
        close(fd);
    }
}

static void await_first_byte(struct viv_http *http, int fd)
{
    if (http->arrival_count >= VIV_HTTP_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    struct viv_http_arrival *arrival = viv_alloc_zeroed(1, sizeof *arrival);
    arrival->http = http;
    arrival->fd = fd;
    arrival->since_ms = uv_now(http->config.loop);
    arrival->poll.data = arrival;
    arrival->next = http->arrivals;
    arrival->previous = &http->arrivals;
    if (arrival->next != NULL) {
        arrival->next->previous = &arrival->next;
    }
    http->arrivals = arrival;
    http->arrival_count++;
    VIV_ASSERT(uv_poll_init(http->config.loop, &arrival->poll, fd) == 0);
    VIV_ASSERT(uv_poll_start(&arrival->poll, UV_READABLE | UV_DISCONNECT, on_first_byte) == 0);
}

static void on_accepted_closed(uv_handle_t *handle)
{
    free(handle);
}

/* The library wants a descriptor of its own. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct viv_http *http = listener->data;
    uv_tcp_t *accepted = viv_alloc_zeroed(1, sizeof *accepted);
    uv_os_fd_t held;
    int fd = -1;
    VIV_ASSERT(uv_tcp_init(http->config.loop, accepted) == 0);
    if (status == 0 && uv_accept(listener, (uv_stream_t *)accepted) == 0 &&
        uv_fileno((uv_handle_t *)accepted, &held) == 0) {
        fd = fcntl(held, F_DUPFD_CLOEXEC, 0);
    }
    uv_close((uv_handle_t *)accepted, on_accepted_closed);
    if (fd < 0) {
        return;
    }
    if (http->config.tls == NULL) {
        take_plain(http, fd);
    } else if (http->config.plain_too) {
        await_first_byte(http, fd);
    } else {
        viv_http_tunnel_take(http, fd);
    }
}

static void on_patrol(uv_timer_t *timer)
{
    struct viv_http *http = timer->data;
    viv_http_daemon_patrol(&http->daemon);
    viv_http_tunnel_patrol(http);
    struct viv_http_arrival *next;
    for (struct viv_http_arrival *arrival = http->arrivals; arrival != NULL; arrival = next) {
        next = arrival->next;
        if (uv_now(http->config.loop) >= arrival->since_ms + VIV_HTTP_ARRIVAL_MS_MAX) {
            close(drop_arrival(arrival));
        }
    }
}

/* ---- the port ---- */

int viv_http_open(const struct viv_http_config *config, struct viv_http **opened)
{
    struct viv_http *http = viv_alloc_zeroed(1, sizeof *http);
    http->config = *config;
    *opened = http;
    int status = viv_address_bind(config->loop, &http->listener, config->address, config->port);
    http->is_listening = true;
    http->listener.data = http->patrol.data = http;
    VIV_ASSERT(uv_timer_init(config->loop, &http->patrol) == 0);
    VIV_ASSERT(uv_timer_start(&http->patrol, on_patrol, PATROL_MS, PATROL_MS) == 0);
    if (status == 0) {
        status = uv_listen((uv_stream_t *)&http->listener, BACKLOG, on_connection);
    }
    if (status == 0) {
        viv_http_daemon_open(&http->daemon, http);
    }
    return status;
}

int viv_http_port(const struct viv_http *http)
{
    return viv_address_local_port(&http->listener);
}

bool viv_http_is_loopback(const struct viv_http *http)
{
    return viv_address_is_loopback(&http->listener);
}

void viv_http_stop(struct viv_http *http)
{
    if (http->is_stopping) {
        return;
    }
    http->is_stopping = true;
    uv_close((uv_handle_t *)&http->listener, NULL);
    uv_close((uv_handle_t *)&http->patrol, NULL);
    while (http->arrivals != NULL) {
        close(drop_arrival(http->arrivals));
    }
    viv_http_tunnel_close_all(http);
    viv_http_daemon_close(&http->daemon);
}

void viv_http_free(struct viv_http *http)
{
    VIV_ASSERT(http == NULL || http->is_stopping);
    free(http);
}
