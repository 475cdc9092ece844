#include "experiments/lab/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { SESSION_TIMEOUT_MS = 10000, CONNECT_TIMEOUT_MS = 2000, RETRY_MS = 2, CLOSE_MS = 200 };

bool viv_probe_word(const struct viv_client_address *server, const char *word, uint32_t limit_ms,
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
        send(fd, word, strlen(word), MSG_NOSIGNAL) == (ssize_t)strlen(word)) {
        ssize_t got;
        while ((got = recv(fd, viv_buffer_reserve(out, 4096), 4096, 0)) > 0) {
            out->size += (size_t)got;
        }
    }
    close(fd);
    return out->size > before;
}

struct viv_probe {
    struct viv_client_address server;
    struct viv_client_loop *loop;
    struct viv_client *client;
    uint64_t answered_ns;
};

static void on_reply(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct viv_probe *probe = ctx;
    (void)client;
    if (reply->err == VIV_REPLY_OK && probe->answered_ns == 0) {
        probe->answered_ns = reply->now_ns;
    }
}

static void on_state(void *ctx, struct viv_client *client, enum viv_client_state state)
{
    (void)ctx;
    if (state == VIV_CLIENT_READY) {
        viv_client_exists(client, 0, VIV_BYTES_LITERAL("/"));
    }
}

viv_status viv_probe_open(const struct viv_client_address *server, struct viv_probe **out)
{
    struct viv_probe *probe = viv_alloc_zeroed(1, sizeof *probe);
    probe->server = *server;
    viv_status status = viv_client_loop_open(&probe->loop);
    if (status != VIV_OK) {
        free(probe);
        return status;
    }
    struct viv_client_options options = {.servers = &probe->server,
                                         .server_count = 1,
                                         .session_timeout_ms = SESSION_TIMEOUT_MS,
                                         .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                         .retry_ms = RETRY_MS};
    probe->client = viv_client_new(probe->loop, &options, on_reply, on_state, probe);
    *out = probe;
    return VIV_OK;
}

uint64_t viv_probe_turn(struct viv_probe *probe, uint64_t until_ns)
{
    if (probe->answered_ns == 0) {
        viv_client_loop_turn(probe->loop, until_ns);
    }
    return probe->answered_ns;
}

void viv_probe_close(struct viv_probe *probe)
{
    if (viv_client_state(probe->client) == VIV_CLIENT_READY) {
        viv_client_close(probe->client);
        uint64_t limit_ns = viv_client_now_ns() + (uint64_t)CLOSE_MS * 1000000;
        while (viv_client_state(probe->client) != VIV_CLIENT_CLOSED && viv_client_now_ns() < limit_ns) {
            viv_client_loop_turn(probe->loop, limit_ns);
        }
    }
    viv_client_loop_close(probe->loop);
    free(probe);
}
