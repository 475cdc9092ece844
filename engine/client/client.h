#ifndef VIV_CLIENT_CLIENT_H
#define VIV_CLIENT_CLIENT_H

#include "base/status.h"
#include "security/tls_channel.h"
#include "wire/op.h"
#include "wire/records.h"
#include "wire/reply_code.h"

/* Many ZooKeeper sessions in one thread: pipelined requests, pings, reconnection with re-attach to another server.
 * One recv and one send per session and turn of the loop, however many requests are in flight. Knows the client wire
 * and sockets; knows which watches and identities the server must be told of again after a reconnect, no retries (a
 * request whose connection went is answered LOST) and nothing of what the requests are for. All times are
 * CLOCK_MONOTONIC nanoseconds. Not thread-safe: one loop, one thread. */

struct viv_client_loop;
struct viv_client;

/* err of a reply that never came: the connection went while the request was unanswered. Its fate is unknown. */
enum { VIV_CLIENT_LOST = -4 };

struct viv_client_address {
    char host[64]; /* numeric IPv4 or IPv6 */
    uint16_t port;
    char name[256]; /* with TLS: what its certificate must be made for; "": the host above */
};

struct viv_client_options {
    const struct viv_client_address *servers; /* borrowed for the life of the client */
    size_t server_count;
    size_t first_server;          /* index tried first; the next ones follow in order, round and round */
    uint32_t session_timeout_ms;  /* asked for; a third of what was granted is the ping interval */
    uint32_t connect_timeout_ms;  /* TCP and handshake together, then the next server is tried */
    uint32_t reattach_timeout_ms; /* the same for the first attempt with a session at hand, doubled with every failure
                                     up to connect_timeout_ms; 0: connect_timeout_ms at once. A server that hangs
                                     accepts connections and says nothing: a client that waits long measures itself */
    uint32_t silence_ms;          /* no byte for so long with something asked: the connection is given up; 0: two
                                     thirds of the granted session timeout */
    uint32_t retry_ms;            /* pause between two attempts */
    struct viv_tls_context *tls;  /* of use VIV_TLS_IS_CLIENT, borrowed for the life of the client; NULL: plain */
    bool read_only;               /* a server without a quorum will do */
};

/* How long one attempt to connect may take by these options. is_first: there is no session to go on with; silences:
 * attempts since it was ready that nothing answered. */
uint64_t viv_client_attempt_ns(const struct viv_client_options *options, bool is_first, uint32_t silences);

enum viv_client_state {
    VIV_CLIENT_DISCONNECTED,
    VIV_CLIENT_CONNECTING, /* TCP or handshake under way */
    VIV_CLIENT_READY,      /* requests may be made */
    VIV_CLIENT_EXPIRED,    /* told once; a new session is then asked for */
    VIV_CLIENT_CLOSED,     /* the server answered closeSession */
};

struct viv_client_reply {
    uint64_t token; /* as given with the request */
    enum viv_op op;
    int32_t err; /* enum viv_reply_code or VIV_CLIENT_LOST */
    int64_t zxid;
    struct viv_bytes body; /* the record behind the header; borrowed for the call; empty unless err is 0 */
    uint64_t sent_ns;      /* when the request was made */
    uint64_t now_ns;       /* when the batch of bytes that held the reply was read */
};

/* Called from viv_client_loop_turn only. The callbacks may make requests, and may call viv_client_close. */
typedef void viv_client_reply_fn(void *ctx, struct viv_client *client, const struct viv_client_reply *reply);
typedef void viv_client_state_fn(void *ctx, struct viv_client *client, enum viv_client_state state);
/* A watch fired. The event and its path are borrowed for the call. */
typedef void viv_client_event_fn(void *ctx, struct viv_client *client, const struct viv_watcher_event *event);

