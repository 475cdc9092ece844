#include "experiments/lab/null_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/log.h"

enum {
    CONNECTIONS_MAX = 64,
    POLL_MS = 20,
    LENGTH_BYTES = 4,
    FRAME_BYTES_MAX = 1 << 20,
    READ_BYTES = 1 << 16,
    FREEZES_MAX = 1024
};

struct connection {
    int fd; /* -1: free */
    bool greeted;
    struct viv_buffer in, out;
};

struct viv_null_server {
    int listener;
    uint16_t port;
    uint64_t period_ns, freeze_ns, start_ns;
    pthread_t thread;
    _Atomic bool stop;
    int64_t next_zxid;
    struct connection connections[CONNECTIONS_MAX];
    uint64_t freezes_ns[FREEZES_MAX];
    _Atomic size_t freeze_count;
};

static void drop(struct connection *connection)
{
    close(connection->fd);
    viv_buffer_fini(&connection->in);
    viv_buffer_fini(&connection->out);
    *connection = (struct connection){.fd = -1};
}

/* What follows the header of a good reply; but for the data, contents are zeros: only the form counts. */
static void append_body(struct viv_buffer *out, int32_t op)
{
    struct viv_stat stat = {0};
    switch (op) {
    case VIV_OP_CREATE:
    case VIV_OP_SYNC:
        viv_jute_write_text(out, "/");
        break;
    case VIV_OP_GET_DATA:
        viv_jute_write_text(out, "00000000"); /* a key's initial value: whatever was written is lost */
        viv_stat_encode(out, &stat);
        break;
    case VIV_OP_SET_DATA:
    case VIV_OP_EXISTS:
        viv_stat_encode(out, &stat);
        break;
    default:
        break;
    }
}

static void answer(struct viv_null_server *server, struct connection *connection, struct viv_bytes frame)
{
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    struct viv_buffer *out = &connection->out;
    size_t start = out->size;
    viv_buffer_extend(out, LENGTH_BYTES);
    if (!connection->greeted) {
        struct viv_connect_request request;
        viv_connect_request_decode(&reader, &request);
        struct viv_connect_response response = {.timeout_ms = request.timeout_ms,
                                                .session_id =
                                                    request.session_id != 0 ? request.session_id : ++server->next_zxid,
                                                .has_read_only = request.has_read_only};
        viv_connect_response_encode(out, &response);
        connection->greeted = true;
    } else {
        struct viv_request_header header;
        viv_request_header_decode(&reader, &header);
        viv_reply_header_encode(out, &(struct viv_reply_header){.xid = header.xid, .zxid = ++server->next_zxid});
        append_body(out, header.type);
    }
    viv_store_be32(out->data + start, (uint32_t)(out->size - start - LENGTH_BYTES));
}

static void serve(struct viv_null_server *server, struct connection *connection)
{
    ssize_t got = recv(connection->fd, viv_buffer_reserve(&connection->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            drop(connection);
        }
        return;
    }
    connection->in.size += (size_t)got;
    size_t used = 0;
    while (connection->in.size - used >= LENGTH_BYTES) {
        uint32_t frame_bytes = viv_load_be32(connection->in.data + used);
        if (frame_bytes > FRAME_BYTES_MAX) {
            drop(connection);
            return;
        }
        if (connection->in.size - used - LENGTH_BYTES < frame_bytes) {
            break;
        }
        answer(server, connection, viv_bytes_of(connection->in.data + used + LENGTH_BYTES, frame_bytes));
        used += LENGTH_BYTES + frame_bytes;
    }
    viv_buffer_consume(&connection->in, used);
    if (connection->out.size > 0) {
        ssize_t sent = send(connection->fd, connection->out.data, connection->out.size, MSG_NOSIGNAL);
        if (sent != (ssize_t)connection->out.size) {
            drop(connection);
            return;
        }
        viv_buffer_clear(&connection->out);
    }
}

static void accept_one(struct viv_null_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    int on = 1;
    for (size_t i = 0; i < CONNECTIONS_MAX && fd >= 0; i++) {
        if (server->connections[i].fd < 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            server->connections[i].fd = fd;
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

/* Sleeps through the freeze that is on now. */
static void freeze(struct viv_null_server *server)
{
    uint64_t since_ns = server->period_ns == 0 ? 0 : (viv_client_now_ns() - server->start_ns) % server->period_ns;
    if (server->period_ns == 0 || since_ns < server->period_ns - server->freeze_ns) {
        return;
    }
    uint64_t left_ns = server->period_ns - since_ns;
    struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000), .tv_nsec = (long)(left_ns % 1000000000)};
    nanosleep(&left, NULL);
    size_t index = atomic_load(&server->freeze_count);
    if (index < FREEZES_MAX) {
        uint64_t begin_ns = server->start_ns +
                            (viv_client_now_ns() - server->start_ns) / server->period_ns * server->period_ns -
                            server->freeze_ns;
        server->freezes_ns[index] = viv_client_now_ns() - begin_ns;
        atomic_store(&server->freeze_count, index + 1);
    }
}

static void *run(void *ctx)
{
    struct viv_null_server *server = ctx;
    while (!atomic_load_explicit(&server->stop, memory_order_relaxed)) {
        struct pollfd polled[CONNECTIONS_MAX + 1] = {{.fd = server->listener, .events = POLLIN}};
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            polled[i + 1] = (struct pollfd){.fd = server->connections[i].fd, .events = POLLIN};
        }
        poll(polled, CONNECTIONS_MAX + 1, POLL_MS);
        freeze(server);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            if (polled[i + 1].revents != 0 && server->connections[i].fd >= 0) {
                serve(server, &server->connections[i]);
            }
        }
        if (polled[0].revents != 0) {
            accept_one(server);
        }
    }
    return NULL;
}

static bool listen_somewhere(struct viv_null_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = server->listener >= 0 && bind(server->listener, (struct sockaddr *)&address, size) == 0 &&
              listen(server->listener, CONNECTIONS_MAX) == 0 &&
              getsockname(server->listener, (struct sockaddr *)&address, &size) == 0;
    server->port = ntohs(address.sin_port);
    return ok;
}

viv_status viv_null_server_start(uint64_t period_ns, uint64_t freeze_ns, struct viv_null_server **out)
{
    VIV_ASSERT(freeze_ns <= period_ns);
    struct viv_null_server *server = viv_alloc_zeroed(1, sizeof *server);
    server->period_ns = period_ns;
    server->freeze_ns = freeze_ns;
    server->start_ns = viv_client_now_ns();
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        server->connections[i].fd = -1;
    }
    if (!listen_somewhere(server) || pthread_create(&server->thread, NULL, run, server) != 0) {
        viv_log(VIV_LOG_ERROR, "lab", "the null server cannot be started", "error=%m");
        if (server->listener >= 0) {
            close(server->listener);
        }
        free(server);
        return VIV_ERR_SYSTEM;
    }
    *out = server;
    return VIV_OK;
}

void viv_null_server_stop(struct viv_null_server *server)
{
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd >= 0) {
            drop(&server->connections[i]);
        }
    }
    close(server->listener);
    free(server);
}

size_t viv_null_server_freezes(const struct viv_null_server *server, uint64_t *lengths_ns, size_t max)
{
    size_t count = atomic_load(&server->freeze_count);
    for (size_t i = 0; i < count && i < max; i++) {
        lengths_ns[i] = server->freezes_ns[i];
    }
    return count;
}

struct viv_client_address viv_null_server_address(const struct viv_null_server *server)
{
    struct viv_client_address address = {.port = server->port};
    snprintf(address.host, sizeof address.host, "127.0.0.1");
    return address;
}
