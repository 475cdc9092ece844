#ifndef VIV_NODE_CONNECTION_H
#define VIV_NODE_CONNECTION_H

#include "node/fifo.h"
#include "node/table.h"
#include "node/turn.h"
#include "wire/records.h"

/* Clients' connections as records: where each stands, what it waits for in which order, what it is told at the end of
 * the turn. Everything that happens to a connection is decided in handshake.c, request.c and write_path.c. */

enum viv_connection_state {
    VIV_CONNECTION_NEW,       /* no ConnectRequest yet */
    VIV_CONNECTION_ATTACHING, /* its session is being made or found */
    VIV_CONNECTION_LIVE,
    VIV_CONNECTION_LEAVING, /* its last request is on the way: nothing more is heard */
    VIV_CONNECTION_CLOSING, /* closed at the end of the turn; waits for CLIENT_CLOSED */
};

/* What a LIVE connection waits for before anything more of it is heard: it comes in the meantime as an early frame. */
enum viv_connection_wait {
    VIV_CONNECTION_WAITS_NOT,
    VIV_CONNECTION_WAITS_SASL,    /* the outcome of its token */
    VIV_CONNECTION_WAITS_UPGRADE, /* its local session becomes a global one */
    VIV_CONNECTION_WAITS_READS,   /* those before it may be answered */
};

enum viv_pending_kind {
    VIV_PENDING_READ,    /* ready as soon as it is the oldest, and its point is reached */
    VIV_PENDING_REFUSED, /* the same; err is known */
    VIV_PENDING_WRITE,   /* waits for its transaction */
    VIV_PENDING_SYNC,    /* waits for the leader's word */
    VIV_PENDING_END,     /* closeSession of a local session: ready as soon as it is the oldest */
    VIV_PENDING_UNKNOWN, /* refused as soon as it is the oldest, and with it the connection */
};

/* A request whose reply is not said yet. */
struct viv_pending {
    enum viv_pending_kind kind;
    int32_t xid, op, err;
    uint64_t after_zxid;             /* WRITE: its transaction is later than this one */
    uint64_t read_point;             /* READ: it waits for this one (node/fresh.c); 0: for none */
    uint64_t received_ns, routed_ns; /* turns in which it came, and in which it was taken up */
    size_t bytes;                    /* of the request, for the limits */
    struct viv_buffer record;        /* READ, SYNC: the request record */
};

/* What `cons` shows of a connection beside what its socket knows. */
struct viv_connection_stats {
    int32_t last_op;    /* 0: none, or a write that was refused */
    int32_t last_cxid;  /* -1: none; what the client library numbers itself does not count */
    uint64_t last_zxid; /* UINT64_MAX: none */
    uint64_t last_reply_ms;
    uint64_t latency_ms_last, latency_ms_min, latency_ms_max, latency_ms_sum, latency_count;
};

/* A frame that came before the session was there, or while the connection waits. */
struct viv_early_frame {
    uint64_t received_ns;
    struct viv_buffer frame;
};

struct viv_attachment;

struct viv_connection {
    viv_conn id;
    enum viv_connection_state state;
    enum viv_connection_wait waits_for;
    uint64_t opened_ms;
    uint64_t asked_ns; /* its ConnectRequest came */
    int64_t opened_wall_ms;
    int64_t session_id; /* from ATTACHING on */
    int32_t timeout_ms;
    bool is_secure;                 /* over TLS */
    bool has_read_only;             /* the handshake carried that byte */
    struct viv_attachment *session; /* while attached */
    int32_t sasl_xid;               /* of the token whose outcome it waits for */
    struct viv_buffer authinfo;     /* raw vector<Id> */
    struct viv_fifo early;          /* struct viv_early_frame */
    struct viv_fifo pending;        /* struct viv_pending, in request order */
    uint64_t pending_bytes;
    struct viv_buffer outbox; /* whole frames */
    bool is_dirty;            /* has something to say or do at the end of the turn */
    bool is_paused;
    bool is_held; /* a long answer is on its way to the socket: no other is made before CLIENT_DRAINED */
    struct viv_connection_stats stats;
    struct viv_connection *next, *previous; /* in order of opening */
};

struct viv_connections {
    struct viv_table by_id;
    struct viv_connection *first, *last;
    viv_conn *dirty; /* touched in this turn; some may be gone again */
    size_t dirty_count, dirty_capacity;
    uint64_t pending_count, pending_bytes; /* over all connections */
    bool is_paused;
    uint64_t frames_sent;
    uint64_t pending_count_max, pending_bytes_max, pending_per_connection_max; /* beyond them reading pauses */
    uint64_t outbox_bytes;                                                     /* of all connections */
    uint64_t reply_bytes;                                        /* of all replies, without their lengths */
    uint64_t reply_bytes_last, reply_bytes_min, reply_bytes_max; /* max 0: none yet */
};

void viv_connections_fini(struct viv_connections *connections);
struct viv_connection *viv_connections_add(struct viv_connections *connections, viv_conn id,
                                           const struct viv_turn *turn);
struct viv_connection *viv_connections_find(const struct viv_connections *connections, viv_conn id);
void viv_connections_remove(struct viv_connections *connections, struct viv_connection *connection);
/* After each frame: a long answer is made only when the ones before it went to the socket. The rest of the frames waits
 * until then. */
void viv_connection_hold(struct viv_connection *connection, struct viv_actions *out);
/* Whether as much is said, or said and not taken, as should wait for its reader. */
bool viv_connection_is_full(const struct viv_connection *connection);
/* End of a turn: one CLIENT_SEND per connection, then CLIENT_CLOSE where it is due; pauses and their ends. */
void viv_connections_flush(struct viv_connections *connections, struct viv_actions *out);
/* Start of a turn: what the last one sent is done with. */
void viv_connections_turn_begin(struct viv_connections *connections);

/* One reply frame. */
void viv_connection_reply(struct viv_connections *connections, struct viv_connection *connection,
                          const struct viv_reply_header *header, struct viv_bytes record);
/* Whole frames as they are. */
void viv_connection_say(struct viv_connections *connections, struct viv_connection *connection,
                        struct viv_bytes frames);
/* Nothing of what was said in this turn is sent. */
void viv_connection_unsay(struct viv_connections *connections, struct viv_connection *connection);
void viv_connection_mark_dirty(struct viv_connections *connections, struct viv_connection *connection);

/* A copy of `request` at the end of the order; a request of `bytes`. */
struct viv_pending *viv_connection_push(struct viv_connections *connections, struct viv_connection *connection,
                                        const struct viv_pending *request, size_t bytes);
void viv_connection_pop(struct viv_connections *connections, struct viv_connection *connection);
/* Nothing was answered yet. */
void viv_connection_stats_reset(struct viv_connection_stats *stats);
/* Forgets requests, answered or not. */
void viv_connection_forget(struct viv_connections *connections, struct viv_connection *connection);

#endif /* VIV_NODE_CONNECTION_H */
