#include "server/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

static bool parse_numeric(const char *host, int port, struct sockaddr_storage *address)
{
    return uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
           uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0;
}

/* ---- listening ---- */

int viv_address_bind(uv_loop_t *loop, uv_tcp_t *handle, const char *host, int port)
{
    struct sockaddr_storage address = {0};
    VIV_ASSERT(uv_tcp_init(loop, handle) == 0);
    if (!parse_numeric(host[0] != '\0' ? host : "0.0.0.0", port, &address)) {
        char service[16];
        snprintf(service, sizeof service, "%d", port);
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
        if (getaddrinfo(host, service, &hints, &found) != 0) {
            return UV_EADDRNOTAVAIL;
        }
        memcpy(&address, found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
    }
    return uv_tcp_bind(handle, (const struct sockaddr *)&address, 0);
}

int viv_address_local_port(const uv_tcp_t *handle)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    int status = uv_tcp_getsockname(handle, (struct sockaddr *)&address, &size);
    if (status != 0) {
        return status;
    }
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((struct sockaddr_in *)&address)->sin_port);
}

bool viv_address_is_loopback(const uv_tcp_t *handle)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (uv_tcp_getsockname(handle, (struct sockaddr *)&address, &size) != 0) {
        return false;
    }
    if (address.ss_family == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&address)->sin6_addr);
    }
    return (ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

static int fill_address(struct viv_address *address, const struct sockaddr_storage *name)
{
    memset(address, 0, sizeof *address);
    if (name->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)name;
        memcpy(address->bytes, &six->sin6_addr, sizeof address->bytes);
        address->port = ntohs(six->sin6_port);
        return uv_ip6_name(six, address->text, sizeof address->text);
    }
    const struct sockaddr_in *four = (const struct sockaddr_in *)name;
    memset(address->bytes + 10, 0xff, 2);
    memcpy(address->bytes + 12, &four->sin_addr, 4);
    address->port = ntohs(four->sin_port);
    return uv_ip4_name(four, address->text, sizeof address->text);
}

bool viv_address_parse(const char *text, struct viv_address *address)
{
    struct sockaddr_storage name = {0};
    return parse_numeric(text, 0, &name) && fill_address(address, &name) == 0;
}

int viv_address_peer(const uv_tcp_t *handle, struct viv_address *address)
{
    struct sockaddr_storage name;
    int size = sizeof name;
    int status = uv_tcp_getpeername(handle, (struct sockaddr *)&name, &size);
    return status != 0 ? status : fill_address(address, &name);
}

void viv_address_limit_silence(const uv_tcp_t *handle, unsigned limit_ms)
{
    uv_os_fd_t fd;
    if (uv_fileno((const uv_handle_t *)handle, &fd) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
    }
}

/* ---- dialling ---- */

static void connect_to(struct viv_dial *dial, const struct sockaddr *address);

static void on_timer_closed(uv_handle_t *handle)
{
    struct viv_dial *dial = handle->data;
    uv_freeaddrinfo(dial->found);
    dial->found = NULL;
    dial->done(dial->ctx, dial->status);
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct viv_dial *dial = handle->data;
    dial->is_socket_open = false;
    uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
}

/* The outcome is known: closes what must not stay, the timer last. */
static void finish(struct viv_dial *dial, int status)
{
    VIV_ASSERT(!dial->is_over);
    dial->is_over = true;
    dial->status = status;
    uv_timer_stop(&dial->timer);
    if (dial->is_resolving) {
        (void)uv_cancel((uv_req_t *)&dial->resolve); /* its callback goes on from here, also when it is too late */
        return;
    }
    if (dial->is_switching) {
        return; /* so does that of the socket */
    }
    if (status != 0 && dial->is_socket_open) {
        uv_close((uv_handle_t *)dial->handle, on_socket_closed);
        return;
    }
    uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
}

/* The socket of an address that does not answer is closed: the next one, unless time is up. */
static void on_given_up(uv_handle_t *handle)
{
    struct viv_dial *dial = handle->data;
    dial->is_socket_open = false;
    if (dial->is_over) {
        uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
    } else {
        dial->is_switching = false;
        connect_to(dial, dial->at->ai_addr);
    }
}

static bool go_on(struct viv_dial *dial)
{
    if (dial->at == NULL || dial->at->ai_next == NULL) {
        return false;
    }
    dial->at = dial->at->ai_next;
    dial->is_switching = true;
    uv_close((uv_handle_t *)dial->handle, on_given_up);
    return true;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct viv_dial *dial = request->data;
    if (dial->is_over || dial->is_switching || (status != 0 && go_on(dial))) {
        return;
    }
    finish(dial, status != 0 ? status : uv_tcp_nodelay(dial->handle, 1));
}

static void connect_to(struct viv_dial *dial, const struct sockaddr *address)
{
    VIV_ASSERT(!dial->is_over);
    int status = uv_tcp_init(dial->timer.loop, dial->handle);
    VIV_ASSERT(status == 0);
    dial->handle->data = dial;
    dial->is_socket_open = true;
    dial->connect.data = dial;
    status = uv_tcp_connect(&dial->connect, dial->handle, address, on_connected);
    if (status != 0 && !go_on(dial)) {
        finish(dial, status);
    }
}

/* An address that swallows everything must not take the time of the others. */
static void on_timeout(uv_timer_t *timer)
{
    struct viv_dial *dial = timer->data;
    if (dial->is_resolving || dial->is_switching || !go_on(dial)) {
        finish(dial, UV_ETIMEDOUT);
    } else {
        VIV_ASSERT(uv_timer_start(timer, on_timeout, dial->share_ms, 0) == 0);
    }
}

static uint64_t count_addresses(const struct addrinfo *found)
{
    uint64_t count = 0;
    for (; found != NULL; found = found->ai_next) {
        count++;
    }
    return count;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct viv_dial *dial = request->data;
    dial->is_resolving = false;
    dial->found = found; /* freed at the end */
    if (dial->is_over) {
        uv_close((uv_handle_t *)&dial->timer, on_timer_closed);
    } else if (status != 0) {
        finish(dial, status);
    } else {
        dial->at = found;
        dial->share_ms /= count_addresses(found);
        VIV_ASSERT(uv_timer_start(&dial->timer, on_timeout, dial->share_ms, 0) == 0);
        connect_to(dial, found->ai_addr);
    }
}

void viv_dial_start(struct viv_dial *dial, uv_loop_t *loop, uv_tcp_t *handle, const char *host, int port,
                    uint64_t timeout_ms, viv_dial_done_fn *done, void *ctx)
{
    *dial = (struct viv_dial){.handle = handle, .share_ms = timeout_ms, .done = done, .ctx = ctx};
    VIV_ASSERT(uv_timer_init(loop, &dial->timer) == 0);
    dial->timer.data = dial;
    VIV_ASSERT(uv_timer_start(&dial->timer, on_timeout, timeout_ms, 0) == 0);
    struct sockaddr_storage address = {0};
    if (parse_numeric(host, port, &address)) {
        connect_to(dial, (const struct sockaddr *)&address);
        return;
    }
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    dial->resolve.data = dial;
    dial->is_resolving = true;
    int status = uv_getaddrinfo(loop, &dial->resolve, on_resolved, host, service, &hints);
    if (status != 0) {
        dial->is_resolving = false;
        finish(dial, status);
    }
}

void viv_dial_cancel(struct viv_dial *dial)
{
    if (!dial->is_over) {
        finish(dial, UV_ECANCELED);
    }
}
