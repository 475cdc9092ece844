#include "client/client_internal.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"

enum { EVENTS_PER_TURN = 64, NS_PER_S = 1000000000 };

uint64_t viv_client_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

viv_status viv_client_loop_open(struct viv_client_loop **out)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        viv_log(VIV_LOG_ERROR, "client", "no epoll descriptor", "error=%m");
        return VIV_ERR_SYSTEM;
    }
    struct viv_client_loop *loop = viv_alloc_zeroed(1, sizeof *loop);
    loop->epoll_fd = fd;
    loop->next_timer_ns = UINT64_MAX;
    loop->scratch = viv_alloc(SCRATCH_BYTES);
    *out = loop;
    return VIV_OK;
}

void viv_client_loop_close(struct viv_client_loop *loop)
{
    for (size_t i = 0; i < loop->client_count; i++) {
        session_fini(loop->clients[i]);
        free(loop->clients[i]);
    }
    close(loop->epoll_fd);
    free(loop->clients);
    free(loop->dirty);
    viv_buffer_fini(&loop->plain);
    free(loop->scratch);
    free(loop);
}

struct viv_client *viv_client_new(struct viv_client_loop *loop, const struct viv_client_options *options,
                                  viv_client_reply_fn *on_reply, viv_client_state_fn *on_state, void *ctx)
{
    VIV_ASSERT(options->server_count > 0);
    VIV_ASSERT(options->first_server < options->server_count);
    if (loop->client_count == loop->client_capacity) {
        loop->client_capacity = loop->client_capacity == 0 ? 16 : loop->client_capacity * 2;
        loop->clients = viv_realloc(loop->clients, loop->client_capacity * sizeof(struct viv_client *));
        loop->dirty = viv_realloc(loop->dirty, loop->client_capacity * sizeof(struct viv_client *));
    }
    struct viv_client *client = viv_alloc_zeroed(1, sizeof *client);
    client->loop = loop;
    client->options = *options;
    client->on_reply = on_reply;
    client->on_state = on_state;
    client->ctx = ctx;
    client->fd = -1;
    client->server = options->first_server;
    client->state = VIV_CLIENT_DISCONNECTED;
    loop->clients[loop->client_count++] = client;
    session_start(client, viv_client_now_ns());
    return client;
}

int viv_client_loop_fd(const struct viv_client_loop *loop)
{
    return loop->epoll_fd;
}

uint64_t viv_client_loop_wake_ns(const struct viv_client_loop *loop)
{
    return loop->dirty_count > 0 ? 0 : loop->next_timer_ns;
}

void loop_mark_dirty(struct viv_client *client)
{
    if (!client->dirty) {
        client->dirty = true;
        client->loop->dirty[client->loop->dirty_count++] = client;
        VIV_ASSERT(client->loop->dirty_count <= client->loop->client_count);
    }
}

void loop_hurry(struct viv_client_loop *loop, uint64_t at_ns)
{
    if (at_ns < loop->next_timer_ns) {
        loop->next_timer_ns = at_ns;
    }
}

bool loop_watch(struct viv_client *client, bool add, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data = {.ptr = client}};
    if (epoll_ctl(client->loop->epoll_fd, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, client->fd, &event) != 0) {
        viv_log(VIV_LOG_ERROR, "client", "a socket cannot be watched", "error=%m");
        return false;
    }
    client->want_write = write;
    return true;
}

static void send_all(struct viv_client_loop *loop)
{
    size_t count = loop->dirty_count;
    loop->dirty_count = 0;
    uint64_t now_ns = count > 0 ? viv_client_now_ns() : 0;
    for (size_t i = 0; i < count; i++) {
        struct viv_client *client = loop->dirty[i];
        client->dirty = false;
        if (client->connected && !client->want_write) {
            session_writable(client, now_ns);
        }
    }
}

static void run_timers(struct viv_client_loop *loop, uint64_t now_ns)
{
    if (now_ns < loop->next_timer_ns) {
        return;
    }
    uint64_t next_ns = UINT64_MAX;
    loop->next_timer_ns = UINT64_MAX;
    for (size_t i = 0; i < loop->client_count; i++) {
        uint64_t at_ns = session_timers(loop->clients[i], now_ns);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    loop_hurry(loop, next_ns);
}

void viv_client_loop_turn(struct viv_client_loop *loop, uint64_t until_ns)
{
    send_all(loop);
    uint64_t now_ns = viv_client_now_ns();
    uint64_t wake_ns = until_ns < loop->next_timer_ns ? until_ns : loop->next_timer_ns;
    uint64_t wait_ns = wake_ns > now_ns && loop->dirty_count == 0 ? wake_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    struct epoll_event events[EVENTS_PER_TURN];
    int count = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_TURN, &wait, NULL);
    now_ns = viv_client_now_ns();
    for (int i = 0; i < count; i++) {
        struct viv_client *client = events[i].data.ptr;
        if (client->fd >= 0 && (events[i].events & EPOLLOUT) != 0) {
            session_writable(client, now_ns);
        }
        if (client->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            session_readable(client, now_ns);
        }
    }
    run_timers(loop, now_ns);
    send_all(loop);
}
