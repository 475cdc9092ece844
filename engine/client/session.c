#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "client/client_internal.h"

enum { NS_PER_MS = 1000000, LENGTH_BYTES = 4, REPLY_FRAME_BYTES_MAX = 64 << 20 };

static uint64_t ms(uint64_t count)
{
    return count * NS_PER_MS;
}

static void tell_state(struct viv_client *client, enum viv_client_state state)
{
    client->state = state;
    if (client->on_state != NULL) {
        client->on_state(client->ctx, client, state);
    }
}

static int open_socket(const struct viv_client_address *address, bool *connected)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    socklen_t size;
    if (inet_pton(AF_INET, address->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address->port);
        size = sizeof *v4;
    } else if (inet_pton(AF_INET6, address->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(address->port);
        size = sizeof *v6;
    } else {
        return -1;
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *connected = connect(fd, (struct sockaddr *)&storage, size) == 0;
    if (!*connected && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

static void append_handshake(struct viv_client *client)
{
    struct viv_connect_request request = {
        .last_zxid_seen = client->last_zxid,
        .timeout_ms = (int32_t)client->options.session_timeout_ms,
        .session_id = client->session_id,
        .password = {.bytes = viv_bytes_of(client->password, sizeof client->password)},
        .has_read_only = true,
        .read_only = client->options.read_only,
    };
    size_t start = client->out.size;
    viv_buffer_extend(&client->out, LENGTH_BYTES);
    viv_connect_request_encode(&client->out, &request);
    viv_store_be32(client->out.data + start, (uint32_t)(client->out.size - start - LENGTH_BYTES));
}

/* Waits for the next attempt, on the next server of the list. */
static void schedule_retry(struct viv_client *client, uint64_t now_ns)
{
    client->server = (client->server + 1) % client->options.server_count;
    client->deadline_ns = now_ns + ms(client->options.retry_ms);
    loop_hurry(client->loop, client->deadline_ns);
}

uint64_t viv_client_attempt_ns(const struct viv_client_options *options, bool is_first, uint32_t silences)
{
    enum { DOUBLINGS_MAX = 20 };
    uint64_t longest_ms = options->connect_timeout_ms;
    uint64_t first_ms = options->reattach_timeout_ms;
    if (is_first || first_ms == 0) {
        return ms(longest_ms);
    }
    uint64_t timeout_ms = first_ms << (silences < DOUBLINGS_MAX ? silences : DOUBLINGS_MAX);
    return ms(timeout_ms < longest_ms ? timeout_ms : longest_ms);
}

/* False: the connection is to be dropped, after what came before was served. */
static bool unseal(struct viv_client *client, struct viv_bytes bytes)
{
    viv_status status = viv_tls_channel_take(client->tls, bytes, &client->loop->plain, &client->sealed);
    if (status == VIV_ERR_MALFORMED) {
        client->tls_why = viv_tls_channel_why(client->tls);
    }
    loop_mark_dirty(client);
    return status == VIV_OK;
}

/* What is to be sent waits until the connection is open. */
static void start_tls(struct viv_client *client)
{
    const struct viv_client_address *address = &client->options.servers[client->server];
    viv_buffer_clear(&client->sealed);
    if (client->options.tls != NULL) {
        client->tls =
            viv_tls_channel_connect(client->options.tls, address->name[0] != '\0' ? address->name : address->host);
        (void)unseal(client, (struct viv_bytes){0}); /* how it begins; the other side has said nothing yet */
    }
}

/* The bytes as they travel. */
static struct viv_buffer *seal(struct viv_client *client)
{
    if (client->tls == NULL) {
        return &client->out;
    }
    if (client->out.size > 0 && viv_tls_channel_is_open(client->tls)) {
        viv_tls_channel_put(client->tls, viv_buffer_bytes(&client->out), &client->sealed);
        viv_buffer_clear(&client->out);
    }
    return &client->sealed;
}

void session_start(struct viv_client *client, uint64_t now_ns)
{
    VIV_ASSERT(client->fd < 0);
    viv_buffer_clear(&client->in);
    viv_buffer_clear(&client->out);
    client->fd = open_socket(&client->options.servers[client->server], &client->connected);
    if (client->fd < 0 || !loop_watch(client, true, !client->connected)) {
        if (client->fd >= 0) {
            close(client->fd);
            client->fd = -1;
        }
        schedule_retry(client, now_ns);
        return;
    }
    client->state = VIV_CLIENT_CONNECTING;
    client->deadline_ns = now_ns + viv_client_attempt_ns(&client->options, client->session_id == 0, client->failures);
    client->heard_ns = client->spoke_ns = now_ns;
    loop_hurry(client->loop, client->deadline_ns);
    append_handshake(client);
    start_tls(client);
    loop_mark_dirty(client);
}

/* Requests of the library's own are answered to nobody. */
static bool is_own(const struct pending *item)
{
    return item->op == VIV_OP_CLOSE_SESSION || item->xid < 0;
}

static void answer_lost(struct viv_client *client, uint64_t now_ns)
{
    auths_lost(client, now_ns);
    while (client->pending.count > 0) {
        struct pending item = pending_pop(&client->pending);
        watches_answered(&client->watches, item.xid, item.op, VIV_CLIENT_LOST);
        struct viv_client_reply reply = {.token = item.token,
                                         .op = item.op,
                                         .err = VIV_CLIENT_LOST,
                                         .zxid = -1,
                                         .sent_ns = item.sent_ns,
                                         .now_ns = now_ns};
        if (client->on_reply != NULL && !is_own(&item)) {
            client->on_reply(client->ctx, client, &reply);
        }
    }
}

void session_drop(struct viv_client *client, uint64_t now_ns)
{
    if (client->fd < 0) {
        return;
    }
    close(client->fd);
    client->fd = -1;
    viv_tls_channel_free(client->tls);
    client->tls = NULL;
    client->connected = false;
    client->want_write = false;
    client->pinging = false;
    client->waiting_ns = 0;
    bool was_ready = client->state == VIV_CLIENT_READY;
    client->state = VIV_CLIENT_DISCONNECTED;
    schedule_retry(client, now_ns);
    answer_lost(client, now_ns);
    if (client->closing) {
        tell_state(client, VIV_CLIENT_CLOSED);
    } else if (was_ready) {
        tell_state(client, VIV_CLIENT_DISCONNECTED);
    }
}

/* False when the connection is gone. */
static bool serve_handshake(struct viv_client *client, struct viv_bytes frame, uint64_t now_ns)
{
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    struct viv_connect_response response;
    viv_connect_response_decode(&reader, &response);
    if (reader.bad) {
        session_drop(client, now_ns);
        return false;
    }
    if (response.timeout_ms <= 0) {
        client->session_id = 0;
        client->last_zxid = 0;
        memset(client->password, 0, sizeof client->password);
        watches_forget_all(&client->watches);
        session_drop(client, now_ns);
        tell_state(client, VIV_CLIENT_EXPIRED);
        client->state = VIV_CLIENT_DISCONNECTED;
        return false;
    }
    client->session_id = response.session_id;
    client->granted_ms = (uint32_t)response.timeout_ms;
    client->failures = 0;
    client->last_error = 0;
    client->tls_why = NULL;
    client->read_only = response.read_only;
    memcpy(client->password, response.password, sizeof client->password);
    loop_hurry(client->loop, now_ns + ms(client->granted_ms) / 3);
    client->state = VIV_CLIENT_READY;
    /* Who we are comes first: what is asked next may need it. */
    auths_tell(client);
    watches_tell(client);
    tell_state(client, VIV_CLIENT_READY);
    return client->fd >= 0;
}

static void note_oldest_unanswered(struct viv_client *client)
{
    const struct pending_ring *ring = &client->pending;
    client->waiting_ns = ring->count > 0 ? ring->items[ring->head].sent_ns : 0;
}

/* Notifications and the replies to pings and identities stand outside the order of the requests. */
static bool serve_special(struct viv_client *client, struct viv_jute_reader *reader,
                          const struct viv_reply_header *header, uint64_t now_ns)
{
    switch (header->xid) {
    case VIV_XID_PING:
        client->pinging = false;
        note_oldest_unanswered(client);
        return true;
    case VIV_XID_AUTH:
        auths_answered(client, header->err, now_ns);
        return true;
    case VIV_XID_NOTIFICATION: {
        struct viv_watcher_event event;
        viv_watcher_event_decode(reader, &event);
        if (!reader->bad) {
            watches_fired(&client->watches, &event);
            if (client->on_event != NULL) {
                client->on_event(client->ctx, client, &event);
            }
        }
        return true;
    }
    default:
        return false;
    }
}

static bool serve_reply(struct viv_client *client, struct viv_bytes frame, uint64_t now_ns)
{
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    struct viv_reply_header header;
    viv_reply_header_decode(&reader, &header);
    if (!reader.bad && serve_special(client, &reader, &header, now_ns)) {
        return client->fd >= 0;
    }
    struct pending_ring *ring = &client->pending;
    if (reader.bad || ring->count == 0 || ring->items[ring->head].xid != header.xid) {
        session_drop(client, now_ns); /* the order of replies is the protocol; nothing after this can be trusted */
        return false;
    }
    struct pending item = pending_pop(ring);
    note_oldest_unanswered(client);
    if (header.zxid > 0) {
        client->last_zxid = header.zxid;
    }
    if (item.op == VIV_OP_CLOSE_SESSION) {
        session_drop(client, now_ns);
        return false;
    }
    watches_answered(&client->watches, item.xid, item.op, header.err);
    if (is_own(&item)) {
        return true;
    }
    struct viv_client_reply reply = {.token = item.token,
                                     .op = item.op,
                                     .err = header.err,
                                     .zxid = header.zxid,
                                     .body = header.err == 0 ? reader.rest : (struct viv_bytes){0},
                                     .sent_ns = item.sent_ns,
                                     .now_ns = now_ns};
    if (client->on_reply != NULL) {
        client->on_reply(client->ctx, client, &reply);
    }
    return client->fd >= 0;
}

/* Serves the whole frames at the front of `bytes`; returns how many bytes they were, or SIZE_MAX when the connection
 * is gone. */
static size_t serve_frames(struct viv_client *client, struct viv_bytes bytes, uint64_t now_ns)
{
    size_t used = 0;
    while (bytes.size - used >= LENGTH_BYTES) {
        uint32_t frame_bytes = viv_load_be32(bytes.data + used);
        if (frame_bytes > REPLY_FRAME_BYTES_MAX) {
            session_drop(client, now_ns);
            return SIZE_MAX;
        }
        if (bytes.size - used - LENGTH_BYTES < frame_bytes) {
            break;
        }
        struct viv_bytes frame = {bytes.data + used + LENGTH_BYTES, frame_bytes};
        used += LENGTH_BYTES + frame_bytes;
        bool alive = client->state == VIV_CLIENT_CONNECTING ? serve_handshake(client, frame, now_ns)
                                                            : serve_reply(client, frame, now_ns);
        if (!alive) {
            return SIZE_MAX;
        }
    }
    return used;
}

static void take_plain(struct viv_client *client, struct viv_bytes fresh, uint64_t now_ns)
{
    if (client->in.size == 0) {
        size_t used = serve_frames(client, fresh, now_ns);
        if (used != SIZE_MAX) {
            viv_buffer_append(&client->in, fresh.data + used, fresh.size - used);
        }
        return;
    }
    viv_buffer_append_bytes(&client->in, fresh);
    size_t used = serve_frames(client, viv_buffer_bytes(&client->in), now_ns);
    if (used != SIZE_MAX) {
        viv_buffer_consume(&client->in, used);
    }
}

void session_readable(struct viv_client *client, uint64_t now_ns)
{
    ssize_t got = recv(client->fd, client->loop->scratch, SCRATCH_BYTES, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        client->last_error = got < 0 ? errno : ECONNRESET;
        session_drop(client, now_ns);
        return;
    }
    client->heard_ns = now_ns;
    struct viv_bytes fresh = {client->loop->scratch, (size_t)got};
    bool goes_on = true;
    if (client->tls != NULL) {
        viv_buffer_clear(&client->loop->plain);
        goes_on = unseal(client, fresh);
        fresh = viv_buffer_bytes(&client->loop->plain);
    }
    if (fresh.size > 0) {
        take_plain(client, fresh, now_ns);
    }
    if (!goes_on && client->fd >= 0) {
        session_drop(client, now_ns);
    }
}

void session_writable(struct viv_client *client, uint64_t now_ns)
{
    if (!client->connected) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            client->last_error = error;
            session_drop(client, now_ns);
            return;
        }
        client->connected = true;
    }
    struct viv_buffer *wire = seal(client);
    if (wire->size > 0) {
        ssize_t sent = send(client->fd, wire->data, wire->size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            session_drop(client, now_ns);
            return;
        }
        if (sent > 0) {
            client->spoke_ns = now_ns;
            viv_buffer_consume(wire, (size_t)sent);
        }
    }
    bool full = wire->size > 0;
    if (full != client->want_write && !loop_watch(client, false, full)) {
        session_drop(client, now_ns);
    }
}

static uint64_t ready_timers(struct viv_client *client, uint64_t now_ns)
{
    uint64_t silence_ns =
        client->options.silence_ms > 0 ? ms(client->options.silence_ms) : ms(client->granted_ms) * 2 / 3;
    if (client->waiting_ns != 0) {
        uint64_t since_ns = client->heard_ns > client->waiting_ns ? client->heard_ns : client->waiting_ns;
        if (now_ns >= since_ns + silence_ns) {
            session_drop(client, now_ns);
            return client->closing ? UINT64_MAX : client->deadline_ns;
        }
        return since_ns + silence_ns;
    }
    uint64_t ping_ns = client->spoke_ns + ms(client->granted_ms) / 3;
    if (now_ns >= ping_ns && !client->closing) {
        request_ping(client, now_ns);
        return now_ns + silence_ns;
    }
    return ping_ns;
}

uint64_t session_timers(struct viv_client *client, uint64_t now_ns)
{
    if (client->state == VIV_CLIENT_READY) {
        return ready_timers(client, now_ns);
    }
    if (client->closing && client->state != VIV_CLIENT_CLOSED) {
        session_drop(client, now_ns);
        client->state = VIV_CLIENT_CLOSED;
    }
    if (client->state == VIV_CLIENT_CLOSED) {
        return UINT64_MAX;
    }
    if (now_ns < client->deadline_ns) {
        return client->deadline_ns;
    }
    if (client->state == VIV_CLIENT_CONNECTING) {
        client->last_error = ETIMEDOUT;
        client->failures++; /* it was silent; a refusal says nothing about how long to wait */
        session_drop(client, now_ns);
    } else {
        session_start(client, now_ns);
    }
    return client->state == VIV_CLIENT_CLOSED ? UINT64_MAX : client->deadline_ns;
}

void session_fini(struct viv_client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    viv_buffer_fini(&client->in);
    viv_buffer_fini(&client->out);
    viv_buffer_fini(&client->sealed);
    viv_tls_channel_free(client->tls);
    free(client->pending.items);
    watches_fini(&client->watches);
    auths_fini(&client->auths);
}
