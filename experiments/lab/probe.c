#include "experiments/lab/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/assert.h"

enum { SESSION_TIMEOUT_MS = 10000, CONNECT_TIMEOUT_MS = 2000, RETRY_MS = 2, CLOSE_MS = 200 };

bool viv_probe_ask(const struct viv_client_address *server, const char *question, uint32_t limit_ms,
                   struct viv_buffer *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, server->host, &address.sin_addr) != 1) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    struct timeval limit = {.tv_sec = limit_ms / 1000, .tv_usec = (suseconds_t)(limit_ms % 1000) * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    size_t before = out->size;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, question, strlen(question), MSG_NOSIGNAL) == (ssize_t)strlen(question)) {
        ssize_t got;
        while ((got = recv(fd, viv_buffer_reserve(out, 4096), 4096, 0)) > 0) {
            out->size += (size_t)got;
        }
    }
    close(fd);
    return out->size > before;
}

/* One server's; client is NULL when it was not wanted. */
struct probe {
    struct viv_client_address server;
    struct viv_lab_client *client;
    uint64_t answered_ns;
};

struct viv_probes {
    struct viv_lab_loop *loop;
    struct probe *items;
    size_t count;
};

static void on_reply(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct probe *probe = ctx;
    (void)client;
    if (reply->err == VIV_REPLY_OK && probe->answered_ns == 0) {
        probe->answered_ns = reply->now_ns;
    }
}

static void on_state(void *ctx, struct viv_lab_client *client, enum viv_client_state state)
{
    (void)ctx;
    if (state == VIV_CLIENT_READY) {
        viv_lab_client_request(client, 0, VIV_OP_EXISTS, VIV_BYTES_LITERAL("/"), (struct viv_bytes){0});
    }
}

viv_status viv_probes_open(const struct viv_dialect *dialect, const struct viv_client_address *servers,
                           const bool *wanted, size_t server_count, struct viv_probes **out)
{
    struct viv_probes *probes = viv_alloc_zeroed(1, sizeof *probes);
    viv_status status = viv_lab_loop_open(dialect, &probes->loop);
    if (status != VIV_OK) {
        free(probes);
        return status;
    }
    probes->items = viv_alloc_zeroed(server_count, sizeof *probes->items);
    probes->count = server_count;
    for (size_t i = 0; i < server_count; i++) {
        struct probe *probe = &probes->items[i];
        probe->server = servers[i];
        struct viv_client_options options = {.servers = &probe->server,
                                             .server_count = 1,
                                             .session_timeout_ms = SESSION_TIMEOUT_MS,
                                             .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                             .retry_ms = RETRY_MS};
        if (wanted[i]) {
            probe->client = viv_lab_client_new(probes->loop, &options, on_reply, on_state, probe);
        }
    }
    *out = probes;
    return VIV_OK;
}

size_t viv_probes_turn(struct viv_probes *probes, uint64_t until_ns)
{
    size_t missing = 0;
    viv_lab_loop_turn(probes->loop, until_ns);
    for (size_t i = 0; i < probes->count; i++) {
        missing += probes->items[i].client != NULL && probes->items[i].answered_ns == 0;
    }
    return missing;
}

uint64_t viv_probes_answered_ns(const struct viv_probes *probes, size_t index)
{
    VIV_ASSERT(index < probes->count);
    return probes->items[index].answered_ns;
}

static bool any_open(const struct viv_probes *probes)
{
    for (size_t i = 0; i < probes->count; i++) {
        const struct viv_lab_client *client = probes->items[i].client;
        if (client != NULL && viv_lab_client_state(client) == VIV_CLIENT_READY) {
            return true;
        }
    }
    return false;
}

void viv_probes_close(struct viv_probes *probes)
{
    uint64_t limit_ns = viv_client_now_ns() + (uint64_t)CLOSE_MS * 1000000;
    for (size_t i = 0; i < probes->count; i++) {
        if (probes->items[i].client != NULL) {
            viv_lab_client_close(probes->items[i].client);
        }
    }
    while (any_open(probes) && viv_client_now_ns() < limit_ns) {
        viv_lab_loop_turn(probes->loop, limit_ns);
    }
    viv_lab_loop_close(probes->loop);
    free(probes->items);
    free(probes);
}