/* VIV_ERR_SYSTEM: no epoll descriptor. The loop owns its clients. */
viv_status viv_client_loop_open(struct viv_client_loop **out) VIV_MUST_USE;
/* Drops every connection without a word (sessions live on until they expire) and frees all. No callback is made. */
void viv_client_loop_close(struct viv_client_loop *loop);
/* Sends what was asked, then waits for bytes or a timer, at the latest until `until_ns`, and serves what came. */
void viv_client_loop_turn(struct viv_client_loop *loop, uint64_t until_ns);
uint64_t viv_client_now_ns(void);
/* For a caller that waits for something else too: readable when there is something for a turn to serve, and the time
 * of the next timer. A turn is due once before it begins to wait: it sends what was asked. */
int viv_client_loop_fd(const struct viv_client_loop *loop);
uint64_t viv_client_loop_wake_ns(const struct viv_client_loop *loop);

/* Begins to connect at once. Callbacks may be NULL. The loop owns the client. */
struct viv_client *viv_client_new(struct viv_client_loop *loop, const struct viv_client_options *options,
                                  viv_client_reply_fn *on_reply, viv_client_state_fn *on_state, void *ctx);
/* NULL, as at first: events are dropped. */
void viv_client_on_event(struct viv_client *client, viv_client_event_fn *on_event);
/* Sends closeSession behind what is in flight; nothing may be asked afterwards and the client never reconnects. */
void viv_client_close(struct viv_client *client);

enum viv_client_state viv_client_state(const struct viv_client *client);
/* Index of the server it is attached to, or was last. */
size_t viv_client_server(const struct viv_client *client);
int64_t viv_client_session_id(const struct viv_client *client);
/* Why the last attempt at TLS came to nothing, since the client was ready last; "": none did. Another address may have
 * refused the connection meanwhile. */
const char *viv_client_tls_error(const struct viv_client *client);
/* Attached to a server that serves reads only. */
bool viv_client_is_read_only(const struct viv_client *client);
/* errno of the last attempt to connect, ECONNRESET when the server hung up without a word; 0 once it is ready. */
int viv_client_last_error(const struct viv_client *client);
/* Requests not yet answered. */
size_t viv_client_in_flight(const struct viv_client *client);

/* Requests; only in state READY. They leave with the next turn. Arguments are copied. */
void viv_client_create(struct viv_client *client, uint64_t token, struct viv_bytes path, struct viv_bytes data,
                       int32_t flags);
void viv_client_delete(struct viv_client *client, uint64_t token, struct viv_bytes path, int32_t version);
void viv_client_set_data(struct viv_client *client, uint64_t token, struct viv_bytes path, struct viv_bytes data,
                         int32_t version);
void viv_client_get_data(struct viv_client *client, uint64_t token, struct viv_bytes path);
void viv_client_exists(struct viv_client *client, uint64_t token, struct viv_bytes path);
void viv_client_sync(struct viv_client *client, uint64_t token, struct viv_bytes path);
/* Any other request: `record` is what stands behind the header (wire/records.h, client-protocol.md §5). */
void viv_client_request(struct viv_client *client, uint64_t token, enum viv_op op, struct viv_bytes record);

/* The lists of a setWatches2 request, in its order. */
enum viv_client_watch {
    VIV_CLIENT_WATCH_DATA,
    VIV_CLIENT_WATCH_EXIST,
    VIV_CLIENT_WATCH_CHILD,
    VIV_CLIENT_WATCH_PERSISTENT,
    VIV_CLIENT_WATCH_RECURSIVE,
    VIV_CLIENT_WATCH_KINDS,
};
/* The same for a request that sets a watch on `path` when it is answered well (an exists also when there is no such
 * node): from then on the watch is told to each server that the session moves to, until it fires or is forgotten. */
void viv_client_request_watch(struct viv_client *client, uint64_t token, enum viv_op op, struct viv_bytes record,
                              enum viv_client_watch kind, struct viv_bytes path);
/* The watch is not told again. False: there was none. */
bool viv_client_forget_watch(struct viv_client *client, enum viv_client_watch kind, struct viv_bytes path);

/* Adds an identity to the connection and to each later one of this client, also of a later session. In any state; an
 * identity that is told before the first connection is not answered, nor is one with token 0; one that is refused is
 * not told again. */
void viv_client_add_auth(struct viv_client *client, uint64_t token, struct viv_bytes scheme, struct viv_bytes data);

#endif /* VIV_CLIENT_CLIENT_H */
